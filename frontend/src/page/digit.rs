//! Pen strokes become a picture the way MNIST made its own: white on black, the longer side 20 of
//! 28 pixels, the centre of mass in the middle.

/// Pixels along each side of the picture.
pub const SIDE: u32 = 28;
/// The same, for indices.
const ACROSS: usize = 28;
/// The longer side of the ink, in pixels.
const INK: f64 = 20.0;
/// The pen, in pixels of the picture: what the ink of MNIST's ones and zeros comes to.
pub const PEN: f64 = 3.0;
/// Ink that is smaller than this share of the pad is not blown up to full size: a dot stays a dot.
const BLOWN_UP_MIN: f64 = 0.08;
/// The pixel on which the centre of mass comes to lie, in both directions.
const CENTRE: f64 = 14.0;
/// Samples along each side of a pixel.
const FINE: u32 = 4;

/// A place on the pad: 0 to 1 from the left and from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// The way of the pen from where it touched the pad to where it left it.
pub type Stroke = Vec<Point>;

/// The picture, row by row, 0 black to 255 white; nothing without ink.
pub fn picture(strokes: &[Stroke]) -> Option<Vec<u8>> {
    let segments = fitted(strokes)?;
    let ink = covered(&segments);
    let (x, y) = (shift(&ink, false), shift(&ink, true));
    let at = |place: usize, by: i32| {
        let from = i32::try_from(place).ok()? - by;
        usize::try_from(from).ok().filter(|from| *from < ACROSS)
    };
    let pixel = |(row, column): (usize, usize)| match (at(row, y), at(column, x)) {
        (Some(row), Some(column)) => ink[row * ACROSS + column],
        _ => 0,
    };
    let places = (0..ACROSS).flat_map(|row| (0..ACROSS).map(move |column| (row, column)));
    Some(places.map(pixel).collect())
}

/// The line between two points, in pixels.
type Segment = (Point, Point);

/// The strokes, scaled so that the longer side of the ink is [`INK`], in the upper left corner.
fn fitted(strokes: &[Stroke]) -> Option<Vec<Segment>> {
    let points = || strokes.iter().flatten();
    points().next()?;
    let least = |of: fn(&Point) -> f64| points().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&Point) -> f64| points().map(of).fold(f64::NEG_INFINITY, f64::max);
    let (left, top) = (least(|p| p.x), least(|p| p.y));
    let longer = (most(|p| p.x) - left).max(most(|p| p.y) - top);
    let scale = (INK - PEN) / longer.max(BLOWN_UP_MIN);
    let place = |p: &Point| Point {
        x: (p.x - left) * scale + PEN / 2.0,
        y: (p.y - top) * scale + PEN / 2.0,
    };
    let segments = |stroke: &Stroke| -> Vec<Segment> {
        let placed: Vec<Point> = stroke.iter().map(place).collect();
        match placed[..] {
            [dot] => vec![(dot, dot)],
            _ => placed.windows(2).map(|two| (two[0], two[1])).collect(),
        }
    };
    Some(strokes.iter().flat_map(segments).collect())
}

/// How much of every pixel lies under the pen, 0 to 255.
fn covered(segments: &[Segment]) -> Vec<u8> {
    let side = ACROSS * FINE as usize;
    let mut under = vec![false; side * side];
    for segment in segments {
        mark(&mut under, side, segment);
    }
    let whole = FINE * FINE;
    let mut counts = vec![0_u32; ACROSS * ACROSS];
    for (place, _) in under.iter().enumerate().filter(|(_, under)| **under) {
        let (row, column) = (place / side, place % side);
        counts[row / FINE as usize * ACROSS + column / FINE as usize] += 1;
    }
    let grey = |count: u32| u8::try_from((count * 255 + whole / 2) / whole).unwrap_or(u8::MAX);
    counts.into_iter().map(grey).collect()
}

/// Marks the samples that lie under the pen along one line.
fn mark(under: &mut [bool], side: usize, (a, b): &Segment) {
    let fine = f64::from(FINE);
    // Both are clamped to the samples that there are.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let range = |from: f64, to: f64| {
        let first = ((from - PEN / 2.0) * fine).floor().max(0.0) as usize;
        let last = ((to + PEN / 2.0) * fine).ceil().max(0.0) as usize;
        first.min(side)..last.min(side)
    };
    // Fewer than 2^52 samples.
    #[expect(clippy::cast_precision_loss)]
    let middle = |place: usize| (place as f64 + 0.5) / fine;
    let columns = range(a.x.min(b.x), a.x.max(b.x));
    for row in range(a.y.min(b.y), a.y.max(b.y)) {
        for column in columns.clone() {
            let sample = Point {
                x: middle(column),
                y: middle(row),
            };
            under[row * side + column] |= distance(sample, *a, *b) <= PEN / 2.0;
        }
    }
}

/// From a point to the nearest one of a line that ends at `a` and `b`.
fn distance(p: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 {
        (((p.x - a.x) * dx + (p.y - a.y) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (p.x - a.x - along * dx).hypot(p.y - a.y - along * dy)
}

/// By how many whole pixels the ink has to move, so that its centre of mass is nearest to the middle
/// and nothing is cut off.
fn shift(ink: &[u8], down: bool) -> i32 {
    let (mut mass, mut moment, mut last) = (0.0, 0.0, 0);
    for (place, &grey) in ink.iter().enumerate().filter(|(_, grey)| **grey > 0) {
        let place = if down { place / ACROSS } else { place % ACROSS };
        last = last.max(place);
        // At most 27.
        #[expect(clippy::cast_precision_loss)]
        let place = place as f64;
        mass += f64::from(grey);
        moment += place * f64::from(grey);
    }
    // At most 28 either way.
    #[expect(clippy::cast_possible_truncation)]
    let by = (CENTRE - moment / f64::max(mass, 1.0)).round() as i32;
    let room = i32::try_from(ACROSS - 1 - last).unwrap_or(0);
    by.clamp(0, room)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn line(points: &[(f64, f64)]) -> Stroke {
        points.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    /// First and last column or row with ink.
    fn extent(picture: &[u8], down: bool) -> (usize, usize) {
        let inked = picture.iter().enumerate().filter(|(_, grey)| **grey > 0);
        let places = inked.map(|(i, _)| if down { i / ACROSS } else { i % ACROSS });
        let places: Vec<usize> = places.collect();
        (*places.iter().min().unwrap(), *places.iter().max().unwrap())
    }

    fn centre(picture: &[u8], down: bool) -> f64 {
        let place = |i: usize| (if down { i / ACROSS } else { i % ACROSS }) as f64;
        let mass: f64 = picture.iter().map(|&grey| f64::from(grey)).sum();
        let moment = |(i, &grey): (usize, &u8)| place(i) * f64::from(grey);
        picture.iter().enumerate().map(moment).sum::<f64>() / mass
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn ink_is_twenty_pixels_long_wherever_and_however_small_it_was_drawn() {
        let seven = [(0.2, 0.2), (0.8, 0.2), (0.4, 0.9)];
        let whole = picture(&[line(&seven)]).unwrap();
        let (top, bottom) = extent(&whole, true);
        assert_eq!(bottom - top + 1, 20);
        let (left, right) = extent(&whole, false);
        assert!((15..=20).contains(&(right - left + 1)), "{left} to {right}");
        let small = seven.map(|(x, y)| (0.6 + x * 0.3, 0.1 + y * 0.3));
        assert_eq!(picture(&[line(&small)]).unwrap(), whole);
        let wide = picture(&[line(&[(0.1, 0.5), (0.9, 0.5)])]).unwrap();
        let (left, right) = extent(&wide, false);
        assert_eq!(right - left + 1, 20);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_centre_of_mass_is_in_the_middle() {
        // Nearly all of the ink of an L lies low and left of the middle of its box.
        let l = picture(&[line(&[(0.1, 0.1), (0.1, 0.9), (0.6, 0.9)])]).unwrap();
        for down in [false, true] {
            let centre = centre(&l, down);
            assert!((centre - CENTRE).abs() <= 0.5, "{centre}");
        }
        let (left, _) = extent(&l, false);
        assert!(left > 8, "{left}");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_is_cut_off() {
        // A heavy roof on a thin stem, then the same upside down.
        let zigzag = (0..20).map(|i| (0.1 + 0.04 * f64::from(i), 0.1 + 0.02 * f64::from(i % 2)));
        let roof: Vec<(f64, f64)> = zigzag
            .clone()
            .chain(zigzag.rev())
            .chain([(0.1, 0.9)])
            .collect();
        let floor: Vec<(f64, f64)> = roof.iter().map(|&(x, y)| (x, 1.0 - y)).collect();
        for (shape, edge) in [(roof, 27), (floor, 0)] {
            let picture = picture(&[line(&shape)]).unwrap();
            let (top, bottom) = extent(&picture, true);
            assert_eq!(bottom - top + 1, 20);
            let at = if edge == 0 { top } else { bottom };
            assert!(at.abs_diff(edge) <= 1, "{top} to {bottom}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_dot_stays_a_dot_and_no_ink_is_no_picture() {
        let dot = picture(&[line(&[(0.3, 0.7)])]).unwrap();
        let (left, right) = extent(&dot, false);
        assert!(right - left < 5);
        assert_eq!(dot.iter().max(), Some(&255));
        assert_eq!(picture(&[]), None);
        assert_eq!(picture(&[Vec::new()]), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn as_much_ink_as_in_mnist() {
        // The mean of 6,742 ones is 61 white pixels.
        let one = picture(&[line(&[(0.5, 0.1), (0.5, 0.9)])]).unwrap();
        let ink = one.iter().map(|&grey| f64::from(grey)).sum::<f64>() / 255.0;
        assert!((50.0..70.0).contains(&ink), "{ink}");
        assert_eq!(one.len(), ACROSS * ACROSS);
    }
}
