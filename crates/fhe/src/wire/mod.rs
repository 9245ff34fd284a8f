//! What is sent and stored: payloads, without the header that the services put before them.
//!
//! All numbers are little endian; packed values lie one after the other from the lowest bit of the
//! first byte on, and the bits that fill the last byte are zero.
//!
//! | image: offset | bytes | field |
//! |---|---|---|
//! | 0 | 2 | payload version, 1 |
//! | 2 | 2 | width in pixels |
//! | 4 | 2 | height in pixels |
//! | 6 | 2 | zero |
//! | 8 | 16 | compression seed: the masks follow from it, it is public |
//! | 24 | | the body of every pixel, row by row, its upper 40 bits of 64 |
//!
//! | result: offset | bytes | field |
//! |---|---|---|
//! | 0 | 2 | payload version, 1 |
//! | 2 | 2 | number of samples, one a score |
//! | 4 | 4 | length of the reading |
//! | 8 | | the reading, JSON |
//! | | | per sample: 2048 mask elements and the body, 28 bits each in set 1, 20 in set 2 |
//!
//! | part of an evaluation key: offset | bytes | field |
//! |---|---|---|
//! | 0 | 2 | payload version, 1 |
//! | 2 | 2 | index of the part |
//! | 4 | 2 | number of parts |
//! | 6 | 2 | zero |
//! | 8 | 32 | seed: the masks follow from it, it is public |
//! | 40 | | part 0: the bodies of the keyswitch keys, from the image key and from the GLWE key; input bit by input bit, in each the digits from the highest on; the upper 18 bits of 32 |
//! | 40 | | other parts: the bodies of the GGSWs, bit by bit, in each row by row; the upper 47 bits of 64 |
//!
//! A reader checks all of it before it builds anything, never panics, and keeps reading every older
//! version.

mod bits;
pub mod evaluation_key;
mod image;
mod result;

pub use evaluation_key::KeyPart;
pub use image::EncryptedImage;
pub use result::{EncryptedResult, Reading, ScoreReading};

/// The most pixels along one side of an encrypted image.
pub const IMAGE_SIDE_MAX: u32 = 4096;
/// The most pixels in one encrypted image.
pub const IMAGE_PIXELS_MAX: u32 = 1 << 20;
/// The most classes, and so scores, of a result.
pub const CLASSES_MAX: usize = 256;

/// Whether an image may have this shape.
pub(crate) fn shape_allowed(width: u32, height: u32) -> bool {
    let side = 1..=IMAGE_SIDE_MAX;
    side.contains(&width) && side.contains(&height) && width * height <= IMAGE_PIXELS_MAX
}
