//! The command line of compute.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::Context;
use backend_compute::Config;
use clap::{Parser, Subcommand};
use darkroom_api::routes::{HEALTH, READY};
use darkroom_telemetry::{start, start_traced};
use tokio::signal::unix::{SignalKind, signal};

/// Runs models on encrypted images.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration, TOML; the environment (DARKROOM_LISTEN and so on) goes before it.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Only says whether the configuration is fit to be used.
    #[arg(long, conflicts_with = "healthcheck")]
    check: bool,
    /// Only says whether the compute of this configuration is alive.
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
    /// Copies the jobs to a new file, for a backup. Compute may be running. PostgreSQL has pg_dump.
    CopyJobs {
        /// Where to.
        file: PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.openapi {
        print!("{}", backend_compute::openapi()?);
        return Ok(());
    }
    let config = Config::load(arguments.config.as_deref())?;
    let healthy = arguments.healthcheck.then_some(HEALTH);
    if let Some(route) = healthy.or(arguments.readycheck.then_some(READY)) {
        let asked = darkroom_tls::check_health(config.listen, config.tls.as_ref(), route).await;
        return asked.context("compute is not well");
    }
    if let Some(Task::CopyJobs { file }) = arguments.command {
        let copied = backend_compute::queue::copy(&config.database, &file).await;
        return copied.context("the jobs cannot be copied");
    }
    if arguments.check {
        start(&config.log)?.end();
        backend_compute::check(&config)?;
        println!("the configuration is fit to be used");
        return Ok(());
    }
    let telemetry = start_traced("darkroom-compute", &config.log, &config.traces)?;
    let listener = TcpListener::bind(config.listen)
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    // Before anything is ready, so that no signal is lost.
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let server = backend_compute::serve(listener, config).await?;
    tracing::info!("listening on {}", server.address());
    let handle = server.handle();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        handle.stop();
    });
    let served = server.run().await;
    telemetry.end();
    served.context("the server failed")
}
