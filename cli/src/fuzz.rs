//! What files of others reach, for the fuzz targets: whether it was taken.

use age::secrecy::SecretString;

use crate::pictures::{Bounds, decode};
use crate::{age_file, key_file, words};

/// A key file.
pub fn key_file(bytes: &[u8]) -> bool {
    key_file::parse(bytes).is_ok()
}

/// A backup under the passphrase `horse` that asks for at most 2^6 blocks of work.
pub fn age_file(bytes: &[u8]) -> bool {
    age_file::open_within(bytes, SecretString::from("horse".to_owned()), 6).is_ok()
}

/// The words of a key.
pub fn words(text: &str) -> bool {
    words::parse(text).is_ok()
}

/// A picture of at most so many pixels along one side, for which decoding may take so many bytes.
pub fn picture(bytes: &[u8], side: u32, decoded_bytes: u64) -> bool {
    let bounds = Bounds {
        side,
        decoded_bytes,
    };
    decode(bytes, bounds).is_ok()
}
