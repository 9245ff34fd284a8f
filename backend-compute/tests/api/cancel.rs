//! Cancelling: queued, running, ended.

use darkroom_api::compute::State;

use super::support::{World, count};

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_a_running_one_soon() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(owner.big_job(2).await);
    }
    // One thread holds two jobs; both wait for storage, the third for its turn.
    world.storage.stop().await;
    let compute = world.compute().await;
    let mut ids = Vec::new();
    for job in &jobs[..2] {
        let id = owner.submit(&compute.client, job).await;
        owner
            .until(&compute.client, id, |job| job.state == State::Running)
            .await;
        ids.push(id);
    }
    let waiting = owner.submit(&compute.client, &jobs[2]).await;
    let token = &owner.compute_token;
    let cancelled = compute.client.cancel(token, waiting).await.unwrap();
    assert_eq!((cancelled.state, cancelled.attempts), (State::Cancelled, 0));
    assert_eq!(count(&cancelled, State::Cancelled), 2);
    assert!(cancelled.finished_ms.is_some());

    for id in ids {
        let asked = compute.client.cancel(token, id).await.unwrap();
        assert!(matches!(asked.state, State::Running | State::Cancelled));
        let ended = owner.end_of(&compute.client, id).await;
        assert_eq!(
            (ended.state, count(&ended, State::Cancelled)),
            (State::Cancelled, 2)
        );
        // Once more changes nothing.
        assert_eq!(compute.client.cancel(token, id).await.unwrap(), ended);
    }
    world.storage.start_again().await;
    assert_eq!(owner.results().await, 0);
}

#[tokio::test]
async fn what_was_done_before_the_cancellation_stays() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let job = owner.big_job(256).await;
    let id = owner.submit(&compute.client, &job).await;
    owner
        .until(&compute.client, id, |job| count(job, State::Done) > 0)
        .await;
    compute
        .client
        .cancel(&owner.compute_token, id)
        .await
        .unwrap();
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(
        (ended.state, ended.problem.clone()),
        (State::Cancelled, None)
    );
    let done = count(&ended, State::Done);
    assert_eq!(done + count(&ended, State::Cancelled), 256);
    // Done means stored, cancelled means not.
    assert_eq!(owner.results().await, done);
}
