//! Builds the page with trunk.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::run;
use crate::root;
use crate::tools::Tools;

/// How to build the page.
#[derive(clap::Args, Default)]
pub struct Options {
    /// Build quickly instead of small: no release profile, no wasm-opt.
    #[arg(long)]
    pub dev: bool,
}

/// Where the built page is.
pub fn folder() -> PathBuf {
    root().join("dist")
}

/// Builds the page into [`folder`].
pub fn build(tools: &Tools, options: &Options) -> Result<()> {
    // Trunk builds offline, so that it never fetches tools of its own; bring the crates before.
    run(&mut crate::command::cargo(["fetch", "--locked", "--quiet"]))?;
    let trunk = tools.locate("trunk").context("trunk is missing")?;
    let mut command = Command::new(trunk);
    command
        .current_dir(root())
        .arg("build")
        .env("TRUNK_OFFLINE", "true");
    if !options.dev {
        command.arg("--release");
    }
    // Trunk refuses NO_COLOR=1, which others understand.
    tools.apply(&mut command).env_remove("NO_COLOR");
    run(&mut command)?;
    let index = folder().join("index.html");
    if !index.is_file() {
        bail!("trunk built the page, but {} is not there", index.display());
    }
    Ok(())
}
