//! Picture files become pixels.

use std::io::Cursor;
use std::path::Path;

use darkroom_fhe::picture::{Frame, Picture, Pixels};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::error::{Error, PictureError};
use crate::files;

const FILE_BYTES_MAX: u64 = 256 << 20;
const SIDE_MAX: u32 = 1 << 14;
const DECODED_BYTES_MAX: u64 = 1 << 30;
const NPY_MAGIC: &[u8] = b"\x93NUMPY";

/// The pixels of a picture file in a model's frame: exactly these will be encrypted.
pub fn load(path: &Path, frame: Frame) -> Result<Pixels, Error> {
    let bytes = files::read(path, "picture", FILE_BYTES_MAX)?;
    let picture = decode(&bytes).and_then(|picture| Ok(picture.prepare(frame)?));
    picture.map_err(|source| Error::Picture {
        path: path.to_owned(),
        source,
    })
}

fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
    if bytes.starts_with(NPY_MAGIC) {
        return Ok(Picture::from_npy(bytes)?);
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut decoder = reader.map_err(image::ImageError::from)?.into_decoder()?;
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODED_BYTES_MAX);
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
