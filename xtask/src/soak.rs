//! `cargo xtask soak`: services are killed at random moments under load, and nothing may be lost.

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::command::{cargo, run as run_command};
use crate::root;
use crate::run::{build_services, programs};

/// How to soak.
#[derive(clap::Args)]
pub struct Options {
    /// How many processes to kill; below 50 everything goes faster.
    #[arg(long, value_name = "N", default_value_t = 200)]
    kills: u64,
    /// The seed of what happens when; drawn and printed where absent.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to keep everything.
    #[arg(long, value_enum, default_value = "both")]
    store: Store,
    /// How long on average between two blows; longer for a slower machine.
    #[arg(long, value_name = "N")]
    gap_ms: Option<u64>,
    /// Use the development build.
    #[arg(long)]
    dev: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    /// A folder and SQLite, one process of each service.
    Disk,
    /// A bucket and PostgreSQL, two processes of each service.
    S3,
    /// One after the other.
    Both,
}

/// Builds what it takes, and does it.
pub fn run(options: &Options) -> Result<()> {
    build_services(options.dev)?;
    if !options.dev {
        let build = ["build", "--locked", "--release", "-p", "e2e", "--bins"];
        run_command(&mut cargo(build))?;
    }
    let mut soak = Command::new(programs(options.dev).join("soak"));
    soak.current_dir(root())
        .env("E2E_PROGRAMS", programs(options.dev))
        .args(["--kills", &options.kills.to_string()]);
    if let Some(seed) = options.seed {
        soak.args(["--seed", &seed.to_string()]);
    }
    if let Some(gap_ms) = options.gap_ms {
        soak.args(["--gap-ms", &gap_ms.to_string()]);
    }
    match options.store {
        Store::Disk => soak.args(["--store", "disk"]),
        Store::S3 => soak.args(["--store", "s3"]),
        Store::Both => &mut soak,
    };
    run_command(&mut soak)
}
