//! `backend-storage`: keeps ciphertexts and hands them over.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use backend_storage::Config;
use clap::{Parser, Subcommand};
use darkroom_api::routes::{HEALTH, READY};
use darkroom_telemetry::{start, start_traced};
use tokio::signal::unix::{SignalKind, signal};

/// Darkroom's storage service.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file; config.sample.toml shows what can be in it.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Only check the configuration.
    #[arg(long, conflicts_with = "healthcheck")]
    check: bool,
    /// Only ask the storage of this configuration whether it is alive.
    #[arg(long)]
    healthcheck: bool,
    /// The same, whether it can do its work now.
    #[arg(long, conflicts_with_all = ["check", "healthcheck"])]
    readycheck: bool,
    /// Only print the description of all routes, OpenAPI 3.1.
    #[arg(long, conflicts_with_all = ["check", "healthcheck"])]
    openapi: bool,
    /// Serves where there is none.
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Makes invitations, each for one new vault, and prints them: they are kept nowhere else. Must run
    /// with the configuration of the storage, as the same user; storage may be running.
    Invite {
        /// For how long they are good.
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
        valid_days: u32,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
    },
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.openapi {
        print!("{}", backend_storage::openapi()?);
        return Ok(());
    }
    let config = Config::load(arguments.config.as_deref())?;
    let healthy = arguments.healthcheck.then_some(HEALTH);
    if let Some(route) = healthy.or(arguments.readycheck.then_some(READY)) {
        let asked = darkroom_tls::check_health(config.listen, config.tls.as_ref(), route).await;
        return asked.context("storage is not well");
    }
    if let Some(Task::Invite { valid_days, count }) = arguments.command {
        let made = backend_storage::invite(config, count, DAY * valid_days).await;
        let mut out = std::io::stdout().lock();
        for invitation in made.context("cannot make invitations")? {
            writeln!(out, "{}", invitation.danger_reveal())?;
        }
        return Ok(());
    }
    if arguments.check {
        start(&config.log)?.end();
        backend_storage::check(&config)?;
        println!("the configuration is valid");
        return Ok(());
    }
    let telemetry = start_traced("darkroom-storage", &config.log, &config.traces)?;
    darkroom_tls::raise_open_files();
    let listener = TcpListener::bind(config.listen)
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    // Before anything is ready, so that no signal is lost.
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let place = config.place();
    let server = backend_storage::serve(listener, config)
        .await
        .with_context(|| format!("cannot start (the store is {place})"))?;
    tracing::info!("listening on {address}");
    let handle = server.handle();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        handle.stop(true).await;
    });
    let served = server.await;
    telemetry.end();
    Ok(served?)
}
