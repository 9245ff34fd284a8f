//! What bytes from the network reach, for the fuzz targets: whether it was taken.

use reqwest::StatusCode;

use crate::link;
use crate::source;

/// An answer of a key source; the first byte is its status, 200 where it is 0.
pub fn answer(bytes: &[u8]) -> bool {
    let Some((&status, body)) = bytes.split_first() else {
        return false;
    };
    let status = StatusCode::from_u16(200 + u16::from(status)).unwrap_or_default();
    source::fuzz(status, body).contains(&true)
}

/// The line that names the link: what is read is written as it is read again.
pub fn line(text: &str) -> bool {
    link::fuzz_line(text)
}
