//! `cargo xtask run`: from a fresh clone to the page's address.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::command::{cargo, run as run_command};
use crate::services::{Layout, Ports, Services, check_ports};
use crate::tools::Tools;
use crate::{page, root};

/// How to run.
#[derive(clap::Args)]
pub struct Options {
    /// Where the services keep everything; `data/` in the project where not given.
    #[arg(long, value_name = "DIR", default_value_os_t = root().join("data"), hide_default_value = true)]
    data: PathBuf,
    /// More model folders beside the zoo: a folder that holds folders. May be given more than once.
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
    /// Where the gateway, storage and compute listen.
    #[arg(
        long,
        value_name = "GATEWAY,STORAGE,COMPUTE",
        default_value = "7000,7001,7002"
    )]
    ports: Ports,
    /// Build for development: quicker to build, slower to run.
    #[arg(long)]
    dev: bool,
}

/// Installs, builds, starts, waits for Ctrl-C, stops.
pub fn run(options: &Options) -> Result<()> {
    check_ports(options.ports)?;
    let layout = layout(options)?;
    let tools = Tools::for_page()?;
    println!("building the services (the first time takes several minutes)");
    build_services(options.dev)?;
    println!("building the page");
    page::build(&tools, &page::Options { dev: options.dev })?;

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // The second signal ends this program at once.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let stopped = || stop.load(Ordering::Relaxed);
    println!(
        "starting the services, logs in {}",
        layout.data.join("log").display()
    );
    let mut services = Services::start(&layout, &stopped)?;
    println!(
        "\nDarkroom is open: http://localhost:{}\nCtrl-C stops it.",
        options.ports.gateway
    );
    services.watch(&stopped)?;
    println!("\nstopping: jobs that run are finished first, Ctrl-C again leaves at once");
    services.stop()?;
    println!("stopped");
    Ok(())
}

/// Builds the three services without what only clients need.
pub fn build_services(dev: bool) -> Result<()> {
    let mut build = cargo(["build", "--locked"]);
    build.args([
        "-p",
        "gateway",
        "-p",
        "backend-storage",
        "-p",
        "backend-compute",
        "--bins",
    ]);
    if !dev {
        build.arg("--release");
    }
    run_command(&mut build)
}

/// Where cargo puts the programs of a profile.
pub fn programs(dev: bool) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    target.join(if dev { "debug" } else { "release" })
}

fn layout(options: &Options) -> Result<Layout> {
    let mut models = vec![root().join("models")];
    for folder in &options.models {
        if !folder.is_dir() {
            bail!("--models: {} is not a folder", folder.display());
        }
        models.push(std::path::absolute(folder)?);
    }
    let data = std::path::absolute(&options.data)?;
    std::fs::create_dir_all(&data)?;
    Ok(Layout {
        programs: programs(options.dev),
        data,
        models,
        page: page::folder(),
        ports: options.ports,
    })
}
