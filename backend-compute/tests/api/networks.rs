//! Networks: their key, their progress, their end.

use std::fs;
use std::time::{Duration, Instant};

use darkroom_api::client::ClientError;
use darkroom_api::compute::{EvaluationKeyRef, Job, State, SubmitJob};
use darkroom_api::header::{HEADER_BYTES, ObjectKind, ParameterSetId, open};
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::problem::ProblemType;
use darkroom_fhe::eval::EvaluationKey;
use darkroom_fhe::params::NETWORK;
use darkroom_fhe::wire::{EncryptedResult, evaluation_key};

use super::images::file_of;
use super::support::key::{PARAMETERS, part, parts};
use super::support::process::Process;
use super::support::{Compute, Owner, World, count, model, random};

/// With a network `net` of so many units beside the linear model.
async fn world(units: usize) -> World {
    let world = World::new().await;
    model::write_network(&world.models().join("net"), units);
    world
}

fn key_bytes() -> u64 {
    EvaluationKey::expected_memory_bytes(NETWORK.id)
}

async fn done(owner: &Owner, compute: &Compute, job: &SubmitJob) -> Job {
    let id = owner.submit(&compute.client, job).await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(ended.state, State::Done, "{ended:?}");
    assert_eq!(count(&ended, State::Done), job.items.len(), "{ended:?}");
    ended
}

#[tokio::test]
async fn a_network_is_computed_with_the_owners_key() {
    let world = world(4).await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let key = owner.evaluation_key().await;
    let job = owner.network_job(&key, 3).await;
    let ended = done(&owner, &compute, &job).await;

    let card = compute.client.model(&job.model).await.unwrap();
    let needed = card.evaluation_key.unwrap();
    assert_eq!((needed.parameters, needed.parts), (PARAMETERS, parts()));
    let payloads = evaluation_key::total_payload_bytes(NETWORK.id).unwrap();
    assert_eq!(
        needed.bytes,
        payloads + u64::from(parts()) * HEADER_BYTES as u64
    );
    assert_eq!((card.bootstraps, card.parameters), (4, ParameterSetId(1)));
    assert!(card.expected_ms > 0.0);
    for item in &ended.items {
        assert_eq!(item.bootstraps_done, 4);
        let object = owner.result(item.result).await;
        assert_eq!(object.len() as u64, card.result_bytes);
        let (header, payload) = open(&object, ObjectKind::Result).unwrap();
        assert_eq!((header.key, header.parameters), (owner.key, PARAMETERS));
        EncryptedResult::from_payload(NETWORK.id, payload).unwrap();
    }
    assert_eq!(compute.figure("bootstraps_total").await, 3 * 4);
    assert_eq!(compute.figure("key_cache_keys").await, 1);
    assert_eq!(compute.figure("key_cache_bytes").await, key_bytes());
    assert_eq!(compute.figure("jobs{state=\"done\"}").await, 1);
}

#[tokio::test]
async fn a_job_without_the_key_that_it_needs_is_not_taken() {
    let world = world(4).await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let parts: Vec<_> = (0..parts()).map(|_| ObjectId(random())).collect();
    let whole = EvaluationKeyRef {
        parameters: PARAMETERS,
        parts,
        grant: "granted".to_owned(),
    };
    let mut short = whole.clone();
    short.parts.pop();
    let mut long = whole.clone();
    long.parts.push(ObjectId(random()));
    let with = |change: fn(&mut EvaluationKeyRef)| {
        let mut key = whole.clone();
        change(&mut key);
        Some(key)
    };
    let cases = [
        ("net", None, ProblemType::EvaluationKeyNeeded),
        (
            "net",
            with(|key| key.parameters = ParameterSetId(1)),
            ProblemType::EvaluationKeyForeign,
        ),
        ("net", Some(short), ProblemType::EvaluationKeyMissing),
        ("net", Some(long), ProblemType::EvaluationKeyMissing),
        (
            "net",
            with(|key| key.grant = "two words".to_owned()),
            ProblemType::MalformedRequest,
        ),
        ("linear", Some(whole.clone()), ProblemType::MalformedRequest),
    ];
    for (model, evaluation_key, expected) in cases {
        let job = SubmitJob {
            model: model.parse().unwrap(),
            evaluation_key,
            ..owner.big_job(1).await
        };
        let refused = compute.client.submit(&owner.compute_token, &job).await;
        let Err(ClientError::Problem(problem)) = refused else {
            panic!("{expected:?}: {refused:?}");
        };
        assert_eq!(problem.kind, expected, "{problem}");
    }
    assert_eq!(compute.client.jobs(&owner.compute_token).await.unwrap(), []);
}

/// What is wrong with a key, and what the job is told.
async fn unfit_keys(
    world: &World,
    owner: &Owner,
    good: &EvaluationKeyRef,
) -> Vec<(EvaluationKeyRef, ProblemType)> {
    let with = async |index: usize, id: ObjectId| {
        let mut parts = good.parts.clone();
        parts[index] = id;
        owner.key_of(parts).await
    };
    let mut narrow = good.clone();
    narrow.grant = owner.grant_of_key(&good.parts[1..], 60_000).await;
    let mut late = good.clone();
    late.grant = owner.grant_of_key(&good.parts, 1).await;
    let mut forged = good.clone();
    forged.grant = "AAAA".to_owned();

    let flipped = owner.put_part(PARAMETERS, owner.key, &part(3)).await;
    let file = file_of(world.storage.data_dir.clone(), flipped).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&file, bytes).unwrap();

    let torn = owner.put_part(PARAMETERS, owner.key, &part(4)).await;
    let file = file_of(world.storage.data_dir.clone(), torn).unwrap();
    fs::write(&file, &fs::read(&file).unwrap()[..100_000]).unwrap();

    let (own, stranger) = (owner.key, KeyId(random()));
    let foreign = owner.put_part(PARAMETERS, stranger, &part(2)).await;
    let other = owner.put_part(ParameterSetId(9), own, &part(2)).await;
    let cut = owner.put_part(PARAMETERS, own, &part(2)[..1000]).await;
    let long = [part(2), vec![0]].concat();
    let long = owner.put_part(PARAMETERS, own, &long).await;
    let junk = owner.put_part(PARAMETERS, own, &random::<64>()).await;
    vec![
        (
            with(24, ObjectId(random())).await,
            ProblemType::EvaluationKeyMissing,
        ),
        (narrow, ProblemType::EvaluationKeyMissing),
        (late, ProblemType::GrantExpired),
        (forged, ProblemType::GrantInvalid),
        (with(3, flipped).await, ProblemType::EvaluationKeyDamaged),
        (with(4, torn).await, ProblemType::EvaluationKeyDamaged),
        (with(2, foreign).await, ProblemType::EvaluationKeyForeign),
        (with(2, other).await, ProblemType::EvaluationKeyForeign),
        (with(2, cut).await, ProblemType::EvaluationKeyDamaged),
        (with(2, long).await, ProblemType::EvaluationKeyDamaged),
        (with(0, junk).await, ProblemType::EvaluationKeyDamaged),
        // The right part in the wrong place.
        (
            with(2, good.parts[1]).await,
            ProblemType::EvaluationKeyDamaged,
        ),
    ]
}

#[tokio::test]
async fn unfit_keys_are_refused_by_name_and_a_fit_one_is_taken_after_them() {
    let world = world(4).await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let good = owner.evaluation_key().await;
    for (number, (key, expected)) in (0..).zip(unfit_keys(&world, &owner, &good).await) {
        let job = owner.network_job(&key, 2).await;
        let id = owner.submit(&compute.client, &job).await;
        let ended = owner.end_of(&compute.client, id).await;
        let problem = ended
            .problem
            .as_ref()
            .unwrap_or_else(|| panic!("{number}: {ended:?}"));
        assert_eq!(
            (ended.state, problem.kind),
            (State::Failed, expected),
            "{number}: {problem}"
        );
        for item in &ended.items {
            assert_eq!(item.problem.as_ref(), Some(problem));
        }
    }
    assert_eq!(compute.figure("key_cache_bytes").await, 0);
    let job = owner.network_job(&good, 1).await;
    done(&owner, &compute, &job).await;
}

#[tokio::test]
async fn ten_jobs_at_once_expand_their_key_once() {
    let world = world(4).await;
    let mut config = world.config();
    config.threads = 2;
    let (compute, owner) = (Compute::start(config).await, world.owner().await);
    let key = owner.evaluation_key().await;
    let mut jobs = Vec::new();
    for _ in 0..10 {
        let job = owner.network_job(&key, 1).await;
        jobs.push(owner.submit(&compute.client, &job).await);
    }
    for id in jobs {
        let ended = owner.end_of(&compute.client, id).await;
        assert_eq!(count(&ended, State::Done), 1, "{ended:?}");
    }
    assert_eq!(compute.figure("key_expansions_total").await, 1);
    let asked = compute.figure("key_cache_hits_total").await
        + compute.figure("key_cache_misses_total").await;
    assert_eq!(asked, 10);
}

#[tokio::test]
async fn more_keys_than_fit_in_memory_take_turns() {
    let world = world(4).await;
    let mut config = world.config();
    config.threads = 2;
    config.key_cache_bytes = 2 * key_bytes() + 1000;
    let compute = Process::start(&config);
    let before = compute.resident_bytes() as u64;
    let mut owners = Vec::new();
    for _ in 0..5 {
        let owner = world.owner().await;
        let key = owner.evaluation_key().await;
        owners.push((owner, key));
    }
    let mut jobs = Vec::new();
    for round in 0..3 {
        for (owner, key) in &owners {
            let job = owner.network_job(key, 1 + round).await;
            jobs.push((owner, owner.submit(&compute.client, &job).await));
        }
    }
    let mut most = 0;
    for (owner, id) in jobs {
        let ended = owner.end_of(&compute.client, id).await;
        assert_eq!(ended.state, State::Done, "{ended:?}");
        assert_eq!(count(&ended, State::Failed), 0, "{ended:?}");
        most = most.max(compute.resident_bytes() as u64);
    }
    let grown = most.saturating_sub(before);
    // Two keys, and what images, requests and the allocator take; a third key would show.
    assert!(
        grown < 3 * key_bytes(),
        "{grown} bytes for keys of {}",
        key_bytes()
    );
}

#[tokio::test]
async fn bootstraps_are_told_and_cancelled_in_the_middle() {
    let world = world(1000).await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let key = owner.evaluation_key().await;
    let job = owner.network_job(&key, 1).await;
    let id = owner.submit(&compute.client, &job).await;
    let mut seen = Vec::new();
    let mut events = compute
        .client
        .events(&owner.compute_token, id)
        .await
        .unwrap();
    while seen.len() < 2 {
        let job = events.next().await.unwrap().unwrap();
        assert!(!job.state.is_final(), "{job:?} after {seen:?}");
        let done = job.items[0].bootstraps_done;
        if seen.last() != Some(&done) && done > 0 {
            seen.push(done);
        }
    }
    assert!(seen.is_sorted() && seen[1] < 1000, "{seen:?}");

    let asked = Instant::now();
    compute
        .client
        .cancel(&owner.compute_token, id)
        .await
        .unwrap();
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(
        (ended.state, ended.items[0].state),
        (State::Cancelled, State::Cancelled)
    );
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(owner.results().await, 0);
    // The threads are free again.
    let bootstraps = compute.figure("bootstraps_total").await;
    assert!(bootstraps < 1000, "{bootstraps}");
    let linear = owner.big_job(1).await;
    done(&owner, &compute, &linear).await;
    assert_eq!(compute.figure("bootstraps_total").await, bootstraps);
}

#[tokio::test]
async fn a_network_whose_process_was_killed_is_done_by_the_next() {
    let world = world(600).await;
    let (config, owner) = (world.config(), world.owner().await);
    let compute = Process::start(&config);
    let key = owner.evaluation_key().await;
    let job = owner.network_job(&key, 1).await;
    let id = owner.submit(&compute.client, &job).await;
    let so = |job: &Job| job.items[0].bootstraps_done > 0;
    let before = owner.until(&compute.client, id, so).await;
    assert_eq!(before.state, State::Running);
    compute.kill();

    let compute = Process::start(&config);
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!((ended.state, ended.attempts), (State::Done, 2));
    assert_eq!(
        (ended.items[0].state, ended.items[0].bootstraps_done),
        (State::Done, 600)
    );
    assert_eq!(owner.results().await, 1);
}

#[tokio::test]
async fn a_stop_finishes_the_image_in_work_and_gives_up_what_waits_for_a_key() {
    let world = world(300).await;
    let mut config = world.config();
    // Room for one key: the second owner waits. And time for an image however busy the machine is.
    config.key_cache_bytes = key_bytes();
    config.drain_ms = 600_000;
    let (compute, one, other) = (
        Compute::start(config).await,
        world.owner().await,
        world.owner().await,
    );
    let keys = [one.evaluation_key().await, other.evaluation_key().await];
    let first = one.network_job(&keys[0], 1).await;
    let first = one.submit(&compute.client, &first).await;
    let so = |job: &Job| job.items[0].bootstraps_done > 0;
    one.until(&compute.client, first, so).await;
    let second = other.network_job(&keys[1], 1).await;
    let second = other.submit(&compute.client, &second).await;
    let so = |job: &Job| job.state == State::Running;
    other.until(&compute.client, second, so).await;
    let queue = world.config();
    compute.stop().await;

    let queue = backend_compute::queue::Queue::open(&queue).await.unwrap();
    let first = queue.find(one.compute_token.hash(), first).await.unwrap();
    assert_eq!((first.state, count(&first, State::Done)), (State::Done, 1));
    let second = queue
        .find(other.compute_token.hash(), second)
        .await
        .unwrap();
    assert_eq!((second.state, second.attempts), (State::Queued, 0));
}
