//! What only a disk needs besides the object store: folders of our own, synced and removed.
//!
//! Durability, read in object_store 0.14.2, `src/local.rs`, with `with_fsync(true)`:
//! - `put_opts`: the file `name#1` is synced (`sync_and_close`),
//!   renamed (create-only: hard-linked) and the folder synced (`finish_staged_rename`,
//!   `finish_staged_hard_link`); folders made on the way are synced up to the first old one
//!   (`create_parent_dirs`).
//! - `copy_if_not_exists`: one `link(2)`, atomic and create-only, then the folder is synced
//!   (`hard_link`); the content was synced when its upload was completed.
//! - `delete_stream` passes `fsync = false`: deletions that must last are synced here.

use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;

use crate::error::Error;
use crate::half_written::HalfWritten;
use crate::store::blocking;

/// How often a folder is tried to be removed into which files still come.
const REMOVE_TRIES_MAX: u32 = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

/// A folder that holds a store.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Opens the store in a folder, which is made, for this user alone, if it is not there.
    pub(crate) async fn open(root: PathBuf) -> Result<(Self, LocalFileSystem), Error> {
        blocking(move || {
            make_private_dir(&root)?;
            let root = root.canonicalize()?;
            let files = LocalFileSystem::new_with_prefix(&root)?.with_fsync(true);
            Ok((Self { root }, files))
        })
        .await
    }

    /// How many bytes are free for this process, and how many there are.
    pub(crate) async fn space(&self) -> Result<(u64, u64), Error> {
        let root = self.root.clone();
        blocking(move || {
            let space = rustix::fs::statvfs(&root).map_err(io::Error::from)?;
            let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
            Ok((bytes(space.f_bavail), bytes(space.f_blocks)))
        })
        .await
    }

    /// Begins an upload.
    pub(crate) async fn begin(&self, key: &Key) -> Result<HalfWritten, Error> {
        let place = self.place(key);
        blocking(move || Ok(HalfWritten::create(place)?)).await
    }

    /// Makes the deletion of an object last.
    pub(crate) async fn sync_deletion(&self, key: &Key) -> Result<(), Error> {
        let mut folder = self.place(key);
        folder.pop();
        blocking(move || Ok(sync_dir(&folder)?)).await
    }

    /// Removes a folder whose objects were deleted: the store leaves it empty, and half-written files
    /// in it, which it does not list.
    pub(crate) async fn remove(&self, prefix: &Key) -> Result<(), Error> {
        let folder = self.place(prefix);
        blocking(move || {
            if remove_folder(&folder)? {
                folder.parent().map_or(Ok(()), sync_dir)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes files `name#1` of uploads that were not written to their end before a time: the store
    /// hides them, and only we can delete them. How many.
    pub(crate) async fn sweep_half_written(&self, before: SystemTime) -> Result<u64, Error> {
        let root = self.root.clone();
        blocking(move || {
            let mut count = 0;
            let mut folders = vec![root];
            while let Some(folder) = folders.pop() {
                // A folder may go while we look.
                let Ok(entries) = std::fs::read_dir(&folder) else {
                    continue;
                };
                for entry in entries {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        folders.push(entry.path());
                    } else if is_half_written(&entry.file_name()) && is_older(&entry, before) {
                        std::fs::remove_file(entry.path())?;
                        count += 1;
                    }
                }
            }
            Ok(count)
        })
        .await
    }

    fn place(&self, key: &Key) -> PathBuf {
        let mut place = self.root.clone();
        place.extend(key.parts().map(|part| part.as_ref().to_owned()));
        place
    }
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    dir.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), |parent| {
            // A folder that may not be opened cannot be synced; that is the operator's choice.
            match sync_dir(parent) {
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
                _ => Ok(()),
            }
        })
}

/// Makes deletions in a folder last.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        std::fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Removes a folder with all in it; whether it was there. Uploads that were under way when the vault
/// was closed may put files there meanwhile: they find it closed and take them away again, so trying
/// once more is enough.
fn remove_folder(folder: &Path) -> io::Result<bool> {
    let mut tries = 0;
    loop {
        match std::fs::remove_dir_all(folder) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(tries > 0),
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries < REMOVE_TRIES_MAX =>
            {
                tries += 1;
                std::thread::sleep(REMOVE_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_half_written(name: &std::ffi::OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.rsplit_once('#'));
    number.is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_older(entry: &std::fs::DirEntry, before: SystemTime) -> bool {
    let modified = entry.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|modified| modified < before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_although_files_still_come() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("vault");
        assert!(!remove_folder(&folder).unwrap());
        std::fs::create_dir_all(folder.join("images")).unwrap();
        let (late, began) = (folder.join("images"), std::time::Instant::now());
        let writer = std::thread::spawn(move || {
            for file in 0u32.. {
                if began.elapsed() > Duration::from_millis(50) {
                    break;
                }
                let _ = std::fs::create_dir_all(&late);
                let _ = std::fs::write(late.join(file.to_string()), b"late");
            }
        });
        while !writer.is_finished() {
            remove_folder(&folder).unwrap();
        }
        writer.join().unwrap();
        remove_folder(&folder).unwrap();
        assert!(!folder.exists());
    }
}
