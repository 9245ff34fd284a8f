//! Two compute processes of one core each against one of them, on one queue in PostgreSQL.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use darkroom_api::compute::{Job, State};
use darkroom_api::ids::ObjectId;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use e2e::evaluation_key::make_key;
use e2e::owner::{Owner, pattern};
use e2e::places::zoo;
use e2e::postgres::Postgres;
use e2e::services::Service;
use tempfile::TempDir;

use crate::report;

/// Rounds with one and with two processes, in turn.
const ROUNDS: usize = 5;
/// Networks, and how many jobs of one image each every process gets in a round: about as much work.
const NETWORKS: [(&str, usize); 2] = [("digits", 30), ("digits-best", 15)];
/// A node that was held still has told the others within so long what it has.
const TOLD: Duration = Duration::from_secs(4);
/// Figures of PostgreSQL's clock are whole milliseconds.
const HOUR_MS: f64 = 3_600_000.0;

/// What a round came to.
#[derive(Clone, Copy)]
struct Round {
    images_per_hour: f64,
    /// Of the processes that took part, for each image.
    processor_s: f64,
}

/// Measures where there is PostgreSQL.
pub async fn measure() -> Result<()> {
    let Some(postgres) = tokio::task::block_in_place(|| Postgres::start(&[])) else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let bench = Bench::start(&folder, &postgres.database()).await?;
    for (network, jobs) in NETWORKS {
        measure_network(&bench, network, jobs).await?;
    }
    Ok(())
}

async fn measure_network(bench: &Bench, network: &str, jobs: usize) -> Result<()> {
    let (mut owner, image) = bench.owner(network).await?;
    let mut load = Load {
        network,
        jobs,
        owner: &mut owner,
        image,
    };
    // Until both have the key.
    for _ in 0..2 {
        bench.round(&mut load, 2).await?;
    }
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bench.nodes[1].hold_still(true)?;
        let alone = bench.round(&mut load, 1).await;
        bench.nodes[1].hold_still(false)?;
        one.push(alone?);
        tokio::time::sleep(TOLD).await;
        two.push(bench.round(&mut load, 2).await?);
    }
    let (one, two) = (median(&one)?, median(&two)?);
    for (name, round) in [("one compute process", one), ("two compute processes", two)] {
        let rate = format!("{network}, {name} of one core");
        report(&rate, round.images_per_hour, "images an hour");
        let time = format!("{rate}, processor time an image");
        report(&time, round.processor_s, "s");
    }
    let ratio = two.images_per_hour / one.images_per_hour;
    report(
        &format!("{network}, two compute processes against one"),
        ratio,
        "",
    );
    Ok(())
}

/// What is computed in a round.
struct Load<'a> {
    network: &'a str,
    /// For every process that takes part.
    jobs: usize,
    owner: &'a mut Owner,
    image: ObjectId,
}

struct Bench {
    storage: Service,
    nodes: [Service; 2],
}

impl Bench {
    async fn start(folder: &TempDir, database: &str) -> Result<Self> {
        let anywhere = ([127, 0, 0, 1], 0).into();
        let kept = folder.path().join("storage").display().to_string();
        let mut storage =
            Service::alone("backend-storage", "storage", folder, anywhere).with("DATA_DIR", &kept);
        storage.start().await?;
        let node = |core: usize| -> Result<Service> {
            let name = format!("compute-{core}");
            let node = Service::alone("backend-compute", &name, folder, anywhere);
            Ok(node
                .on_core(core)
                .with("THREADS", "1")
                .with("STORAGE_URL", &storage.url())
                .with("DATABASE", database)
                .with("MODELS", &serde_json::to_string(&[zoo()])?))
        };
        let mut nodes = [node(0)?, node(1)?];
        for node in &mut nodes {
            node.start().await?;
        }
        Ok(Self { storage, nodes })
    }

    /// Somebody with an evaluation key and one image in storage.
    async fn owner(&self, network: &str) -> Result<(Owner, ObjectId)> {
        let storage = darkroom_api::client::Storage::new(&self.storage.url())?;
        let compute = darkroom_api::client::Compute::new(&self.nodes[0].url())?;
        let key = ClientKey::generate(&mut Randomness::system()?)?;
        let mut owner = Owner::at(key, storage, compute)?;
        let (vault, token) = (owner.vault, &owner.vault_token);
        owner.storage.open_vault(vault, token).await?;
        owner.send_key(&make_key(&owner.key)?).await?;
        let card = owner.compute.model(&network.parse()?).await?;
        let pixels = pattern(1, card.input.width, card.input.height)?;
        let image = owner.upload(&pixels).await?;
        Ok((owner, image))
    }

    /// Fills the queue, waits until it is empty, and takes the time between.
    async fn round(&self, load: &mut Load<'_>, nodes: usize) -> Result<Round> {
        let owner = &mut *load.owner;
        let before = self.processor_s(nodes)?;
        let mut ids = Vec::new();
        for _ in 0..load.jobs * nodes {
            ids.push(
                owner
                    .submit_to_network(load.network, &[load.image])
                    .await?
                    .id,
            );
        }
        let mut jobs = Vec::new();
        for id in ids {
            // Not by events: nothing but compute's own work shall take the cores.
            let job = loop {
                let job = owner.compute.job(&owner.compute_token, id).await?;
                if job.state.is_final() {
                    break job;
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            };
            ensure!(job.state == State::Done, "{job:?}");
            jobs.push(job);
        }
        let processor_s = (self.processor_s(nodes)? - before) / jobs.len() as f64;
        Ok(Round {
            images_per_hour: rate(&jobs)?,
            processor_s,
        })
    }

    fn processor_s(&self, nodes: usize) -> Result<f64> {
        self.nodes[..nodes].iter().map(Service::processor_s).sum()
    }
}

/// Images an hour while the queue was full: after the last job had come and before the last one was
/// begun.
fn rate(jobs: &[Job]) -> Result<f64> {
    let full_ms = jobs.iter().map(|job| job.created_ms).max();
    let begun_ms = jobs.iter().filter_map(|job| job.started_ms).max();
    let (full_ms, begun_ms) = (full_ms.unwrap_or(0), begun_ms.unwrap_or(0));
    let mut ends_ms: Vec<u64> = jobs.iter().filter_map(|job| job.finished_ms).collect();
    ends_ms.retain(|end_ms| (full_ms..=begun_ms).contains(end_ms));
    ends_ms.sort_unstable();
    let first_ms = ends_ms.first().context("the queue was never full")?;
    let last_ms = ends_ms.last().context("the queue was never full")?;
    ensure!(last_ms > first_ms, "too few jobs");
    Ok((ends_ms.len() - 1) as f64 / (last_ms - first_ms) as f64 * HOUR_MS)
}

/// The round with the median rate.
fn median(rounds: &[Round]) -> Result<Round> {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.images_per_hour.total_cmp(&b.images_per_hour));
    rounds.get(rounds.len() / 2).copied().context("no round")
}
