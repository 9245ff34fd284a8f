//! The grey pixels that are encrypted.

use zeroize::Zeroize;

use crate::Error;
use crate::picture::{Frame, Picture, check_shape};
use crate::straighten::straighten;

/// 8-bit grey pixels, row by row: what is encrypted.
///
/// Security: the owner's own. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Pixels {
    /// Pixels from their bytes.
    ///
    /// # Errors
    /// [`Error::Picture`] if there are none, too many, or not `width * height`.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, Error> {
        check_shape(width, height)?;
        if data.len() != width as usize * height as usize {
            return Err(Error::picture(format!(
                "{} bytes for {width}x{height} grey pixels",
                data.len()
            )));
        }
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// The pixels of a model's frame.
    ///
    /// # Errors
    /// [`Error::Picture`] if the frame is empty or too large.
    pub fn prepare(&self, frame: Frame) -> Result<Self, Error> {
        if (self.width, self.height) == (frame.width, frame.height) {
            return Ok(self.clone().straightened_for(frame));
        }
        let grey = self.data.iter();
        let rgba = grey.flat_map(|&grey| [grey, grey, grey, u8::MAX]).collect();
        Picture::from_rgba(self.width, self.height, rgba)?.prepare(frame)
    }

    /// Black and white exchanged.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        self.data
            .iter_mut()
            .for_each(|grey| *grey = u8::MAX - *grey);
        self
    }

    pub(crate) fn straightened_for(mut self, frame: Frame) -> Self {
        if frame.straighten {
            let straight = straighten(&self);
            self.data.copy_from_slice(&straight);
        }
        self
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// One byte a pixel, 0 black, 255 white, row by row.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

impl std::fmt::Debug for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pixels({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn pixels_of_other_shapes_are_stretched_too() {
        let frame = |width, height, straighten| Frame {
            width,
            height,
            straighten,
        };
        let pixels = Pixels::new(4, 2, vec![0, 10, 20, 30, 2, 12, 22, 32]).unwrap();
        assert_eq!(pixels.prepare(frame(4, 2, false)).unwrap(), pixels);
        let small = pixels.prepare(frame(2, 1, false)).unwrap();
        assert_eq!(small.as_bytes(), [6, 26]);
        let straight = pixels.prepare(frame(2, 1, true)).unwrap();
        assert_eq!(straight.as_bytes(), straighten(&small));
        assert_ne!(straight, small);
        assert_eq!(small.inverted().as_bytes(), [249, 229]);
    }
}
