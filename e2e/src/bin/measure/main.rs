//! Measures the whole path, or the parts that are named (`transit`, `storage`, `scaling`, `clients`,
//! `jobs`, `networks`, `browser`), and prints a JSON line a figure: `cargo xtask bench` reads them.

mod browser;
mod clients;
mod networks;
mod scaling;
mod storage;
mod transit;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use darkroom_api::compute::State;
use darkroom_api::ids::ObjectId;
use e2e::owner::{Owner, pattern};
use e2e::services::Darkroom;
use serde_json::json;

/// A linear model with one score over 128x128 pixels.
const MODEL: &str = "chest-view";
/// Jobs of one image each, before and while memory is watched.
const WARM_JOBS: usize = 200;
const JOBS: usize = 1000;
/// A network.
const NETWORK: &str = "digits";

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    if is_wanted("transit") {
        transit::measure().await?;
    }
    if is_wanted("scaling") {
        scaling::measure().await?;
    }
    if is_wanted("storage") {
        storage::measure().await?;
    }
    if !wanted.is_empty()
        && !["clients", "jobs", "networks", "browser"]
            .iter()
            .any(|part| is_wanted(part))
    {
        return Ok(());
    }
    let darkroom = Darkroom::start().await?;
    if is_wanted("clients") {
        clients::measure(&darkroom).await?;
    }
    if is_wanted("jobs") {
        times(&darkroom).await?;
        memory(&darkroom).await?;
    }
    if is_wanted("networks") {
        networks::measure(&darkroom).await?;
    }
    if is_wanted("browser") {
        browser::measure(&darkroom).await?;
    }
    Ok(())
}

fn report(name: &str, value: f64, unit: &str) {
    println!("{}", json!({ "name": name, "value": value, "unit": unit }));
}

async fn times(darkroom: &Darkroom) -> Result<()> {
    let mut owner = Owner::open(darkroom).await?;
    let card = owner.compute.model(&MODEL.parse()?).await?;
    let pixels = pattern(1, card.input.width, card.input.height)?;
    ensure!(
        (pixels.width(), pixels.height()) == (128, 128),
        "{MODEL} takes another shape"
    );
    report(
        "image 128x128, bytes up",
        owner.encrypt(&pixels)?.len() as f64,
        "bytes",
    );
    let key_bytes = card.evaluation_key.map_or(0, |key| key.bytes);
    report(
        "evaluation key of a linear model",
        key_bytes as f64,
        "bytes",
    );

    let mut times = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let image = owner.upload(&pixels).await?;
        let result = analyse(&mut owner, image).await?;
        owner.answer(result).await?;
        times.push(began.elapsed());
    }
    report(
        "analyse through the real services, median",
        median_ms(&mut times),
        "ms",
    );
    Ok(())
}

/// One job of one image; returns where its result is.
async fn analyse(owner: &mut Owner, image: ObjectId) -> Result<ObjectId> {
    let job = owner.submit(MODEL, &[image]).await?;
    let job = owner.finished(job.id).await?;
    ensure!(job.state == State::Done, "{job:?}");
    Ok(job.items[0].result)
}

async fn memory(darkroom: &Darkroom) -> Result<()> {
    let mut owner = Owner::open(darkroom).await?;
    let image = owner.upload(&pattern(2, 128, 128)?).await?;
    for _ in 0..WARM_JOBS {
        analyse(&mut owner, image).await?;
    }
    let before = darkroom.compute.resident_mib()?;
    let began = Instant::now();
    for _ in 0..JOBS {
        analyse(&mut owner, image).await?;
    }
    let each = began.elapsed().as_secs_f64() * 1e3 / JOBS as f64;
    report("compute memory", darkroom.compute.resident_mib()?, "MiB");
    report(
        "compute memory growth over 1000 jobs",
        darkroom.compute.resident_mib()? - before,
        "MiB",
    );
    report("a job of a stored image, mean of 1000", each, "ms");
    Ok(())
}

fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}
