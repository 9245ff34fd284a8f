//! Server-sent events.

use darkroom_api::compute::State;
use darkroom_api::routes;
use futures_util::StreamExt;

use super::support::{Compute, World, count};

#[tokio::test]
async fn the_present_state_comes_first_and_the_end_last() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let job = owner.big_job(64).await;
    let id = owner.submit(&compute.client, &job).await;
    let mut events = compute
        .client
        .events(&owner.compute_token, id)
        .await
        .unwrap();
    let mut seen = Vec::new();
    while let Some(job) = events.next().await.unwrap() {
        seen.push(job);
    }
    let done: Vec<_> = seen.iter().map(|job| count(job, State::Done)).collect();
    assert!(done.is_sorted(), "{done:?}");
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(done.last(), Some(&64));
    assert_eq!(seen.iter().filter(|job| job.state.is_final()).count(), 1);

    // Who comes late is told the end and sent away.
    let mut late = compute
        .client
        .events(&owner.compute_token, id)
        .await
        .unwrap();
    assert_eq!(late.next().await.unwrap().as_ref(), seen.last());
    assert_eq!(late.next().await.unwrap(), None);
}

#[tokio::test]
async fn silence_is_kept_alive() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let job = owner.big_job(1).await;
    world.storage.stop().await;
    let mut config = world.config();
    config.limits.keep_alive_ms = 100;
    let compute = Compute::start(config).await;
    let id = owner.submit(&compute.client, &job).await;
    let answer = reqwest::Client::new()
        .get(format!("{}{}", compute.base, routes::job_events(id)))
        .header("Authorization", owner.compute_token.authorization())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let (mut text, mut chunks) = (String::new(), answer.bytes_stream());
    while text.matches(": still here\n\n").count() < 2 {
        let chunk = chunks.next().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.starts_with("event: job\ndata: {"), "{text}");
}

#[tokio::test]
async fn a_stop_of_the_service_ends_the_stream() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let job = owner.big_job(1).await;
    world.storage.stop().await;
    let compute = world.compute().await;
    let id = owner.submit(&compute.client, &job).await;
    let mut events = compute
        .client
        .events(&owner.compute_token, id)
        .await
        .unwrap();
    let mut last = events.next().await.unwrap().unwrap();
    compute.stop().await;
    while let Ok(Some(job)) = events.next().await {
        last = job;
    }
    assert!(!last.state.is_final());
}
