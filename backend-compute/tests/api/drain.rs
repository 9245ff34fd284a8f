//! Stopping on request.

use std::net::TcpListener;

use backend_compute::queue::Queue;
use darkroom_api::compute::State;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;

use super::support::{Compute, World, count};

#[tokio::test]
async fn running_images_are_finished_and_the_rest_given_back() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let job = owner.big_job(256).await;
    let id = owner.submit(&compute.client, &job).await;
    owner
        .until(&compute.client, id, |job| count(job, State::Done) > 0)
        .await;
    compute.stop().await;

    let queue = Queue::open(&world.config()).await.unwrap();
    let left = queue.find(owner.compute_token.hash(), id).await.unwrap();
    assert_eq!((left.state, left.attempts), (State::Queued, 0));
    let done = count(&left, State::Done);
    assert_eq!(done + count(&left, State::Queued), 256);
    assert_eq!(owner.results().await, done);
}

#[tokio::test]
async fn a_draining_service_takes_no_jobs_and_waits_no_longer_than_told() {
    let world = World::new().await;
    let owner = world.owner().await;
    let (job, late) = (owner.big_job(1).await, owner.big_job(1).await);
    // A storage that takes requests and never answers holds the image up.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = world.config();
    config.storage_url = format!("http://{}", silent.local_addr().unwrap());
    config.drain_ms = 1500;
    let compute = Compute::start(config.clone()).await;
    let id = owner.submit(&compute.client, &job).await;
    owner
        .until(&compute.client, id, |job| job.state == State::Running)
        .await;
    let (_held, _) = silent.accept().unwrap();

    let mut events = compute
        .client
        .events(&owner.compute_token, id)
        .await
        .unwrap();
    compute.handle.stop();
    let ready = format!("{}{}", compute.base, routes::READY);
    while reqwest::get(&ready).await.unwrap().status() != 503 {}
    let refused = compute
        .client
        .submit(&owner.compute_token, &late)
        .await
        .unwrap_err();
    assert_eq!(refused.problem().unwrap().kind, ProblemType::ShuttingDown);
    // Those who wait are still told.
    let mut last = events.next().await.unwrap().unwrap();
    while let Ok(Some(job)) = events.next().await {
        last = job;
    }
    assert_eq!((last.state, last.attempts), (State::Queued, 0));
    compute.task.await.unwrap().unwrap();
}
