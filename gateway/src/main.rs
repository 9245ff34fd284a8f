//! The gateway's command line.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use darkroom_api::routes::{HEALTH, READY};
use darkroom_telemetry::{start, start_traced};
use gateway::Config;

/// Serves the Darkroom page and passes its requests on to storage and compute.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration, TOML; the environment (DARKROOM_LISTEN and so on) goes before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only says whether configuration and page are fit to be used.
    #[arg(long, conflicts_with = "healthcheck")]
    check: bool,
    /// Only says whether the gateway of this configuration is alive.
    #[arg(long)]
    healthcheck: bool,
    /// The same, whether it can do its work now.
    #[arg(long, conflicts_with_all = ["check", "healthcheck"])]
    readycheck: bool,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config::load(arguments.config.as_deref())?;
    let healthy = arguments.healthcheck.then_some(HEALTH);
    if let Some(route) = healthy.or(arguments.readycheck.then_some(READY)) {
        let asked = darkroom_tls::check_health(config.listen, config.tls.as_ref(), route).await;
        return asked.context("the gateway is not well");
    }
    if arguments.check {
        start(&config.log)?.end();
        gateway::check(&config)?;
        println!("the configuration is fit to be used");
        return Ok(());
    }
    let telemetry = start_traced("darkroom-gateway", &config.log, &config.traces)?;
    darkroom_tls::raise_open_files();
    let listener = TcpListener::bind(config.listen)
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let server = gateway::serve(listener, config)?;
    tracing::info!("listening on {address}");
    let served = server.await;
    telemetry.end();
    served.context("the server failed")
}
