//! Any decoded picture becomes the grey pixels that a model takes.
//!
//! The same numbers on every machine: luma by BT.601 in thousandths, alpha over black, every pixel
//! of the frame the mean of the area that it covers, rounded once, at the end. The picture is
//! stretched to the frame; nothing is cut off. Some models have handwriting made upright then.

use crate::Error;
pub use crate::pixels::Pixels;

/// The most pixels along one side of a picture.
const PICTURE_SIDE_MAX: u32 = 1 << 14;
/// The most pixels of a picture.
const PICTURE_PIXELS_MAX: u32 = 1 << 26;
/// A full white, fully opaque pixel: 255 times a thousand times 255.
const ALPHA_MAX: u64 = 255;
const LUMA: [u64; 3] = [299, 587, 114];

/// What a model takes of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether it is handwriting: made upright, moved to the middle, half-way to a common size.
    pub straighten: bool,
}

/// A decoded picture of any size, RGBA with 8 bits a channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
}

impl Picture {
    /// A picture from its bytes, row by row, red, green, blue and alpha (not premultiplied) in turn.
    ///
    /// # Errors
    /// [`Error::Picture`] if it is empty, too large, or the bytes are not `4 * width * height`.
    pub fn from_rgba(width: u32, height: u32, rgba: Vec<u8>) -> Result<Self, Error> {
        check_shape(width, height)?;
        let expected = 4 * width as usize * height as usize;
        if rgba.len() != expected {
            return Err(Error::picture(format!(
                "{} bytes, expected {expected} for {width}x{height} RGBA pixels",
                rgba.len()
            )));
        }
        Ok(Self {
            width,
            height,
            rgba,
        })
    }

    /// A picture from a NumPy array as `np.save` writes it: uint8 of shape (height, width),
    /// (height, width, 1) for grey, 3 for RGB or 4 for RGBA, in either memory order.
    ///
    /// # Errors
    /// [`Error::Picture`] for anything else.
    pub fn from_npy(bytes: &[u8]) -> Result<Self, Error> {
        let file = crate::npy::Npy::parse(bytes).map_err(Error::picture)?;
        let (height, width, channels) = match *file.shape() {
            [height, width] => (height, width, 1),
            [height, width, channels @ (1 | 3 | 4)] => (height, width, channels),
            _ => {
                return Err(Error::picture(format!(
                    "an array of shape {:?}; a picture is (height, width), (height, width, 3) or \
                     (height, width, 4)",
                    file.shape()
                )));
            }
        };
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        check_shape(side(width), side(height))?;
        let values = file.into_u8().map_err(Error::picture)?;
        let mut rgba = Vec::with_capacity(4 * width * height);
        for pixel in values.chunks(channels) {
            match *pixel {
                [grey] => rgba.extend_from_slice(&[grey, grey, grey, u8::MAX]),
                [r, g, b] => rgba.extend_from_slice(&[r, g, b, u8::MAX]),
                _ => rgba.extend_from_slice(pixel),
            }
        }
        Self::from_rgba(side(width), side(height), rgba)
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels of a model's frame. Exactly these will be encrypted.
    ///
    /// # Errors
    /// [`Error::Picture`] if the frame is empty or too large.
    pub fn prepare(&self, frame: Frame) -> Result<Pixels, Error> {
        let pixels = self.stretch(frame.width, frame.height)?;
        Ok(pixels.straightened_for(frame))
    }

    /// The pixels of a frame that the picture is stretched to.
    ///
    /// # Errors
    /// [`Error::Picture`] if the frame is empty or too large.
    pub fn stretch(&self, width: u32, height: u32) -> Result<Pixels, Error> {
        check_shape(width, height)?;
        let (source_w, source_h) = (self.width as usize, self.height as usize);
        let (frame_w, frame_h) = (width as usize, height as usize);
        let across = overlaps(source_w, frame_w);
        let down = overlaps(source_h, frame_h);
        let mut sums = vec![0_u64; frame_w * frame_h];
        let mut line = vec![0_u64; frame_w];
        let mut down = down.iter().peekable();
        for (y, row) in self.rgba.chunks_exact(4 * source_w).enumerate() {
            line.fill(0);
            for &(x, column, share) in &across {
                line[column] += share * luma(&row[4 * x..4 * x + 4]);
            }
            while let Some(&(_, frame_row, share)) = down.next_if(|(source, ..)| *source == y) {
                let sums = &mut sums[frame_row * frame_w..][..frame_w];
                for (sum, value) in sums.iter_mut().zip(&line) {
                    *sum += share * value;
                }
            }
        }
        let whole = (source_w * source_h) as u64 * 1000 * ALPHA_MAX;
        let round = |sum: &u64| u8::try_from((sum + whole / 2) / whole).unwrap_or(u8::MAX);
        Pixels::new(width, height, sums.iter().map(round).collect())
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// Luma times 1000 times alpha: white is 255 * 1000 * 255.
fn luma(rgba: &[u8]) -> u64 {
    let colour: u64 = rgba.iter().zip(LUMA).map(|(&c, w)| u64::from(c) * w).sum();
    colour * u64::from(rgba[3])
}

/// Which cells of a line of `source` cells overlap which of `frame` cells laid over the same length,
/// and by how much, the length being `source * frame`; sorted by the source.
fn overlaps(source: usize, frame: usize) -> Vec<(usize, usize, u64)> {
    let mut found = Vec::with_capacity(source + frame);
    let (mut s, mut f) = (0, 0);
    let mut at = 0;
    while s < source && f < frame {
        let (source_end, frame_end) = ((s + 1) * frame, (f + 1) * source);
        let end = source_end.min(frame_end);
        found.push((s, f, (end - at) as u64));
        at = end;
        s += usize::from(end == source_end);
        f += usize::from(end == frame_end);
    }
    found
}

pub(crate) fn check_shape(width: u32, height: u32) -> Result<(), Error> {
    let sides = 1..=PICTURE_SIDE_MAX;
    if !sides.contains(&width) || !sides.contains(&height) || width * height > PICTURE_PIXELS_MAX {
        return Err(Error::picture(format!(
            "{width}x{height} pixels; between 1 and {PICTURE_SIDE_MAX} a side and at most \
             {PICTURE_PIXELS_MAX} in all are possible"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Randomness;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn random(width: u32, height: u32, opaque: bool) -> Picture {
        let mut rgba = vec![0; 4 * (width * height) as usize];
        Randomness::danger_fixed(u128::from(width)).fill(&mut rgba);
        if opaque {
            rgba.chunks_mut(4).for_each(|pixel| pixel[3] = 255);
        }
        Picture::from_rgba(width, height, rgba).unwrap()
    }

    /// The same in floating point, cell by cell, without any sharing of work.
    fn reference(picture: &Picture, width: u32, height: u32) -> Vec<f64> {
        let grey = |x: u32, y: u32| {
            let at = 4 * (y * picture.width + x) as usize;
            let [r, g, b, a] = [0, 1, 2, 3].map(|c| f64::from(picture.rgba[at + c]));
            (0.299 * r + 0.587 * g + 0.114 * b) * a / 255.0
        };
        let overlap = |i: u32, n: u32, j: u32, m: u32| {
            let (i, n, j, m) = (f64::from(i), f64::from(n), f64::from(j), f64::from(m));
            (((i + 1.0) / n).min((j + 1.0) / m) - (i / n).max(j / m)).max(0.0)
        };
        let mut out = vec![];
        for y in 0..height {
            for x in 0..width {
                let mut sum = 0.0;
                for v in 0..picture.height {
                    for u in 0..picture.width {
                        let across = overlap(u, picture.width, x, width);
                        sum += across * overlap(v, picture.height, y, height) * grey(u, v);
                    }
                }
                out.push(sum * f64::from(width * height));
            }
        }
        out
    }

    #[test]
    fn every_pixel_is_the_mean_of_its_area() {
        for (from, to) in [
            ((40, 30), (8, 6)),
            ((37, 23), (16, 16)),
            ((5, 7), (16, 12)),
            ((1, 1), (4, 4)),
            ((9, 9), (9, 9)),
            ((64, 3), (3, 64)),
        ] {
            let picture = random(from.0, from.1, false);
            let found = picture.stretch(to.0, to.1).unwrap();
            let expected = reference(&picture, to.0, to.1);
            for (found, expected) in found.as_bytes().iter().zip(expected) {
                let error = f64::from(*found) - expected;
                assert!(
                    error.abs() <= 0.5 + 1e-6,
                    "{from:?} {to:?}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn grey_of_the_same_size_passes_unchanged() {
        let grey: Vec<u8> = (0..=255).collect();
        let rgba = grey.iter().flat_map(|&g| [g, g, g, 255]).collect();
        let picture = Picture::from_rgba(16, 16, rgba).unwrap();
        assert_eq!(picture.stretch(16, 16).unwrap().as_bytes(), grey);
    }

    #[test]
    fn colours_weigh_as_bt601_says_and_nothing_is_black() {
        let pixel = |rgba: [u8; 4]| {
            let picture = Picture::from_rgba(1, 1, rgba.to_vec()).unwrap();
            picture.stretch(1, 1).unwrap().as_bytes()[0]
        };
        assert_eq!(pixel([255, 0, 0, 255]), 76);
        assert_eq!(pixel([0, 255, 0, 255]), 150);
        assert_eq!(pixel([0, 0, 255, 255]), 29);
        assert_eq!(pixel([255, 255, 255, 0]), 0);
        assert_eq!(pixel([255, 255, 255, 51]), 51);
    }

    #[test]
    fn pictures_without_sense_are_refused() {
        for (width, height, bytes) in [
            (0, 1, 0),
            (1, 0, 0),
            (2, 2, 15),
            (2, 2, 17),
            (16385, 1, 65540),
            (u32::MAX, u32::MAX, 4),
        ] {
            let read = Picture::from_rgba(width, height, vec![0; bytes]);
            assert!(
                matches!(read, Err(Error::Picture { .. })),
                "{width}x{height}"
            );
        }
        assert!(random(4, 4, true).stretch(0, 4).is_err());
        assert!(random(4, 4, true).stretch(4, 1 << 20).is_err());
        assert!(Pixels::new(2, 2, vec![0; 3]).is_err());
    }

    #[test]
    fn numpy_arrays_are_read_in_either_order() {
        let grey: Vec<u8> = (0..12).map(|i| i * 21).collect();
        for bytes in [
            include_bytes!("../tests/data/numpy/grey.npy").as_slice(),
            include_bytes!("../tests/data/numpy/grey_fortran.npy"),
            include_bytes!("../tests/data/numpy/rgb_fortran.npy"),
            include_bytes!("../tests/data/numpy/rgba.npy"),
        ] {
            let picture = Picture::from_npy(bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), (4, 3));
            assert_eq!(picture.stretch(4, 3).unwrap().as_bytes(), grey);
        }
    }

    #[test]
    fn other_arrays_are_not_pictures() {
        for (bytes, part) in [
            (
                include_bytes!("../tests/data/numpy/f8.npy").as_slice(),
                "not uint8",
            ),
            (include_bytes!("../tests/data/numpy/flat.npy"), "shape [6]"),
            (
                include_bytes!("../tests/data/numpy/pickle.npy"),
                "shape [6]",
            ),
            (
                include_bytes!("../tests/data/numpy/stored.npz"),
                "not a .npy file",
            ),
            (b"", "not a .npy file"),
        ] {
            let message = Picture::from_npy(bytes).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
