//! Storage that goes away and comes back, or does not.

use std::net::TcpListener;

use backend_compute::queue::{Lease, Progress, Queue, Renewed};
use darkroom_api::compute::State;
use darkroom_api::problem::ProblemType;

use super::support::{Compute, World, count};

#[tokio::test]
async fn a_job_waits_for_a_storage_that_is_away_at_submit() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let job = owner.big_job(3).await;
    world.storage.stop().await;
    let compute = world.compute().await;
    let id = owner.submit(&compute.client, &job).await;
    owner
        .until(&compute.client, id, |job| job.state == State::Running)
        .await;
    world.storage.start_again().await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!((ended.state, ended.attempts), (State::Done, 1));
    assert_eq!((count(&ended, State::Done), owner.results().await), (3, 3));
}

#[tokio::test]
async fn an_outage_in_the_middle_loses_and_repeats_nothing() {
    let mut world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let job = owner.big_job(256).await;
    let id = owner.submit(&compute.client, &job).await;
    let before = owner
        .until(&compute.client, id, |job| count(job, State::Done) > 0)
        .await;
    world.storage.stop().await;
    let during = compute.client.job(&owner.compute_token, id).await.unwrap();
    assert_eq!(during.state, State::Running);
    world.storage.start_again().await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(
        (ended.attempts, count(&ended, State::Done)),
        (1, 256),
        "{ended:?}"
    );
    for (before, after) in before.items.iter().zip(&ended.items) {
        assert!(before.state != State::Done || before == after);
    }
}

#[tokio::test]
async fn without_patience_the_job_goes_back_and_is_tried_again() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let job = owner.big_job(2).await;
    world.storage.stop().await;
    let mut config = world.config();
    config.storage.patience_ms = 0;
    config.queue.retry_pause_ms = 200;
    config.queue.attempts_max = 1000;
    let compute = Compute::start(config).await;
    let id = owner.submit(&compute.client, &job).await;
    // Given back, and begun again: each attempt meets a closed port at once.
    owner
        .until(&compute.client, id, |job| job.attempts >= 2)
        .await;
    world.storage.start_again().await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!((ended.state, count(&ended, State::Done)), (State::Done, 2));
}

#[tokio::test]
async fn a_storage_that_stays_away_fails_the_job_after_its_attempts() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let job = owner.big_job(2).await;
    world.storage.stop().await;
    let mut config = world.config();
    config.storage.patience_ms = 0;
    config.queue.retry_pause_ms = 10;
    config.queue.poll_ms = 10;
    let compute = Compute::start(config).await;
    let id = owner.submit(&compute.client, &job).await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!((ended.state, ended.attempts), (State::Failed, 3));
    let problem = ended.problem.as_ref().unwrap();
    assert_eq!(problem.kind, ProblemType::StorageUnavailable);
    // Where storage is, is nobody's business.
    assert!(!problem.detail.contains("127.0.0.1"), "{problem}");
    assert_eq!(count(&ended, State::Failed), 2);
}

#[tokio::test]
async fn something_else_at_storages_address_is_an_outage() {
    let world = World::new().await;
    let owner = world.owner().await;
    let job = owner.big_job(1).await;
    // Answers whatever is asked with what no storage says.
    let impostor = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = world.config();
    config.storage_url = format!("http://{}", impostor.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in impostor.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
        }
    });
    config.storage.patience_ms = 0;
    config.queue.attempts_max = 1;
    let compute = Compute::start(config).await;
    let id = owner.submit(&compute.client, &job).await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(ended.problem.unwrap().kind, ProblemType::StorageUnavailable);
}

#[tokio::test]
async fn who_loses_the_lease_writes_nothing_more() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let jobs = [
        owner.big_job(1).await,
        owner.big_job(1).await,
        owner.big_job(1).await,
    ];
    world.storage.stop().await;
    let mut config = world.config();
    config.queue.lease_ms = 400;
    let compute = Compute::start(config.clone()).await;
    let mut ids = Vec::new();
    for job in &jobs[..2] {
        let id = owner.submit(&compute.client, job).await;
        owner
            .until(&compute.client, id, |job| job.state == State::Running)
            .await;
        ids.push(id);
    }
    // As if it had slept past its leases, and another worker had taken both jobs over.
    let url = format!("sqlite://{}", world.database_file().display());
    let database = sqlx::AnyPool::connect(&url).await.unwrap();
    let steal = "UPDATE jobs SET lease_token = 'stolen',
        lease_until_ms = lease_until_ms + 3600000, attempts = 2 WHERE state = 'running'";
    let stolen = sqlx::query(steal)
        .execute(&database)
        .await
        .unwrap()
        .rows_affected();
    assert_eq!(stolen, 2);

    // There is room for two jobs, so a third runs when the first two were let go of.
    let third = owner.submit(&compute.client, &jobs[2]).await;
    owner
        .until(&compute.client, third, |job| job.state == State::Running)
        .await;
    world.storage.start_again().await;
    assert_eq!(
        owner.end_of(&compute.client, third).await.state,
        State::Done
    );
    assert_eq!(owner.results().await, 1);
    let queue = Queue::open(&config).await.unwrap();
    for id in ids {
        let job = compute.client.job(&owner.compute_token, id).await.unwrap();
        assert_eq!((job.state, job.attempts), (State::Running, 2));
        let held = Lease::of("stolen");
        let renewed = queue.renew(id, &held, &[Progress::QUEUED]).await.unwrap();
        assert_eq!(renewed, Renewed::Held);
    }
}
