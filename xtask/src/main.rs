//! Every command of the README and of CI: `cargo xtask run | certs | test | bench | soak | fuzz | page | tools |
//! deny | sbom`.

mod bench;
mod command;
mod containers;
mod deny;
mod fuzz;
mod http;
mod page;
mod ports;
mod rules;
mod run;
mod sbom;
mod services;
mod soak;
mod test;
mod tools;
mod transit;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, runs, tests and measures Darkroom."
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything, start the three services, print the page's address; Ctrl-C stops them.
    Run(run::Options),
    /// Make certificates and a secret to try TLS and sealed links with.
    Certs(run::Certs),
    /// Format, lints, dependency rules, unit, API, wasm and browser tests.
    Test(test::Options),
    /// Measure, and print a table beside the targets.
    Bench(bench::Options),
    /// Kill the services at random moments under load, and look whether anything is lost.
    Soak(soak::Options),
    /// Run the fuzz targets on the nightly compiler, and tell how each ended.
    Fuzz(fuzz::Options),
    /// Build the page into `dist/`.
    Page(page::Options),
    /// Install what the other commands need and is missing.
    Tools,
    /// Check licences, bans and sources, and advisories where they can be reached.
    Deny,
    /// Write what each program and the page are made of to `target/sbom` (CycloneDX).
    Sbom,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Run(options) => run::run(&options),
        Task::Certs(options) => run::certs(&options),
        Task::Test(options) => test::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::Fuzz(options) => fuzz::run_all(&options),
        Task::Page(options) => {
            tools::Tools::for_page().and_then(|tools| page::build(&tools, &options))
        }
        Task::Tools => tools::install_all(),
        Task::Deny => deny::run(),
        Task::Sbom => sbom::run_all(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
