//! Where the project's programs, page and models are.

use std::path::{Path, PathBuf};

/// The folder of the shipped models.
pub fn zoo() -> PathBuf {
    named("E2E_MODELS").unwrap_or_else(|| root().join("models"))
}

/// The folder of the built page.
pub fn page() -> PathBuf {
    named("E2E_PAGE").unwrap_or_else(|| root().join("dist"))
}

/// A program of this workspace.
pub fn program(name: &str) -> PathBuf {
    programs().join(name)
}

fn programs() -> PathBuf {
    named("E2E_PROGRAMS").unwrap_or_else(|| {
        // Tests are in target/debug/deps, the programs in target/debug.
        let here = std::env::current_exe().unwrap_or_default();
        let folder = here.parent().unwrap_or(Path::new("."));
        let up = if folder.ends_with("deps") {
            folder.parent()
        } else {
            Some(folder)
        };
        up.unwrap_or(folder).to_owned()
    })
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}
