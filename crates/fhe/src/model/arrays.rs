//! The files of a model: numbers from `.npy` files and members of `.npz` files.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::load::FORM;
use crate::Error;
use crate::npy::Npy;
use crate::npz::Npz;

/// The largest file, and the largest member of an archive, unpacked.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The files that a model has used so far.
pub(super) struct Files<'a> {
    read: &'a mut dyn FnMut(&str) -> std::io::Result<Vec<u8>>,
    used: BTreeMap<String, Vec<u8>>,
}

/// Numbers with their shape, the last axis fastest.
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Vec<f64>,
}

impl<'a> Files<'a> {
    pub(super) fn new(read: &'a mut dyn FnMut(&str) -> std::io::Result<Vec<u8>>) -> Self {
        let used = BTreeMap::new();
        Self { read, used }
    }

    /// Reads `name.npy`, or member `array` of `name.npz#array`.
    pub(super) fn array(&mut self, reference: &str) -> Result<Array, Error> {
        let (name, member) = parse_reference(reference)?;
        let bytes = self.bytes(name)?;
        let unpacked;
        let npy = match member {
            None => bytes,
            Some(member) => {
                unpacked = unpack(bytes, name, member)?;
                unpacked.as_slice()
            }
        };
        let mend = "write it with np.save, as float32 or float64";
        let wrong = |reason: String| Error::model(reference, reason, mend);
        let npy = Npy::parse(npy).map_err(wrong)?;
        let shape = npy.shape().to_vec();
        let numbers = npy.into_f64().map_err(wrong)?;
        if numbers.iter().any(|number| !number.is_finite()) {
            let mend = "train again: a weight has run away";
            return Err(Error::model(reference, "it holds NaN or infinity", mend));
        }
        Ok(Array { shape, numbers })
    }

    fn bytes(&mut self, name: &str) -> Result<&[u8], Error> {
        if !self.used.contains_key(name) {
            let bytes = (self.read)(name).map_err(|error| {
                let mend = "put the file beside model.toml";
                Error::model(name, format!("it cannot be read: {error}"), mend)
            })?;
            if bytes.len() as u64 > FILE_BYTES_MAX {
                let reason = format!("{} bytes", bytes.len());
                return Err(Error::model(name, reason, "at most 64 MiB are read"));
            }
            self.used.insert(name.to_owned(), bytes);
        }
        Ok(self.used.get(name).map_or(&[], Vec::as_slice))
    }

    /// SHA-256 of `model.toml` and every file used, sorted by name; each with its name and length.
    pub(super) fn digest(&self, model_toml: &str) -> String {
        let mut hash = Sha256::new();
        let first = (FORM, model_toml.as_bytes());
        let others = self
            .used
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        for (name, bytes) in std::iter::once(first).chain(others) {
            for part in [name.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hex::encode(hash.finalize())
    }
}

/// A plain name, and the member of an archive.
fn parse_reference(reference: &str) -> Result<(&str, Option<&str>), Error> {
    let (name, member) = match reference.split_once('#') {
        Some((name, member)) => (name, Some(member)),
        None => (reference, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let refuse = |reason: &str, mend: &str| Err(Error::model(reference, reason, mend));
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
        let mend = "use letters, digits, '.', '_' and '-', and put the file beside model.toml";
        return refuse("not a plain file name", mend);
    }
    match (name.rsplit_once('.').map(|(_, end)| end), member) {
        (Some("npy"), None) | (Some("npz"), Some(_)) => Ok((name, member)),
        (Some("npz"), None) => refuse("which array of it is not said", "write file.npz#array"),
        _ => refuse("not a NumPy file", "name a .npy file, or file.npz#array"),
    }
}

/// Unpacks a member of an archive.
fn unpack(archive: &[u8], name: &str, member: &str) -> Result<Vec<u8>, Error> {
    let wrong = |reason: String| {
        let mend = "write it with np.savez or np.savez_compressed";
        Error::model(name, reason, mend)
    };
    let mut npz = Npz::parse(archive).map_err(wrong)?;
    if !npz.has(member) {
        let (reason, names) = (format!("no array {member:?} in it"), npz.names());
        return Err(Error::model(name, reason, format!("it has {names}")));
    }
    npz.unpack(member, FILE_BYTES_MAX).map_err(wrong)
}
