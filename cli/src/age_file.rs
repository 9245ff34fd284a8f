//! A backup file of the page: the key under a passphrase, in age's format.

use std::io::{IsTerminal, Read};
use std::path::Path;

use age::DecryptError;
use age::scrypt::Identity;
use age::secrecy::SecretString;
use darkroom_fhe::keys::ClientKey;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::{files, key_file};

/// The first line of what is encrypted; the second is the master, hexadecimal.
const MAGIC: &str = "darkroom key 1";
/// The most work that a file may ask for: 2^18 blocks of 1 KiB.
const WORK_LOG2_MAX: u8 = 18;
const FILE_BYTES_MAX: u64 = 64 * 1024;
const PASSPHRASE_BYTES_MAX: u64 = 4096;

/// Makes a key file of a backup file.
pub fn restore(path: &Path, backup: &Path) -> Result<(), Error> {
    let file = files::read(backup, "backup of a key", FILE_BYTES_MAX)?;
    if std::io::stdin().is_terminal() {
        eprintln!("Type the passphrase of {} (it shows):", backup.display());
    }
    let key = open(&file, passphrase()?)?;
    key_file::write(path, &key)?;
    key_file::announce(path, &key);
    Ok(())
}

fn passphrase() -> Result<SecretString, Error> {
    let mut line = Zeroizing::new(Vec::new());
    for byte in std::io::stdin().lock().take(PASSPHRASE_BYTES_MAX).bytes() {
        match byte.map_err(|source| Error::Read {
            path: "standard input".into(),
            source,
        })? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    let text = std::str::from_utf8(&line).unwrap_or_default();
    Ok(SecretString::from(text.trim_end_matches('\r').to_owned()))
}

fn open(file: &[u8], passphrase: SecretString) -> Result<ClientKey, Error> {
    open_within(file, passphrase, WORK_LOG2_MAX)
}

/// Opens a file that asks for at most 2^`work_log2_max` blocks of 1 KiB.
pub fn open_within(
    file: &[u8],
    passphrase: SecretString,
    work_log2_max: u8,
) -> Result<ClientKey, Error> {
    let mut identity = Identity::new(passphrase);
    identity.set_max_work_factor(work_log2_max);
    let plain = age::decrypt(&identity, file).map_err(|error| explain(&error))?;
    let plain = Zeroizing::new(plain);
    let text = std::str::from_utf8(&plain).map_err(|_| not_a_backup())?;
    let digits = text.strip_prefix(MAGIC).map(str::trim);
    let mut master = [0; 32];
    hex::decode_to_slice(digits.ok_or_else(not_a_backup)?, &mut master)
        .map_err(|_| not_a_backup())?;
    let key = ClientKey::from_master(master);
    master.zeroize();
    Ok(key)
}

fn explain(error: &DecryptError) -> Error {
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => Error::Backup(
            "the passphrase is not the one that this file was made with; capital and small letters \
             count"
                .into(),
        ),
        DecryptError::ExcessiveWork { .. } => Error::Backup(
            "this file asks for more work than any of the page; open it with the age program".into(),
        ),
        _ => not_a_backup(),
    }
}

fn not_a_backup() -> Error {
    Error::Backup("this file is not a backup of a Darkroom key, or it is damaged".into())
}

#[cfg(test)]
mod tests {
    use age::scrypt::Recipient;

    use super::*;

    fn file(plain: &str) -> Vec<u8> {
        let mut recipient = Recipient::new(SecretString::from("horse".to_owned()));
        recipient.set_work_factor(2);
        age::encrypt(&recipient, plain.as_bytes()).unwrap()
    }

    fn open_with(passphrase: &str, file: &[u8]) -> Result<ClientKey, Error> {
        open(file, SecretString::from(passphrase.to_owned()))
    }

    #[test]
    fn a_backup_of_the_page_opens_with_its_passphrase_alone() {
        let file = file(&format!("darkroom key 1\n{}\n", "07".repeat(32)));
        assert_eq!(open_with("horse", &file).unwrap().danger_master(), &[7; 32]);
        let refused = |error: Error| error.to_string();
        assert!(refused(open_with("Horse", &file).err().unwrap()).contains("passphrase"));
        let cut = open_with("horse", &file[..file.len() - 1]).err().unwrap();
        assert!(refused(cut).contains("damaged"));
    }

    #[test]
    fn other_age_files_are_no_keys() {
        for plain in ["", "hello", "darkroom key 2\n00\n", "darkroom key 1\n00\n"] {
            let error = open_with("horse", &file(plain)).err().unwrap();
            assert!(error.to_string().contains("not a backup"), "{plain:?}");
        }
    }
}
