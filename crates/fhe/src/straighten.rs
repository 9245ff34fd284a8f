//! Handwriting, light on dark, made upright, in the middle, and half-way to a common size.
//!
//! People write signs with slants and sizes of their own, which tell nothing and cost a small network
//! much. Taken out by the owner, before encryption, they cost nothing.
//!
//! Source: Liu, Nakashima, Sako and Fujisawa, Handwritten digit recognition: investigation of
//! normalization and feature extraction techniques (2004), section 2; training/pictures.py does the
//! same, number for number.

use crate::picture::Pixels;

/// Standard deviations of handwriting, across and down, as shares of the frame.
const SPREAD: [f64; 2] = [0.122, 0.194];

/// Where in the old picture a pixel of the new one lies.
struct Way {
    /// The centre of mass.
    x: f64,
    y: f64,
    /// Columns that the mass moves to the right, a row down.
    slant: f64,
    /// Old pixels of a new one, across and down.
    wide: f64,
    tall: f64,
}

impl Way {
    /// None of a picture that is all black.
    fn of(pixels: &Pixels) -> Option<Self> {
        // Whole numbers: at most 2^26 pixels of 255 times 2^28.
        let [mut mass, mut x, mut y, mut xx, mut xy, mut yy] = [0_u64; 6];
        let rows = pixels.as_bytes().chunks_exact(pixels.width() as usize);
        for (row, greys) in (0_u64..).zip(rows) {
            for (column, grey) in (0_u64..).zip(greys) {
                let grey = u64::from(*grey);
                mass += grey;
                x += grey * column;
                y += grey * row;
                xx += grey * column * column;
                xy += grey * row * column;
                yy += grey * row * row;
            }
        }
        if mass == 0 {
            return None;
        }
        let times = |a: u64, b: u64| i128::from(a) * i128::from(b);
        let across = times(mass, xx) - times(x, x);
        let downward = times(mass, yy) - times(y, y);
        let both = times(mass, xy) - times(x, y);
        let slant = match downward {
            0 => 0.0,
            downward => (both as f64 / downward as f64).clamp(-1.0, 1.0),
        };
        let mass = mass as f64;
        let [across, downward, both] =
            [across, downward, both].map(|sum| sum as f64 / (mass * mass));
        let across = across - slant * (2.0 * both - slant * downward);
        Some(Self {
            x: x as f64 / mass,
            y: y as f64 / mass,
            slant,
            wide: half_way(across, SPREAD[0] * f64::from(pixels.width())),
            tall: half_way(downward, SPREAD[1] * f64::from(pixels.height())),
        })
    }
}

/// How many old pixels a new one is.
fn half_way(variance: f64, common: f64) -> f64 {
    let beside_common = variance.max(0.0).sqrt() / common;
    beside_common.clamp(2.0 / 3.0, 3.0 / 2.0).sqrt()
}

/// The same shape: the centre of mass in its middle, no covariance of rows and columns, deviations
/// half-way to the common ones, as factors.
///
/// Bilinear, black beyond the edges, rounded once.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // means of greys
pub(crate) fn straighten(pixels: &Pixels) -> Vec<u8> {
    let Some(way) = Way::of(pixels) else {
        return pixels.as_bytes().to_vec();
    };
    let middle = |side: u32| f64::from(side - 1) / 2.0;
    let (middle_x, middle_y) = (middle(pixels.width()), middle(pixels.height()));
    let mut out = Vec::with_capacity(pixels.as_bytes().len());
    for row in 0..pixels.height() {
        let down = (f64::from(row) - middle_y) * way.tall;
        let (y, start) = (way.y + down, way.x + way.slant * down);
        for column in 0..pixels.width() {
            let x = start + (f64::from(column) - middle_x) * way.wide;
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

    /// Centre of mass, deviations across and down, and correlation.
    fn measured(width: usize, data: &[u8]) -> [f64; 5] {
        let mean = |of: &dyn Fn(f64, f64) -> f64| {
            let terms = data.iter().enumerate().map(|(place, grey)| {
                let (x, y) = ((place % width) as f64, (place / width) as f64);
                [of(x, y) * f64::from(*grey), f64::from(*grey)]
            });
            let [sum, mass] = terms.fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d]);
            sum / mass
        };
        let (x, y) = (mean(&|x, _| x), mean(&|_, y| y));
        let across = mean(&|a, _| (a - x).powi(2)).sqrt();
        let down = mean(&|_, b| (b - y).powi(2)).sqrt();
        let both = mean(&|a, b| (a - x) * (b - y));
        [x, y, across, down, both / (across * down)]
    }

    #[test]
    fn a_slanted_stroke_becomes_upright_in_the_middle_and_larger() {
        // From the upper left down to the right, two pixels wide.
        let mut data = vec![0; 28 * 28];
        for row in 3..13 {
            for column in [row / 2, row / 2 + 1] {
                data[row * 28 + column] = 200;
            }
        }
        let [.., across, down, slanted] = measured(28, &data);
        assert!(slanted > 0.9);
        let [x, y, new_across, new_down, slant] = measured(28, &straight(28, 28, data));
        assert!((x - 13.5).abs() < 0.1 && (y - 13.5).abs() < 0.1, "{x} {y}");
        assert!(slant.abs() < 0.05, "{slant}");
        let grown = (SPREAD[1] * 28.0 / down).min(1.5).sqrt();
        assert!(
            (new_down / (down * grown) - 1.0).abs() < 0.05,
            "{new_down} {down}"
        );
        assert!(new_across < across, "{new_across} {across}");
    }

    #[test]
    fn pictures_with_nothing_to_straighten_pass() {
        assert_eq!(straight(5, 5, vec![0; 25]), [0; 25]);
        assert_eq!(straight(1, 1, vec![9]), [9]);
        assert_eq!(straight(3, 1, vec![0, 0, 7])[1], 7);
        let all_white = measured(9, &straight(9, 9, vec![255; 81]));
        assert!(all_white[4].abs() < 1e-9 && (all_white[0] - 4.0).abs() < 1e-9);
    }

    #[test]
    fn training_makes_the_same_numbers() {
        let data: Vec<u8> = (0..30_u16)
            .map(|i| u8::try_from(i * i * 7 % 256).unwrap())
            .collect();
        // test_training.py has the same.
        let expected = include!("../tests/data/straightened.in");
        assert_eq!(straight(6, 5, data), expected);
    }
}
