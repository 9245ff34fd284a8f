//! An evaluation key in a file: the objects of its parts one after the other, each with its own header,
//! as storage keeps them.

use std::path::Path;

use darkroom_api::header::{Header, HeaderError};
use darkroom_api::ids::KeyId;
use darkroom_fhe::eval::EvaluationKey;

use super::expand;
use crate::error::{Error, EvaluationKeyError};
use crate::files;

const FILE_BYTES_MAX: u64 = 64 << 20;
/// How a file with a secret key begins.
const SECRET: &[u8] = b"DARKROOM-KEY-";

/// Reads the key of this owner, and brings it into the form that evaluation takes.
pub fn read(path: &Path, parameters: u32, owner: KeyId) -> Result<EvaluationKey, Error> {
    let bytes = files::read(path, "evaluation key", FILE_BYTES_MAX)?;
    let key = split(&bytes).and_then(|objects| expand(parameters, owner, objects));
    key.map_err(|source| Error::EvaluationKey {
        what: path.display().to_string(),
        source,
    })
}

fn split(mut bytes: &[u8]) -> Result<Vec<&[u8]>, EvaluationKeyError> {
    if bytes.is_empty() {
        return Err(EvaluationKeyError::Empty);
    }
    if bytes.starts_with(SECRET) {
        return Err(EvaluationKeyError::Secret);
    }
    let mut objects = Vec::new();
    while !bytes.is_empty() {
        let place = objects.len();
        let wrong = |source| EvaluationKeyError::part(place, source);
        let header = Header::parse(bytes).map_err(wrong)?;
        let whole = header.object_bytes().and_then(|n| usize::try_from(n).ok());
        let parted = whole.and_then(|whole| bytes.split_at_checked(whole));
        let Some((object, rest)) = parted else {
            return Err(wrong(HeaderError::Length {
                announced: header.payload_bytes,
                found: (bytes.len() - darkroom_api::header::HEADER_BYTES) as u64,
            }));
        };
        objects.push(object);
        bytes = rest;
    }
    Ok(objects)
}
