//! `darkroom`: the same client as the page, without a browser, for batches and scripts.
//!
//! Two ways: `analyse` sends encrypted pictures through a gateway and reads what comes back;
//! `encrypt`, `compute` and `decrypt` do the stages one by one over files, on any machines.
//! `evaluate` measures a model on pictures whose labels are known. `vault`, `token` and `log` are the
//! owner's: who may do what in her vault, and what was done.

mod age_file;
mod args;
mod error;
mod evaluate;
mod evaluation_key;
mod files;
#[doc(hidden)]
pub mod fuzz;
mod key_file;
mod model_folder;
mod online;
mod output;
mod pictures;
mod progress;
mod simulate;
mod stages;
mod threads;
mod timing;
mod vault;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use args::{Args, Command};

/// Runs the program with its arguments.
pub fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("darkroom: {}", output::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Keygen { key } => key_file::keygen(&key)?,
        Command::Words { key } => words::print(&key)?,
        Command::Restore { key, backup } => match backup {
            Some(backup) => age_file::restore(&key, &backup)?,
            None => words::restore(&key, std::io::stdin().is_terminal())?,
        },
        Command::Encrypt(encrypt) => stages::encrypt(&encrypt)?,
        Command::EvaluationKey(make) => evaluation_key::make(&make)?,
        Command::Compute(compute) => stages::compute(&compute)?,
        Command::Decrypt(decrypt) => stages::decrypt(&decrypt)?,
        Command::Simulate(simulate) => return Ok(simulate::run(&simulate)?),
        Command::Evaluate(evaluate) => return Ok(evaluate::run(&evaluate)?),
        Command::Models { server, json } => return Ok(wait(online::models(&server, json))??),
        Command::Vault(show) => wait(vault::show(&show))??,
        Command::Token(command) => wait(vault::token(command))??,
        Command::Log(log) => wait(vault::log(&log))??,
        Command::Analyse(analyse) => return Ok(wait(online::analyse(&analyse))??),
    }
    Ok(ExitCode::SUCCESS)
}

fn wait<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work))
}
