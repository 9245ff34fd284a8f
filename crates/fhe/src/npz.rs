//! Archives of arrays as `np.savez` and `np.savez_compressed` write them.

use std::io::{Cursor, Read};

use zip::ZipArchive;

/// An archive whose table of contents is read. Errors are sentences for people.
pub(crate) struct Npz<'a>(ZipArchive<Cursor<&'a [u8]>>);

impl<'a> Npz<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let archive = ZipArchive::new(Cursor::new(bytes));
        archive
            .map(Self)
            .map_err(|error| format!("not an archive: {error}"))
    }

    /// The names of its arrays, with commas between them.
    pub(crate) fn names(&self) -> String {
        let names = self
            .0
            .file_names()
            .map(|name| name.trim_end_matches(".npy"));
        names.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn has(&self, array: &str) -> bool {
        self.0.index_for_name(&format!("{array}.npy")).is_some()
    }

    /// The `.npy` file of an array, of at most so many bytes.
    pub(crate) fn unpack(&mut self, array: &str, bytes_max: u64) -> Result<Vec<u8>, String> {
        let wrong =
            |error: &dyn std::fmt::Display| format!("array {array:?} cannot be unpacked: {error}");
        let file = self.0.by_name(&format!("{array}.npy"));
        let file = file.map_err(|error| wrong(&error))?;
        let mut bytes = Vec::new();
        let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
        read.map_err(|error| wrong(&error))?;
        if bytes.len() as u64 > bytes_max {
            let mebibytes = bytes_max >> 20;
            return Err(format!(
                "array {array:?} unpacks to more than {mebibytes} MiB"
            ));
        }
        Ok(bytes)
    }
}
