//! `backend-storage`: keeps ciphertexts and hands them over.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::Context;
use backend_storage::{Config, Log, LogFormat};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Darkroom's storage service.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file; config.sample.toml shows what can be in it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only check the configuration.
    #[arg(long, conflicts_with = "healthcheck")]
    check: bool,
    /// Only ask the storage of this configuration whether it is alive.
    #[arg(long)]
    healthcheck: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config::load(arguments.config.as_deref())?;
    if arguments.healthcheck {
        let asked = darkroom_tls::check_health(config.listen, config.tls.as_ref()).await;
        return asked.context("storage is not well");
    }
    start_log(&config.log)?;
    if arguments.check {
        backend_storage::check(&config)?;
        println!("the configuration is valid");
        return Ok(());
    }
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
    Ok(server.await?)
}

fn start_log(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter).context("log.filter")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
