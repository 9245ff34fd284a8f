//! Files read with a limit and written whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::Error;

/// Reads a file of at most `max_bytes`.
pub fn read(path: &Path, what: &'static str, max_bytes: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| {
        let path = path.to_owned();
        Error::Read { path, source }
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(max_bytes + 1).read_to_end(&mut bytes);
    read.map_err(failed)?;
    if bytes.len() as u64 > max_bytes {
        let path = path.to_owned();
        return Err(Error::TooLarge {
            path,
            what,
            max_bytes,
        });
    }
    Ok(bytes)
}

/// Writes a file beside its place and moves it there, so that nobody finds half of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| {
        let path = path.to_owned();
        Error::Write { path, source }
    };
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        // /dev/stdout, a pipe: nothing to replace.
        return fs::write(path, bytes).map_err(failed);
    }
    let mut part = path.file_name().map(OsString::from).unwrap_or_default();
    part.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(part);
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written.map_err(failed)
}
