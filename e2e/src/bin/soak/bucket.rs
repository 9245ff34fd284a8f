//! The server of the bucket: this program once more, so that it can be killed.
//!
//! An object of s3s-fs appears by the renaming of a whole file, so a killed server leaves no half of
//! one; nothing is synced, which only matters when the machine itself dies.

use anyhow::{Context, Result};

#[allow(clippy::unwrap_used, dead_code)]
#[path = "../../../../backend-storage/tests/s3/server.rs"]
mod server;

pub use server::{ACCESS_KEY_ID, BUCKET as NAME, SECRET_ACCESS_KEY};

/// Where the bucket is and where to listen, as the environment says it; `None`: this is not the server.
pub fn asked() -> Option<std::path::PathBuf> {
    std::env::var_os("DARKROOM_BUCKET_ROOT").map(Into::into)
}

/// Serves for ever.
pub fn serve(root: std::path::PathBuf) -> Result<()> {
    let address = std::env::var("DARKROOM_LISTEN").context("DARKROOM_LISTEN")?;
    let server = server::Server::start_at(root, &address);
    println!("listening on {address}");
    loop {
        std::thread::park();
        let _ = &server;
    }
}
