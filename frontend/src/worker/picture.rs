//! A file becomes exactly the pixels that will be encrypted. The browser decodes, the FHE core does
//! the rest, with the same integers as everywhere.

use darkroom_api::compute::InputCard;
use darkroom_fhe::picture::{Frame, Picture, Pixels};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, ColorSpaceConversion, ImageBitmap, ImageBitmapOptions, OffscreenCanvas,
    OffscreenCanvasRenderingContext2d, PremultiplyAlpha, ResizeQuality,
};

use super::{scope, trouble};
use crate::protocol::{Grey, Prepared, Trouble};

const NPY_MAGIC: &[u8] = b"\x93NUMPY";
const FILE_MAX_BYTES: f64 = 256.0 * 1024.0 * 1024.0;
/// Larger pictures are first made smaller by the browser; 96 MB of RGBA.
const PIXELS_MAX: f64 = 24_000_000.0;

/// Decodes a file and makes of it what a model takes.
///
/// # Errors
/// It is not a picture that can be read.
pub async fn prepare(blob: &Blob, frame: InputCard, inverted: bool) -> Result<Prepared, Trouble> {
    if blob.size() > FILE_MAX_BYTES {
        return Err(trouble::picture_too_large());
    }
    if blob.size() == 0.0 {
        return Err(trouble::picture("The file is empty."));
    }
    let (picture, original_width, original_height) = decode(blob).await?;
    let wrong = |error| trouble::core(&error);
    let stretched = picture.stretch(frame.width, frame.height).map_err(wrong)?;
    let dark_on_light = is_dark_on_light(&stretched);
    let stretched = if inverted {
        stretched.inverted()
    } else {
        stretched
    };
    let frame = Frame {
        width: frame.width,
        height: frame.height,
        straighten: frame.straighten,
    };
    let pixels = stretched.prepare(frame).map_err(wrong)?;
    Ok(Prepared {
        picture: to_grey(&pixels),
        straightened: frame.straighten,
        dark_on_light,
        original_width,
        original_height,
    })
}

fn is_dark_on_light(pixels: &Pixels) -> bool {
    let (width, data) = (pixels.width() as usize, pixels.as_bytes());
    let on_edge = |place: usize| {
        let column = place % width;
        place < width || place + width >= data.len() || column == 0 || column + 1 == width
    };
    let edge = || data.iter().enumerate().filter(|(place, _)| on_edge(*place));
    edge().filter(|(_, grey)| **grey > u8::MAX / 2).count() * 2 > edge().count()
}

/// As the page shows it.
pub(super) fn to_grey(pixels: &Pixels) -> Grey {
    Grey {
        width: pixels.width(),
        height: pixels.height(),
        data: pixels.as_bytes().to_vec(),
    }
}

/// As the FHE core takes it.
pub(super) fn to_pixels(grey: &Grey) -> Result<Pixels, Trouble> {
    Pixels::new(grey.width, grey.height, grey.data.clone()).map_err(|error| trouble::core(&error))
}

async fn decode(blob: &Blob) -> Result<(Picture, u32, u32), Trouble> {
    let head = read(&slice(blob, NPY_MAGIC.len())?).await?;
    if head == NPY_MAGIC {
        let picture =
            Picture::from_npy(&read(blob).await?).map_err(|error| trouble::core(&error))?;
        let (width, height) = (picture.width(), picture.height());
        return Ok((picture, width, height));
    }
    let bitmap = bitmap(blob, None).await?;
    let (width, height) = (bitmap.width(), bitmap.height());
    let bitmap = match smaller(width, height) {
        None => bitmap,
        Some(size) => {
            bitmap.close();
            self::bitmap(blob, Some(size)).await?
        }
    };
    let rgba = draw(&bitmap)?;
    let picture = Picture::from_rgba(bitmap.width(), bitmap.height(), rgba);
    bitmap.close();
    Ok((
        picture.map_err(|error| trouble::core(&error))?,
        width,
        height,
    ))
}

/// The size to which a picture is made smaller before it is drawn, if it is too large.
fn smaller(width: u32, height: u32) -> Option<(u32, u32)> {
    let pixels = f64::from(width) * f64::from(height);
    if pixels <= PIXELS_MAX {
        return None;
    }
    let factor = (PIXELS_MAX / pixels).sqrt();
    // Both are at least 1 and smaller than they were.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let side = |side: u32| (f64::from(side) * factor).floor().max(1.0) as u32;
    Some((side(width), side(height)))
}

async fn bitmap(blob: &Blob, size: Option<(u32, u32)>) -> Result<ImageBitmap, Trouble> {
    let options = ImageBitmapOptions::new();
    options.set_premultiply_alpha(PremultiplyAlpha::None);
    options.set_color_space_conversion(ColorSpaceConversion::None);
    if let Some((width, height)) = size {
        options.set_resize_width(width);
        options.set_resize_height(height);
        options.set_resize_quality(ResizeQuality::High);
    }
    let unreadable = || trouble::picture("This browser cannot read the file as a picture.");
    let promise = scope::global()
        .create_image_bitmap_with_blob_and_image_bitmap_options(blob, &options)
        .map_err(|_| unreadable())?;
    let bitmap = JsFuture::from(promise).await.map_err(|_| unreadable())?;
    bitmap.dyn_into().map_err(|_| unreadable())
}

fn draw(bitmap: &ImageBitmap) -> Result<Vec<u8>, Trouble> {
    let too_large = |_| trouble::picture_too_large();
    let (width, height) = (bitmap.width(), bitmap.height());
    let canvas = OffscreenCanvas::new(width, height).map_err(too_large)?;
    let context = canvas.get_context("2d").map_err(too_large)?;
    let context: OffscreenCanvasRenderingContext2d = context
        .ok_or_else(trouble::picture_too_large)?
        .unchecked_into();
    context
        .draw_image_with_image_bitmap(bitmap, 0.0, 0.0)
        .map_err(too_large)?;
    let (across, down) = (f64::from(width), f64::from(height));
    let data = context
        .get_image_data(0.0, 0.0, across, down)
        .map_err(too_large)?;
    Ok(data.data().0)
}

fn slice(blob: &Blob, bytes: usize) -> Result<Blob, Trouble> {
    let end = i32::try_from(bytes).unwrap_or(i32::MAX);
    blob.slice_with_i32_and_i32(0, end).map_err(|_| gone())
}

async fn read(blob: &Blob) -> Result<Vec<u8>, Trouble> {
    let buffer = JsFuture::from(blob.array_buffer())
        .await
        .map_err(|_| gone())?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

fn gone() -> Trouble {
    trouble::picture("The file cannot be read; perhaps it was moved or changed.")
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
mod tests {
    use js_sys::Array;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::protocol::TroubleKind;

    fn blob(bytes: &[u8]) -> Blob {
        Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).unwrap()
    }

    /// Two by two: black, white; red, white.
    const BMP: [u8; 70] = bmp();

    const fn bmp() -> [u8; 70] {
        let mut file = [0; 70];
        let head = *b"BM";
        file[0] = head[0];
        file[1] = head[1];
        file[2] = 70;
        file[10] = 54;
        file[14] = 40;
        file[18] = 2;
        file[22] = 2;
        file[26] = 1;
        file[28] = 24;
        // Rows from the bottom, blue green red, padded to four bytes.
        file[56] = 255;
        file[57] = 255;
        file[58] = 255;
        file[59] = 255;
        file[65] = 255;
        file[66] = 255;
        file[67] = 255;
        file
    }

    #[wasm_bindgen_test]
    async fn pictures_are_decoded_to_grey() {
        let prepared = prepare(&blob(&BMP), frame(2, 2), false).await.unwrap();
        assert_eq!((prepared.original_width, prepared.original_height), (2, 2));
        assert_eq!(prepared.picture.data, [0, 255, 76, 255]);
    }

    fn frame(width: u32, height: u32) -> InputCard {
        InputCard {
            width,
            height,
            straighten: false,
        }
    }

    #[wasm_bindgen_test]
    async fn pictures_are_inverted_before_they_are_made_upright() {
        let straight = InputCard {
            straighten: true,
            ..frame(2, 2)
        };
        let prepared = prepare(&blob(&BMP), straight, true).await.unwrap();
        assert!(prepared.straightened && !prepared.dark_on_light);
        // White and 179 in the left column: they go to the middle.
        assert_eq!(prepared.picture.data, [128, 128, 107, 107]);
        let prepared = prepare(&blob(&BMP), frame(2, 2), true).await.unwrap();
        assert!(!prepared.straightened && !prepared.dark_on_light);
        assert_eq!(prepared.picture.data, [255, 0, 179, 0]);
    }

    #[wasm_bindgen_test]
    async fn npy_files_are_told_by_content() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }";
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        let padded = format!("{header:<117}\n");
        file.extend_from_slice(&u16::try_from(padded.len()).unwrap().to_le_bytes());
        file.extend_from_slice(padded.as_bytes());
        file.extend_from_slice(&[7, 200]);
        let prepared = prepare(&blob(&file), frame(2, 1), false).await.unwrap();
        assert_eq!(prepared.picture.data, [7, 200]);
        let last = file.len() - 2;
        file[last] = 199;
        let prepared = prepare(&blob(&file), frame(2, 1), true).await.unwrap();
        assert_eq!(prepared.picture.data, [56, 55]);
        assert!(prepared.dark_on_light);
        file.pop();
        let trouble = prepare(&blob(&file), frame(2, 1), false).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Picture);
    }

    #[wasm_bindgen_test]
    async fn what_is_not_a_picture_is_refused() {
        for bytes in [b"".as_slice(), b"hello", &BMP[..20]] {
            let trouble = prepare(&blob(bytes), frame(2, 2), false).await.unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Picture);
        }
    }

    #[wasm_bindgen_test]
    fn very_large_pictures_are_made_smaller() {
        assert_eq!(smaller(4000, 6000), None);
        let (width, height) = smaller(20_000, 5_000).unwrap();
        assert!(f64::from(width) * f64::from(height) <= PIXELS_MAX);
        assert!((f64::from(width) / f64::from(height) - 4.0).abs() < 0.01);
        assert_eq!(smaller(1 << 30, 1).unwrap().1, 1);
    }
}
