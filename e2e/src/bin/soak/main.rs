//! Kills the services at random moments, hundreds of times, while owners work with them; then nothing
//! that was acknowledged may be lost or doubled, and every job must have ended. `cargo xtask soak`
//! builds what it needs and starts it.

mod audit;
mod bucket;
mod chaos;
mod customer;
mod dice;
mod fleet;
mod images;
mod jobs;
mod ledger;
mod leftovers;
mod pace;
mod tally;
mod tokens;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use e2e::networks::{write_linear, write_network};
use e2e::owner::load_model;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::customer::{Customer, Known};
use crate::dice::Dice;
use crate::fleet::{Fleet, Store};
use crate::pace::Pace;
use crate::tally::Tally;

/// A storage that shares its bucket counts anew within so long.
const RECOUNT: Duration = Duration::from_secs(75);

#[derive(Parser)]
#[command(about = "Kills the services under load and looks whether anything is lost.")]
struct Options {
    /// How many processes to kill; below 50 everything goes faster.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// The seed of what happens when; drawn where absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to keep everything; both, one after the other, where absent.
    #[arg(long, value_enum)]
    store: Option<Store>,
    /// How long on average between two blows, in milliseconds.
    #[arg(long)]
    gap_ms: Option<u64>,
    /// How many owners work at the same time.
    #[arg(long)]
    owners: Option<usize>,
}

fn main() -> Result<()> {
    if let Some(root) = bucket::asked() {
        return bucket::serve(root);
    }
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let drawn = || std::time::UNIX_EPOCH.elapsed().map(|age| age.as_micros());
    let seed = match options.seed {
        Some(seed) => seed,
        None => u64::try_from(drawn()?)?,
    };
    let stores = match options.store {
        Some(store) => vec![store],
        None => vec![Store::Disk, Store::S3],
    };
    let mut faults = 0;
    for store in stores {
        println!("soak on {store:?}, seed {seed}");
        let pace = Pace::of(options.kills, options.owners, options.gap_ms);
        faults += soak(store, pace, &Dice::new(seed), seed).await?;
    }
    match faults {
        0 => Ok(()),
        _ => bail!("{faults} faults"),
    }
}

async fn soak(store: Store, pace: Pace, dice: &Dice, seed: u64) -> Result<usize> {
    let (folder, models) = models()?;
    let Some(fleet) = Fleet::start(store, folder.path(), &pace, dice).await? else {
        println!("skipped: no PostgreSQL under /usr/lib/postgresql");
        return Ok(0);
    };
    let (fleet, tally) = (Arc::new(fleet), Arc::new(Tally::new()));
    let mut customers = Vec::new();
    for number in 0..pace.owners {
        let customer = Customer::open(number, &fleet, &models, (pace, dice.other()), &tally).await;
        customers.push(customer.context("an owner could not begin")?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut lives = JoinSet::new();
    for customer in customers {
        lives.spawn(customer.live(Arc::clone(&stop)));
    }
    chaos::rage(&fleet, pace, dice, &tally).await;
    stop.store(true, Ordering::Relaxed);
    let customers = lives.join_all().await;
    verify(&fleet, &pace, customers, &tally).await?;
    for panic in fleet.panics().await {
        tally.fault(panic);
    }
    tally.print(&format!("{store:?}, seed {seed}"));
    if tally.faults() > 0 {
        keep(fleet);
    }
    Ok(tally.faults())
}

async fn verify(
    fleet: &Fleet,
    pace: &Pace,
    mut customers: Vec<Customer>,
    tally: &Tally,
) -> Result<()> {
    tokio::time::sleep(pace.upload.min(Duration::from_secs(2))).await;
    let mut bytes_all = 0;
    let mut held = Vec::new();
    for customer in &mut customers {
        let closed = customer.close().await;
        held.push(*closed.as_ref().unwrap_or(&0));
        customer.judge("at the end", closed.map(drop));
    }
    bytes_all += held.iter().sum::<u64>();
    for left in leftovers::swept(&fleet.kept(), pace).await? {
        tally.fault(format!("the sweep left {}", left.display()));
    }
    let bytes_kept = leftovers::bytes(&fleet.kept())?;
    if bytes_kept != bytes_all {
        tally.fault(format!(
            "the store holds {bytes_kept} bytes of objects, the owners have {bytes_all}"
        ));
    }
    for (customer, bytes) in customers.iter_mut().zip(held) {
        for storage in &fleet.storages {
            let counted = counted(fleet.store, customer, storage, bytes).await;
            customer.judge("what storage counts", counted);
        }
    }
    Ok(())
}

/// On a folder the count holds at once; on a bucket, where others write as well, soon.
async fn counted(
    store: Store,
    customer: &mut Customer,
    storage: &darkroom_api::client::Storage,
    bytes: u64,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let counted = customer.counted(storage, bytes).await?;
        if counted == bytes {
            return Ok(());
        }
        if store == Store::Disk || began.elapsed() > RECOUNT {
            bail!("{counted} bytes, and {bytes} are there");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A linear model and a small network, and the folder that they are in.
fn models() -> Result<(TempDir, Arc<[Known]>)> {
    let folder = tempfile::tempdir()?;
    let weights: Vec<f64> = (0..64)
        .map(|at| if at % 8 < 4 { -0.03 } else { 0.03 })
        .collect();
    let (linear, network) = ("left-right", "three");
    let at = |name: &str| folder.path().join(name);
    write_linear(&at(linear), (8, 8), ["left", "right"], &weights, 0.0)?;
    write_network(&at(network), 4)?;
    let known = |name, folder: &Path| load_model(folder).map(|model| Known { name, model });
    let models = vec![known(linear, &at(linear))?, known(network, &at(network))?];
    Ok((folder, models.into()))
}

/// Leaves everything for whoever looks for the reason.
fn keep(fleet: Arc<Fleet>) {
    if let Ok(mut fleet) = Arc::try_unwrap(fleet) {
        fleet.folder.disable_cleanup(true);
        println!("logs and store are in {}", fleet.folder.path().display());
    }
}
