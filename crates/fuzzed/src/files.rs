//! Files that somebody else may have made: pictures, arrays, keys, models.

use std::io;

use darkroom_cli::fuzz;
use darkroom_fhe::Labelled;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Picture;

use crate::{SMALL_BYTES, within};

/// The largest side of a picture, and what decoding may take; the program's own bounds would fill
/// the machine's memory with pictures that are all of one colour.
const SIDE: u32 = 4096;
const DECODED_BYTES: u64 = 1 << 20;
/// What is decoded becomes four bytes a pixel, after it may have been turned; and decoders have
/// buffers and tables, which none of them counts.
const PICTURE_BYTES: usize = 16 << 20;

/// A picture in any format that the program takes.
pub fn picture(bytes: &[u8]) -> bool {
    within(16 * bytes.len() + PICTURE_BYTES, || {
        fuzz::picture(bytes, SIDE, DECODED_BYTES)
    })
}

/// An array as a picture.
pub fn npy(bytes: &[u8]) -> bool {
    // A grey pixel becomes four bytes.
    let picture = within(16 * bytes.len() + SMALL_BYTES, || Picture::from_npy(bytes));
    picture.is_ok()
}

/// An archive of pictures and labels.
pub fn npz(bytes: &[u8]) -> bool {
    // Deflate packs 1032 bytes into one at the most. The table of contents may announce 2^16 files,
    // for which the library makes room at once, some 200 bytes each.
    let bytes_max = 8 * 1032 * bytes.len() + (16 << 20);
    within(bytes_max, || Labelled::from_npz(bytes)).is_ok()
}

/// A key file, or the words of a key.
pub fn key_file(bytes: &[u8]) -> bool {
    let bytes_max = 16 * bytes.len() + SMALL_BYTES;
    let words = |text| within(bytes_max, || fuzz::words(text));
    within(bytes_max, || fuzz::key_file(bytes)) | std::str::from_utf8(bytes).is_ok_and(words)
}

/// A backup of a key under a passphrase.
pub fn age_file(bytes: &[u8]) -> bool {
    // 2^6 blocks of 1 KiB of scrypt and one chunk of the payload; before, whatever the file, the
    // library takes 1 MiB to measure how fast scrypt is here.
    within(16 * bytes.len() + (2 << 20), || fuzz::age_file(bytes))
}

/// A model: its `model.toml`, and each of its arrays behind a line of `%%%` and its name.
pub fn model(bytes: &[u8]) -> bool {
    let mut parts = split(bytes).into_iter();
    let form = parts.next().and_then(|form| std::str::from_utf8(form).ok());
    let Some(form) = form.filter(|form| is_small(form)) else {
        return false;
    };
    let files: Vec<&[u8]> = parts.collect();
    let mut read = |name: &str| {
        let content = files
            .iter()
            .find_map(|file| file.strip_prefix(name.as_bytes())?.strip_prefix(b"\n"));
        let found = content.map(<[u8]>::to_vec);
        found.ok_or(io::ErrorKind::NotFound.into())
    };
    // The tables of the transform are made once; a network has lookup tables of fixed sizes.
    within(64 * bytes.len() + (64 << 20), || {
        Model::load("fuzzed", form, &mut read).is_ok()
    })
}

/// Weights go with the pixels that are announced, which are few here.
fn is_small(form: &str) -> bool {
    let Ok(form) = form.parse::<toml::Table>() else {
        // It is refused in the same way, or it should be.
        return true;
    };
    let side = |name| form.get("input")?.get(name)?.as_integer();
    let sides = [side("width"), side("height")];
    sides.into_iter().flatten().all(|side| side <= 128)
}

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    const BETWEEN: &[u8] = b"\n%%% ";
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|w| w == BETWEEN) {
        parts.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}
