//! The store underneath: a folder.

use std::path::{Path, PathBuf};

use backend_storage::Config;

use crate::support::files;

/// Where the objects of a store in this folder lie.
pub fn objects_in(dir: &Path) -> PathBuf {
    dir.join("store")
}

pub fn configure(dir: &Path, config: &mut Config) {
    config.data_dir = objects_in(dir);
}

/// The same as lines of TOML: top-level keys, and tables.
pub fn configure_toml(dir: &Path) -> (String, String) {
    (format!("data_dir = {:?}\n", objects_in(dir)), String::new())
}

/// Files of uploads that are under way or were left behind.
pub fn unfinished(objects: &Path) -> Vec<PathBuf> {
    files(&objects.join("staging"))
}

/// The next sweep takes them away when they are old enough.
pub const SWEEPS_UNFINISHED: bool = true;
