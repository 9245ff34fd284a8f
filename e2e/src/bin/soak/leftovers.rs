//! What is in the store beside what should be.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use darkroom_api::header::ObjectKind;

use crate::pace::Pace;

/// Waits until the sweep has taken what broken uploads left; says what it leaves.
pub async fn swept(kept: &Path, pace: &Pace) -> Result<Vec<PathBuf>> {
    let patience = pace.swept + pace.sweep_every * 2 + Duration::from_secs(20);
    let began = Instant::now();
    loop {
        let left = half_written(kept)?;
        if left.is_empty() || began.elapsed() > patience {
            return Ok(left);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Uploads that were not published, and files that were not written to their end.
fn half_written(kept: &Path) -> Result<Vec<PathBuf>> {
    let files = files(kept)?;
    let is_left = |file: &PathBuf| {
        let is_staged = file.starts_with(kept.join("staging"));
        is_staged || file.to_string_lossy().contains('#')
    };
    Ok(files.into_iter().filter(is_left).collect())
}

/// The bytes of all objects in the store.
pub fn bytes(kept: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in files(&kept.join("data"))? {
        let collection = file.parent().and_then(Path::file_name);
        let mut kinds = ObjectKind::ALL.iter();
        if kinds.any(|kind| collection == Some(kind.segment().as_ref())) {
            bytes += std::fs::metadata(file)?.len();
        }
    }
    Ok(bytes)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        // A folder may go while it is looked at.
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    Ok(found)
}
