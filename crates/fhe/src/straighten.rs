//! What is bright, moved to the middle and made upright.
//!
//! People write digits with slants of their own, which tell nothing and cost a small network much.
//! Taken out by the owner, before encryption, they cost nothing.
//!
//! Source: LeCun et al., Gradient-based learning applied to document recognition (1998), section III,
//! for digits; training/pictures.py does the same, number for number.

use crate::picture::Pixels;

/// Where the bright pixels are, each weighed by its grey.
struct Moments {
    /// The centre of mass.
    x: f64,
    y: f64,
    /// Columns that the mass moves to the right, a row down.
    slant: f64,
}

impl Moments {
    /// None of a picture that is all black.
    fn of(pixels: &Pixels) -> Option<Self> {
        // Whole numbers: at most 2^26 pixels of 255 times 2^28.
        let [mut mass, mut x, mut y, mut xy, mut yy] = [0_u64; 5];
        let rows = pixels.as_bytes().chunks_exact(pixels.width() as usize);
        for (row, greys) in (0_u64..).zip(rows) {
            for (column, grey) in (0_u64..).zip(greys) {
                let grey = u64::from(*grey);
                mass += grey;
                x += grey * column;
                y += grey * row;
                xy += grey * row * column;
                yy += grey * row * row;
            }
        }
        let wide = |a: u64, b: u64| i128::from(a) * i128::from(b);
        let variance = wide(mass, yy) - wide(y, y);
        let covariance = wide(mass, xy) - wide(x, y);
        let slant = match variance {
            0 => 0.0,
            variance => (covariance as f64 / variance as f64).clamp(-1.0, 1.0),
        };
        let mean = |sum: u64| sum as f64 / mass as f64;
        (mass > 0).then(|| Self {
            x: mean(x),
            y: mean(y),
            slant,
        })
    }
}

/// The same shape: the centre of mass in its middle, without covariance of rows and columns.
///
/// Bilinear, black beyond the edges, rounded once.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // means of greys
pub(crate) fn straighten(pixels: &Pixels) -> Vec<u8> {
    let Some(moments) = Moments::of(pixels) else {
        return pixels.as_bytes().to_vec();
    };
    let middle = |side: u32| f64::from(side - 1) / 2.0;
    let (middle_x, middle_y) = (middle(pixels.width()), middle(pixels.height()));
    let mut out = Vec::with_capacity(pixels.as_bytes().len());
    for row in 0..pixels.height() {
        let down = f64::from(row) - middle_y;
        let (y, start) = (moments.y + down, moments.x + moments.slant * down);
        for column in 0..pixels.width() {
            let x = start + (f64::from(column) - middle_x);
            out.push((between(pixels, x, y) + 0.5) as u8);
        }
    }
    out
}

#[allow(clippy::cast_possible_truncation)] // at most two frames away
fn between(pixels: &Pixels, x: f64, y: f64) -> f64 {
    let (left, top) = (x.floor(), y.floor());
    let (dx, dy) = (x - left, y - top);
    let (column, row) = (left as i64, top as i64);
    let line = |row| grey(pixels, column, row) * (1.0 - dx) + grey(pixels, column + 1, row) * dx;
    line(row) * (1.0 - dy) + line(row + 1) * dy
}

fn grey(pixels: &Pixels, column: i64, row: i64) -> f64 {
    let inside = |at: i64, side: u32| u32::try_from(at).ok().filter(|at| *at < side);
    let (column, row) = (inside(column, pixels.width()), inside(row, pixels.height()));
    let Some((column, row)) = column.zip(row) else {
        return 0.0;
    };
    let place = row as usize * pixels.width() as usize + column as usize;
    pixels.as_bytes().get(place).copied().map_or(0.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn straight(width: u32, height: u32, data: Vec<u8>) -> Vec<u8> {
        straighten(&Pixels::new(width, height, data).unwrap())
    }

    #[test]
    fn a_slanted_stroke_becomes_upright_in_the_middle() {
        // From the upper left to the lower right, in the left half.
        let mut data = vec![0; 9 * 7];
        (0..7).for_each(|row| data[row * 9 + row / 2] = 200);
        let found = straight(9, 7, data);
        for (place, grey) in found.iter().enumerate() {
            let far = (place % 9).abs_diff(4) > 1;
            assert!(!far || *grey == 0, "{place}: {found:?}");
        }
        assert!((1190..=1400).contains(&found.iter().map(|g| u32::from(*g)).sum::<u32>()));
    }

    #[test]
    fn what_stands_straight_stays() {
        for data in [vec![0; 25], vec![255; 25]] {
            assert_eq!(straight(5, 5, data.clone()), data);
        }
        let mut cross = vec![0; 25];
        for place in [7, 11, 12, 13, 17] {
            cross[place] = 90;
        }
        assert_eq!(straight(5, 5, cross.clone()), cross);
        assert_eq!(straight(1, 1, vec![9]), [9]);
        // One row has no slant.
        assert_eq!(straight(3, 1, vec![7, 0, 0]), [0, 7, 0]);
    }

    #[test]
    fn training_makes_the_same_numbers() {
        let data: Vec<u8> = (0..30_u16).map(|i| (i * i * 7 % 256) as u8).collect();
        // test_training.py has the same.
        let expected = include!("../tests/data/straightened.in");
        assert_eq!(straight(6, 5, data), expected);
    }
}
