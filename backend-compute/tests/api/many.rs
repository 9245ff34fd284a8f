//! Many jobs.

use std::collections::HashSet;

use darkroom_api::compute::State;
use darkroom_api::token::Token;

use super::support::process::Process;
use super::support::{Compute, World, random};

#[tokio::test]
async fn three_hundred_jobs_at_once_are_each_done_once_by_two_services() {
    let world = World::new().await;
    let mut config = world.config();
    config.limits.jobs_per_owner = 300;
    let services = [
        Compute::start(config.clone()).await,
        Compute::start(config).await,
    ];
    let mut owner = world.owner().await;
    let image = owner.image().await;
    let (mut submitted, mut tokens) = (HashSet::new(), Vec::new());
    for number in 0..300 {
        if number % 100 == 0 {
            owner.compute_token = Token::new(random());
            tokens.push(owner.compute_token.clone());
        }
        let job = owner.job(&[image]).await;
        submitted.insert(owner.submit(&services[number % 2].client, &job).await);
    }
    let mut ended = HashSet::new();
    for token in tokens {
        owner.compute_token = token;
        for job in services[0].client.jobs(&owner.compute_token).await.unwrap() {
            let job = owner.end_of(&services[1].client, job.id).await;
            assert_eq!((job.state, job.attempts), (State::Done, 1));
            ended.insert(job.id);
        }
    }
    assert_eq!(ended, submitted);
    assert_eq!(owner.results().await, 300);
    for service in services {
        service.stop().await;
    }
}

/// Prints jobs a second and memory. `cargo test -p backend-compute -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn memory_stays_flat_over_a_thousand_jobs() {
    let world = World::new().await;
    let mut config = world.config();
    config.limits.jobs_per_owner = 2000;
    config.threads = 0;
    let compute = Process::start(&config);
    let owner = world.owner().await;
    let image = owner.image().await;
    let mut resident = Vec::new();
    for round in 0..6 {
        let mut jobs = Vec::new();
        for _ in 0..200 {
            jobs.push(owner.job(&[image]).await);
        }
        let begun = std::time::Instant::now();
        let mut last = None;
        for job in &jobs {
            last = Some(owner.submit(&compute.client, job).await);
        }
        let ended = owner.end_of(&compute.client, last.unwrap()).await;
        let rate = 200.0 / begun.elapsed().as_secs_f64();
        resident.push(compute.resident_bytes());
        println!(
            "round {round}: {rate:.0} jobs/s, {} KiB resident, last job {:?}",
            resident[round] / 1024,
            ended.items[0].timings
        );
    }
    let grown = resident[5].saturating_sub(resident[0]);
    assert!(
        grown < 4 << 20,
        "grew by {grown} bytes over 1000 jobs: {resident:?}"
    );
}
