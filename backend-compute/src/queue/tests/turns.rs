//! Whose turn it is.

use super::*;

on_both![
    vaults_take_turns_by_the_work_that_they_ask_for,
    what_was_cancelled_while_it_waited_costs_no_turn,
    idle_vaults_are_told_from_busy_ones,
];

fn of(vault: u8, images: usize) -> SubmitJob {
    SubmitJob {
        vault: VaultId([vault; 16]),
        ..job(images)
    }
}

/// The vaults of the jobs in the order in which they are claimed and done.
async fn order(queue: &Queue, count: usize) -> Vec<u8> {
    let mut vaults = Vec::new();
    while vaults.len() < count {
        let Some(claimed) = queue.claim(Claimable::Any).await.unwrap() else {
            break;
        };
        vaults.push(claimed.vault.0[0]);
        let progress = vec![Progress::done(TIMINGS, 0); claimed.items.len()];
        assert!(queue.end(&claimed, &End::Done, &progress).await.unwrap());
    }
    vaults
}

async fn vaults_take_turns_by_the_work_that_they_ask_for(place: &Place) {
    let queue = place.open().await;
    let push = async |vault, work_ms| {
        queue
            .push(owner(1), &of(vault, 1), "digest", work_ms)
            .await
            .unwrap();
    };
    for _ in 0..20 {
        push(1, 1000).await;
    }
    for _ in 0..4 {
        push(2, 1000).await;
    }
    assert_eq!(
        order(&queue, 6)
            .await
            .iter()
            .filter(|vault| **vault == 2)
            .count(),
        3
    );

    // Who comes late is not behind all that others have queued, nor before his time.
    push(3, 1000).await;
    push(3, 1000).await;
    let late = order(&queue, 6).await;
    assert_eq!(
        late.iter().filter(|vault| **vault == 3).count(),
        2,
        "{late:?}"
    );

    // Half the work, twice the turns.
    for _ in 0..8 {
        push(4, 500).await;
    }
    let light = order(&queue, 6).await;
    assert!(
        light.iter().filter(|vault| **vault == 4).count() >= 4,
        "{light:?}"
    );
    assert_eq!(order(&queue, 100).await.len(), 34 - 18);
}

async fn what_was_cancelled_while_it_waited_costs_no_turn(place: &Place) {
    let queue = place.open().await;
    let push = async |vault| match queue.push(owner(1), &of(vault, 1), "digest", 1000).await {
        Ok(Pushed::New(job)) => job.id,
        other => panic!("{other:?}"),
    };
    for _ in 0..3 {
        push(1).await;
    }
    for _ in 0..50 {
        let id = push(2).await;
        queue.cancel(owner(1), id).await.unwrap();
    }
    push(2).await;
    assert!(order(&queue, 2).await.contains(&2));
}

async fn idle_vaults_are_told_from_busy_ones(place: &Place) {
    let queue = place.open().await;
    for vault in [1, 1, 2, 2] {
        queue
            .push(owner(1), &of(vault, 1), "digest", 1000)
            .await
            .unwrap();
    }
    let first = queue.claim(Claimable::Any).await.unwrap().unwrap();
    let second = queue.claim(Claimable::OfIdleVaults).await.unwrap().unwrap();
    assert_ne!(first.vault, second.vault);
    assert!(
        queue
            .claim(Claimable::OfIdleVaults)
            .await
            .unwrap()
            .is_none()
    );
    // A worker that died does not keep its vault busy.
    end_lease(&queue, first.id).await;
    let again = queue.claim(Claimable::OfIdleVaults).await.unwrap().unwrap();
    assert_eq!(again.vault, first.vault);
    assert!(queue.claim(Claimable::Any).await.unwrap().is_some());
}
