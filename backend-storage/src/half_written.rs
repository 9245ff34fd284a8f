//! A file of the disk on its way in, under a name that the store shows in no list.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How much is written before the disk is told to begin with it. It then works while the rest is
/// received, and the sync at the end has less to wait for.
const WRITE_BACK_BYTES: u64 = 4 << 20;

/// An open file. It is removed on drop unless it was finished.
#[derive(Debug)]
pub(crate) struct HalfWritten {
    file: File,
    place: PathBuf,
    written: u64,
    written_back: u64,
    is_finished: bool,
}

impl HalfWritten {
    /// Begins what will be the file at this place, in a folder that is made if it is not there.
    pub(crate) fn create(place: PathBuf) -> io::Result<Self> {
        let file = match File::create_new(unfinished(&place)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                place.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                File::create_new(unfinished(&place))?
            }
            created => created?,
        };
        Ok(Self {
            file,
            place,
            written: 0,
            written_back: 0,
            is_finished: false,
        })
    }

    /// Writes the next part.
    pub(crate) fn write(&mut self, part: &[u8]) -> io::Result<()> {
        self.file.write_all(part)?;
        self.written += part.len() as u64;
        if self.written - self.written_back >= WRITE_BACK_BYTES {
            write_back(&self.file, self.written_back, self.written);
            self.written_back = self.written;
        }
        Ok(())
    }

    /// Makes the content last and gives the file its name, which need not last: nobody reads it here.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(unfinished(&self.place), &self.place)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for HalfWritten {
    fn drop(&mut self) {
        if !self.is_finished {
            // What stays is swept.
            let _ = std::fs::remove_file(unfinished(&self.place));
        }
    }
}

fn unfinished(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push("#1");
    name.into()
}

/// Lets the disk begin to write a range. Linux does so when it is told that the range is not needed:
/// what is not on the disk yet stays in memory all the same.
#[cfg(target_os = "linux")]
fn write_back(file: &File, from: u64, to: u64) {
    use rustix::fs::{Advice, fadvise};
    let length = std::num::NonZeroU64::new(to - from);
    // Only an advice.
    let _ = fadvise(file, from, length, Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn write_back(_: &File, _: u64, _: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("staging/upload");
        let names = || {
            let entries = std::fs::read_dir(dir.path().join("staging")).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect::<Vec<_>>()
        };
        let mut file = HalfWritten::create(place.clone()).unwrap();
        file.write(b"half").unwrap();
        assert_eq!(names(), ["upload#1"]);
        drop(file);
        assert!(names().is_empty());

        let part: Vec<u8> = (0..3 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
        let mut file = HalfWritten::create(place.clone()).unwrap();
        for _ in 0..3 {
            file.write(&part).unwrap();
        }
        file.finish().unwrap();
        assert_eq!(names(), ["upload"]);
        assert!(std::fs::read(&place).unwrap() == part.repeat(3));
    }
}
