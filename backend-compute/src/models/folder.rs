//! Model folders on disk, and whether they changed.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// A folder that may hold a model. Equal if nothing in it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its name: the model's id.
    pub name: String,
    path: PathBuf,
    files: Vec<(String, u64, Option<SystemTime>)>,
}

/// The folders within these folders, sorted within each. Hidden ones are passed over, and what
/// cannot be read has no models.
pub fn list(parents: &[PathBuf]) -> Vec<Folder> {
    let mut folders = Vec::new();
    for parent in parents {
        let mut here: Vec<_> = entries(parent)
            .filter(|(name, _, metadata)| metadata.is_dir() && !name.starts_with('.'))
            .map(|(name, path, _)| Folder {
                files: files(&path),
                name,
                path,
            })
            .collect();
        here.sort_by(|one, other| one.name.cmp(&other.name));
        folders.append(&mut here);
    }
    folders
}

fn files(folder: &Path) -> Vec<(String, u64, Option<SystemTime>)> {
    let mut files: Vec<_> = entries(folder)
        .map(|(name, _, metadata)| (name, metadata.len(), metadata.modified().ok()))
        .collect();
    files.sort();
    files
}

fn entries(folder: &Path) -> impl Iterator<Item = (String, PathBuf, Metadata)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let (name, path) = (entry.file_name().into_string().ok()?, entry.path());
        let metadata = fs::metadata(&path).ok()?;
        Some((name, path, metadata))
    })
}

impl Folder {
    /// Reads a file of this folder. A name that leads out of it is refused.
    pub fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut parts = Path::new(name).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            let reason = format!("{name:?} is not the name of a file in the model's folder");
            return Err(io::Error::new(ErrorKind::InvalidInput, reason));
        }
        let mut bytes = Vec::new();
        let file = File::open(self.path.join(name))?;
        file.take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            let reason = format!("{name} has more than {bytes_max} bytes");
            return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
        }
        Ok(bytes)
    }
}
