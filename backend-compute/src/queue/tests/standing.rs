//! What whoever runs the service is told of the queue, and of where a job came from.

use std::time::Duration;

use darkroom_telemetry::{RequestId, TraceParent};

use super::*;

on_both![
    a_standing_counts_jobs_work_and_nodes,
    a_job_keeps_the_request_that_it_came_with,
];

async fn a_standing_counts_jobs_work_and_nodes(place: &Place) {
    let (queue, other) = (place.open().await, place.open().await);
    assert_eq!(queue.look().await.unwrap().jobs, []);
    for _ in 0..3 {
        queue.push(owner(1), &job(1), "digest", 1500).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let waiting = queue.look().await.unwrap();
    assert_eq!(waiting.jobs, [(State::Queued, 3)]);
    assert_eq!(waiting.waiting_work_ms, 4500);
    assert!(
        (20..60_000).contains(&waiting.oldest_waiting_ms),
        "{waiting:?}"
    );

    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert!((20..60_000).contains(&claimed.age_ms), "{claimed:?}");
    let mut left = queue.look().await.unwrap();
    left.jobs.sort_by_key(|(state, _)| state.name());
    assert_eq!(left.jobs, [(State::Queued, 2), (State::Running, 1)]);
    assert_eq!(left.waiting_work_ms, 3000);

    for node in [&queue, &other] {
        let model = Holding::Model("digest".to_owned());
        node.hold([model]).await.unwrap();
    }
    let nodes = if queue.is_shared() { 2 } else { 1 };
    assert_eq!(queue.look().await.unwrap().nodes, nodes);
    let told = queue.standing().await.unwrap();
    queue.push(owner(1), &job(1), "digest", 1500).await.unwrap();
    // Unless this machine slept for a second just now.
    let again = queue.standing().await.unwrap();
    assert!(again == told || again.jobs.contains(&(State::Queued, 3)));
}

async fn a_job_keeps_the_request_that_it_came_with(place: &Place) {
    let queue = place.open().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let origin = Origin {
        request: RequestId::draw(),
        traceparent: TraceParent::parse(parent),
    };
    let asked = job(1);
    let push = queue.push(owner(1), &asked, "digest", 1000);
    origin.clone().scope(push).await.unwrap();
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(claimed.origin, origin);
}
