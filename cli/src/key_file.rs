//! The key in a file: one line, `DARKROOM-KEY-1` and the master secret in 64 hexadecimal digits.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use darkroom_api::ids::KeyId;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::{files, words};

const MAGIC: &str = "DARKROOM-KEY-1";
const AGE_MAGIC: &[u8] = b"age-encryption.org/";
const FILE_BYTES_MAX: u64 = 64 * 1024;

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
    let digits = Zeroizing::new(hex::encode(key.danger_master()));
    let line = Zeroizing::new(format!("{MAGIC} {}\n", *digits));
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
        let _ = std::fs::remove_file(path);
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

/// Reads a key. Warns if others can read it as well.
pub fn read(path: &Path) -> Result<ClientKey, Error> {
    let bytes = Zeroizing::new(files::read(path, "key file", FILE_BYTES_MAX)?);
    let not_a_key = |reason| {
        let path = path.to_owned();
        Error::NotAKey { path, reason }
    };
    if bytes.starts_with(AGE_MAGIC) {
        return Err(not_a_key(
            "it is a backup under a passphrase; make a key file of it with darkroom restore --backup",
        ));
    }
    let digits = bytes
        .trim_ascii()
        .strip_prefix(MAGIC.as_bytes())
        .and_then(|rest| rest.strip_prefix(b" "));
    let digits = digits.ok_or_else(|| not_a_key("it does not start with DARKROOM-KEY-1"))?;
    let mut master = [0; 32];
    let decoded = hex::decode_to_slice(digits.trim_ascii(), &mut master);
    decoded.map_err(|_| not_a_key("64 hexadecimal digits should follow DARKROOM-KEY-1"))?;
    let key = ClientKey::from_master(master);
    master.zeroize();
    warn_if_shared(path);
    Ok(key)
}

#[cfg(unix)]
fn warn_if_shared(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |there| there.permissions().mode());
    if mode & 0o077 != 0 {
        let path = path.display();
        eprintln!("darkroom: others can read the key in {path}; make it yours: chmod 600 {path}");
    }
}

#[cfg(not(unix))]
fn warn_if_shared(_: &Path) {}
