//! `cargo xtask run`: from a fresh clone to the page's address.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::command::{cargo, run as run_command};
use crate::ports::{Ports, check_ports};
use crate::services::{Layout, Services};
use crate::test::NATIVE;
use crate::tools::Tools;
use crate::transit::{KME, Transit, renew_certs};
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
    /// Speak TLS, everywhere, with certificates made for trying it; browsers ask before they take one.
    #[arg(long)]
    tls: bool,
    /// Seal the links from the gateway and from compute to storage with keys of a pair of key
    /// management entities, which are started as well; their photons are simulated.
    #[arg(long)]
    qkd: bool,
    /// The first of the five ports that the key management entities take.
    #[arg(long, value_name = "FIRST", default_value_t = 7010, requires = "qkd")]
    kme_port: u16,
    /// Build for development: quicker to build, slower to run.
    #[arg(long)]
    dev: bool,
}

/// Installs, builds, starts, waits for Ctrl-C, stops.
pub fn run(options: &Options) -> Result<()> {
    let layout = layout(options)?;
    check_ports(options.ports, &layout.transit)?;
    let tools = Tools::for_page()?;
    println!("building the services (the first time takes several minutes)");
    build_services(options.dev)?;
    if options.tls || options.qkd {
        renew_certs(&layout.programs, &layout.transit.certs)?;
    }
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
        "\nDarkroom is open: {}://localhost:{}\nCtrl-C stops it.",
        layout.transit.scheme(),
        options.ports.gateway
    );
    if options.tls {
        let root = layout.transit.certs.join("root.pem");
        println!(
            "Browsers take its certificate if they trust {}.",
            root.display()
        );
    }
    for (name, _, status) in layout.transit.nodes()? {
        println!("Key node {name}, with its eavesdropper: http://localhost:{status}");
    }
    services.watch(&stopped)?;
    println!("\nstopping: jobs that run are finished first, Ctrl-C again leaves at once");
    services.stop()?;
    println!("stopped");
    Ok(())
}

/// Builds the services and the key management entity: for development with what the tests build
/// anyway, otherwise without what only clients need.
pub fn build_services(dev: bool) -> Result<()> {
    let mut build = cargo(["build", "--locked", "--bins"]);
    if dev {
        return run_command(build.args(NATIVE));
    }
    build.arg("--release");
    for package in ["gateway", "backend-storage", "backend-compute", KME] {
        build.args(["-p", package]);
    }
    run_command(&mut build)
}

/// Where cargo puts the programs of a profile.
pub fn programs(dev: bool) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    target.join(if dev { "debug" } else { "release" })
}

/// Where certificates go, and which machines they are for.
#[derive(clap::Args)]
pub struct Certs {
    /// The folder; names and addresses of the machines by --client, --storage and --compute HOST;
    /// --renew to replace old ones only.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<std::ffi::OsString>,
}

/// Makes certificates and a secret to try a deployment with.
pub fn certs(options: &Certs) -> Result<()> {
    let mut make = cargo([
        "run",
        "--quiet",
        "--locked",
        "--release",
        "-p",
        KME,
        "--",
        "certs",
    ]);
    // Paths are the caller's.
    make.current_dir(std::env::current_dir()?);
    make.args(&options.arguments);
    run_command(&mut make)
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
        transit: Transit {
            certs: data.join("certs"),
            tls: options.tls,
            kme_port: options.qkd.then_some(options.kme_port),
        },
        data,
        models,
        page: page::folder(),
        ports: options.ports,
    })
}
