//! `darkroom-kme`: one key management entity of a pair, or certificates to try a deployment with.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};
use darkroom_api::routes::HEALTH;
use darkroom_kme::Config;
use darkroom_kme::trial::{self, Machines};
use tokio::signal::unix::{SignalKind, signal};

/// One key management entity of a pair, with a simulated quantum channel between them.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// A TOML file; config.sample.toml shows what can be in it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only check the configuration.
    #[arg(long, conflicts_with = "healthcheck")]
    check: bool,
    /// Only ask the node of this configuration whether it is alive.
    #[arg(long)]
    healthcheck: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Make certificates and a secret to try a whole deployment with: for the gateway, storage,
    /// compute, both ends of both links, and both nodes.
    Certs(Certs),
}

#[derive(clap::Args)]
struct Certs {
    /// Where to write them.
    folder: PathBuf,
    /// A name or address of the gateway's machine; may be given more than once.
    #[arg(long, value_name = "HOST")]
    client: Vec<String>,
    /// A name or address of storage's machine.
    #[arg(long, value_name = "HOST")]
    storage: Vec<String>,
    /// A name or address of compute's machine.
    #[arg(long, value_name = "HOST")]
    compute: Vec<String>,
    /// Make none where there are some that are not old, and replace those that are.
    #[arg(long)]
    renew: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Task::Certs(certs)) = arguments.task {
        let machines = Machines {
            client: certs.client,
            storage: certs.storage,
            compute: certs.compute,
        };
        match certs.renew {
            true => trial::renew(&certs.folder, &machines)?,
            false => trial::write(&certs.folder, &machines)?,
        }
        return Ok(());
    }
    let config = Config::load(arguments.config.as_deref())?;
    if arguments.healthcheck {
        return darkroom_api::health::check(config.status, HEALTH).context("the node is not well");
    }
    let telemetry = darkroom_telemetry::start(&config.log)?;
    if arguments.check {
        println!("the configuration is valid");
        return Ok(());
    }
    // Before anything is ready, so that no signal is lost.
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let peer = config.peer.address.clone();
    let node = darkroom_kme::start(config)?;
    match node.peer_address() {
        Some(address) => tracing::info!("peer channel on {address}"),
        None => tracing::info!("peer channel to {peer}"),
    }
    tracing::info!("status page on {}", node.status_address());
    tracing::info!("listening on {}", node.etsi_address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    node.stop();
    telemetry.end();
    Ok(())
}
