//! Networks through the real services.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use darkroom_api::compute::{ModelCard, State};
use e2e::evaluation_key::make_key;
use e2e::owner::{Owner, pattern};
use e2e::services::Darkroom;

use crate::{median_ms, report};

/// Pictures a network, each a job of its own.
const PICTURES: u32 = 9;

/// All networks of the zoo, with one evaluation key.
pub async fn measure(darkroom: &Darkroom) -> Result<()> {
    let mut owner = Owner::open(darkroom).await?;
    let mut networks = owner.compute.catalogue().await?.models;
    networks.retain(|card| card.evaluation_key.is_some());
    owner.send_key(&make_key(&owner.key)?).await?;
    let before = darkroom.compute.resident_mib()?;
    for (place, card) in networks.iter().enumerate() {
        network(&mut owner, card, place == 0).await?;
    }
    let name = "compute memory growth with one evaluation key";
    report(name, darkroom.compute.resident_mib()? - before, "MiB");
    Ok(())
}

async fn network(owner: &mut Owner, card: &ModelCard, first: bool) -> Result<()> {
    let (mut whole, mut computing) = (Vec::new(), Vec::new());
    for number in 0..=PICTURES {
        let (took, compute_ms) = picture(owner, card, number).await?;
        // The first of all fetches and expands the key.
        if number > 0 {
            whole.push(took);
            computing.push(Duration::from_secs_f64(compute_ms / 1e3));
        } else if first {
            let name = "first analysis with a network, its key expanded";
            report(name, took.as_secs_f64(), "s");
        }
    }
    let name = format!("{}, analyse through the real services", card.id);
    report(&name, median_ms(&mut whole) / 1e3, "s");
    let name = format!("{}, of it in compute", card.id);
    report(&name, median_ms(&mut computing) / 1e3, "s");
    Ok(())
}

/// Encrypts a picture, has it analysed, reads the answer; also how long compute evaluated it.
async fn picture(owner: &mut Owner, card: &ModelCard, number: u32) -> Result<(Duration, f64)> {
    let pixels = pattern(number, card.input.width, card.input.height)?;
    let began = Instant::now();
    let image = owner.upload(&pixels).await?;
    let images = [image];
    let submitted = owner.submit_to_network(card.id.as_str(), &images);
    let job = submitted.await?.id;
    let job = owner.finished(job).await?;
    ensure!(job.state == State::Done, "{job:?}");
    let item = job.items.first().context("a job without images")?;
    let timings = item.timings.context("an image without timings")?;
    owner.answer(item.result).await?;
    Ok((began.elapsed(), timings.compute_ms))
}
