//! Vaults beside each other: none waits for all that another has queued.

use darkroom_api::compute::State;

use super::support::{World, count, model};

#[tokio::test]
async fn one_image_does_not_wait_for_anothers_hundreds() {
    let world = World::new().await;
    model::write_network(&world.models().join("net"), 40);
    let (compute, many, few) = (
        world.compute().await,
        world.owner().await,
        world.owner().await,
    );
    let keys = [many.evaluation_key().await, few.evaluation_key().await];
    // More jobs than compute has in work at once.
    let mut long = Vec::new();
    for _ in 0..6 {
        let job = many.network_job(&keys[0], 60).await;
        long.push(many.submit(&compute.client, &job).await);
    }
    let begun = |job: &darkroom_api::compute::Job| count(job, State::Done) > 0;
    many.until(&compute.client, long[0], begun).await;

    let token = &many.compute_token;
    let images_done = async || {
        let jobs = compute.client.jobs(token).await.unwrap();
        jobs.iter()
            .map(|job| count(job, State::Done))
            .sum::<usize>()
    };
    // The first time the key is expanded, a few parts in each of the vault's turns.
    for between_max in [30, 10, 10] {
        let before = images_done().await;
        let job = few.network_job(&keys[1], 1).await;
        let id = few.submit(&compute.client, &job).await;
        let ended = few.end_of(&compute.client, id).await;
        assert_eq!(count(&ended, State::Done), 1, "{ended:?}");
        let between = images_done().await - before;
        assert!(
            between < between_max,
            "{between} images of another's were done before"
        );
    }
    for id in long {
        compute.client.cancel(token, id).await.unwrap();
        many.end_of(&compute.client, id).await;
    }
}
