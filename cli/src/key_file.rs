//! The key in a file: one line, `DARKROOM-KEY-1` and the master secret in 64 hexadecimal digits; and, once
//! the vault's token was rotated, a second one, `token-generation` and how often.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use darkroom_api::access::GENERATION_LAST;
use darkroom_api::ids::KeyId;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::{files, words};

const MAGIC: &str = "DARKROOM-KEY-1";
const GENERATION: &str = "token-generation";
const AGE_MAGIC: &[u8] = b"age-encryption.org/";
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A key, what its file says besides, and where that is.
#[derive(Debug)]
pub struct KeyFile {
    pub key: ClientKey,
    /// The generation of the vault's token, as far as the file knows.
    pub generation: u32,
    path: PathBuf,
}

impl KeyFile {
    /// Reads a key. Warns if others can read it as well.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = Zeroizing::new(files::read(path, "key file", FILE_BYTES_MAX)?);
        let (key, generation) = parse(&bytes).map_err(|reason| {
            let path = path.to_owned();
            Error::NotAKey { path, reason }
        })?;
        warn_if_shared(path);
        Ok(Self {
            key,
            generation,
            path: path.to_owned(),
        })
    }

    /// Writes down the generation of the vault's token. The file is replaced as a whole: at no moment
    /// is there half a key.
    pub fn note_generation(&mut self, generation: u32) -> Result<(), Error> {
        self.generation = generation;
        let failed = |source| {
            let path = self.path.clone();
            Error::Write { path, source }
        };
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(&self.path).map_err(failed)?;
        let mut part = path.file_name().map(OsString::from).unwrap_or_default();
        part.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(part);
        let text = text(&self.key, generation);
        let written = create(&part)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
            })
            .and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written.map_err(failed)
    }
}

/// Makes a key and its file.
pub fn keygen(path: &Path) -> Result<(), Error> {
    let key = ClientKey::generate(&mut Randomness::system()?)?;
    write(path, &key)?;
    announce(path, &key);
    Ok(())
}

/// Says by what name the key is known in public.
pub fn announce(path: &Path, key: &ClientKey) {
    let id = KeyId(key.key_id());
    let name = words::fingerprint(key.key_id()).join(" ");
    eprintln!("key {id} ({name}) is in {}", path.display());
}

/// Writes a key to a new file that only its owner can read.
pub fn write(path: &Path, key: &ClientKey) -> Result<(), Error> {
    let line = text(key, 0);
    let mut file = create(path).map_err(|source| {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::AlreadyExists => Error::KeyExists { path },
            _ => Error::Write { path, source },
        }
    })?;
    let written = file
        .write_all(line.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|source| {
        // Made by this call a moment ago, and no key.
        let _ = fs::remove_file(path);
        let path = path.to_owned();
        Error::Write { path, source }
    })
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads the key of a file. Warns if others can read it as well.
pub fn read(path: &Path) -> Result<ClientKey, Error> {
    Ok(KeyFile::read(path)?.key)
}

fn text(key: &ClientKey, generation: u32) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode(key.danger_master()));
    let second = match generation {
        0 => String::new(),
        later => format!("{GENERATION} {later}\n"),
    };
    Zeroizing::new(format!("{MAGIC} {}\n{second}", *digits))
}

/// The key in the bytes of that file, and the generation of its vault's token.
pub fn parse(bytes: &[u8]) -> Result<(ClientKey, u32), &'static str> {
    if bytes.starts_with(AGE_MAGIC) {
        return Err(
            "it is a backup under a passphrase; make a key file of it with darkroom restore --backup",
        );
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let digits = first
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.strip_prefix(' '));
    let digits = digits.ok_or("it does not start with DARKROOM-KEY-1")?;
    let mut master = [0; 32];
    hex::decode_to_slice(digits.trim(), &mut master)
        .map_err(|_| "64 hexadecimal digits should follow DARKROOM-KEY-1")?;
    let key = ClientKey::from_master(master);
    master.zeroize();
    if second.is_empty() {
        return Ok((key, 0));
    }
    let generation = second
        .strip_prefix(GENERATION)
        .and_then(|rest| rest.trim().parse().ok())
        .filter(|generation| *generation <= GENERATION_LAST);
    let generation = generation.ok_or(
        "its second line should be token-generation and a number; without that line it is a key, too",
    )?;
    Ok((key, generation))
}

#[cfg(unix)]
fn warn_if_shared(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_or(0, |there| there.permissions().mode());
    if mode & 0o077 != 0 {
        let path = path.display();
        eprintln!("darkroom: others can read the key in {path}; make it yours: chmod 600 {path}");
    }
}

#[cfg(not(unix))]
fn warn_if_shared(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_read_back_and_others_are_refused() {
        let key = ClientKey::from_master([7; 32]);
        for generation in [0, 1, GENERATION_LAST] {
            let text = text(&key, generation);
            assert_eq!(text.lines().count(), if generation == 0 { 1 } else { 2 });
            let (again, found) = parse(text.as_bytes()).unwrap();
            assert_eq!((again.danger_master(), found), (&[7; 32], generation));
        }
        let first = text(&key, 0);
        for second in [
            "x",
            "token-generation",
            "token-generation 65",
            "token-generation 1\n2",
        ] {
            assert!(
                parse(format!("{}{second}", *first).as_bytes()).is_err(),
                "{second}"
            );
        }
    }
}
