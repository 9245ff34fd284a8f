//! Networks through the real services.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use darkroom_api::client::Access;
use darkroom_api::compute::{EvaluationKeyCard, EvaluationKeyRef, Job, ModelCard, State};
use darkroom_api::header::{self, ObjectKind};
use darkroom_api::ids::ObjectId;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::evaluation_key::part_id;
use e2e::owner::{Owner, pattern};
use e2e::services::Darkroom;

use crate::{median_ms, report, resident_mib};

const KIND: ObjectKind = ObjectKind::EvaluationKey;
/// Pictures a network, each a job of its own.
const PICTURES: u32 = 9;
const GRANT_MS: u64 = 600_000;

/// All networks of the zoo, with one evaluation key.
pub async fn measure(darkroom: &Darkroom) -> Result<()> {
    let mut owner = Owner::open(darkroom).await?;
    let catalogue = owner.compute.catalogue().await?;
    let networks = catalogue.models.iter();
    let networks: Vec<(&ModelCard, EvaluationKeyCard)> = networks
        .filter_map(|card| Some((card, card.evaluation_key?)))
        .collect();
    let Some((_, key)) = networks.first() else {
        return Ok(());
    };
    let key = store_key(&owner, *key).await?;
    let compute = darkroom.compute.id().context("compute does not run")?;
    let before = resident_mib(compute)?;
    for (place, (card, _)) in networks.iter().enumerate() {
        network(&mut owner, card, &key, place == 0).await?;
    }
    let name = "compute memory growth with one evaluation key";
    report(name, resident_mib(compute)? - before, "MiB");
    Ok(())
}

/// Makes all parts and stores them.
async fn store_key(owner: &Owner, card: EvaluationKeyCard) -> Result<EvaluationKeyRef> {
    let secret = owner.key.evaluation_secret();
    let mut randomness = Randomness::system()?;
    let mut parts = Vec::new();
    for index in 0..card.parts {
        let id = ObjectId(part_id(&owner.key.key_id(), card.parameters.0, index));
        let payload = secret.part(index, &mut randomness)?;
        let object = header::seal(KIND, card.parameters, owner.key_id(), &payload);
        let access = Access::Owner(&owner.vault_token);
        let stored = owner.storage.put(owner.vault, KIND, id, access, object);
        stored.await?;
        parts.push(id);
    }
    let reads = parts.iter().map(|&id| ObjectRef { kind: KIND, id });
    let request = GrantRequest {
        reads: reads.collect(),
        writes: Vec::new(),
        valid_ms: GRANT_MS,
    };
    let grant = owner
        .storage
        .grant(owner.vault, &owner.vault_token, &request);
    Ok(EvaluationKeyRef {
        parameters: card.parameters,
        parts,
        grant: grant.await?.grant,
    })
}

async fn network(
    owner: &mut Owner,
    card: &ModelCard,
    key: &EvaluationKeyRef,
    first: bool,
) -> Result<()> {
    let id = &card.id;
    let mut whole = Vec::new();
    let mut computing = Vec::new();
    for number in 0..=PICTURES {
        let pixels = pattern(number, card.input.width, card.input.height)?;
        let began = Instant::now();
        let image = owner.upload(&pixels).await?;
        let job = analyse(owner, card, key, image).await?;
        owner.answer(job.items[0].result).await?;
        let took = began.elapsed();
        // The first fetches and expands the key.
        if number == 0 {
            if first {
                let name = "first analysis with a network, key expanded";
                report(name, took.as_secs_f64(), "s");
            }
            continue;
        }
        whole.push(took);
        let timings = job.items[0].timings.context("a job without timings")?;
        computing.push(Duration::from_secs_f64(timings.compute_ms / 1e3));
    }
    let name = format!("{id}, analyse through the real services");
    report(&name, median_ms(&mut whole) / 1e3, "s");
    let name = format!("{id}, of it in compute");
    report(&name, median_ms(&mut computing) / 1e3, "s");
    Ok(())
}

/// One job of one picture.
async fn analyse(
    owner: &mut Owner,
    card: &ModelCard,
    key: &EvaluationKeyRef,
    image: ObjectId,
) -> Result<Job> {
    let items = owner.items(&[image]);
    let grant = owner.grant(&items, GRANT_MS).await?;
    let mut job = owner.job(card.id.as_str(), items, &grant)?;
    job.evaluation_key = Some(key.clone());
    let job = owner.compute.submit(&owner.compute_token, &job).await?;
    let job = owner.finished(job.id).await?;
    ensure!(job.state == State::Done, "{job:?}");
    let item = job.items.first().context("a job without images")?;
    ensure!(item.state == State::Done, "{job:?}");
    Ok(job)
}
