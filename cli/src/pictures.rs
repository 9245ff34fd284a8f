//! Picture files become pixels.

use std::io::Cursor;
use std::path::Path;

use darkroom_fhe::picture::{Frame, Picture, Pixels};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::error::{Error, PictureError};
use crate::files;

const FILE_BYTES_MAX: u64 = 256 << 20;
/// What a picture may be at most.
const BOUNDS: Bounds = Bounds {
    side: 1 << 14,
    decoded_bytes: 1 << 30,
};
const NPY_MAGIC: &[u8] = b"\x93NUMPY";

/// How large a picture may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Pixels along one side.
    pub side: u32,
    /// Bytes that decoding may take.
    pub decoded_bytes: u64,
}

/// The pixels of a picture file in a model's frame: exactly these will be encrypted.
pub fn load(path: &Path, frame: Frame) -> Result<Pixels, Error> {
    let bytes = files::read(path, "picture", FILE_BYTES_MAX)?;
    let picture = decode(&bytes, BOUNDS).and_then(|picture| Ok(picture.prepare(frame)?));
    picture.map_err(|source| Error::Picture {
        path: path.to_owned(),
        source,
    })
}

/// A picture in any of the formats that are read.
pub fn decode(bytes: &[u8], bounds: Bounds) -> Result<Picture, PictureError> {
    if bytes.starts_with(NPY_MAGIC) {
        return Ok(Picture::from_npy(bytes)?);
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut decoder = reader.map_err(image::ImageError::from)?.into_decoder()?;
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(bounds.side);
    limits.max_image_height = Some(bounds.side);
    limits.max_alloc = Some(bounds.decoded_bytes);
    // What the picture itself takes is not counted by all decoders.
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    // Cameras say in the file which way is up, and browsers turn the picture so.
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    let rgba = image.into_rgba8();
    Ok(Picture::from_rgba(
        rgba.width(),
        rgba.height(),
        rgba.into_raw(),
    )?)
}
