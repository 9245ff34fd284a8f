//! Workers that live and die, and what becomes of their jobs.

use std::sync::Arc;

use super::*;

on_both![
    a_lease_that_is_over_goes_to_another_and_is_lost_to_the_first,
    what_has_no_attempts_left_is_buried_and_not_claimed,
    released_jobs_are_due_at_once_and_postponed_ones_later,
    three_hundred_jobs_are_each_claimed_once,
];

async fn a_lease_that_is_over_goes_to_another_and_is_lost_to_the_first(place: &Place) {
    let queue = place.open().await;
    push(&queue, &job(2)).await;
    let first = queue.claim(Claimable::Any).await.unwrap().unwrap();
    let progress = [Progress::done(TIMINGS, 7), Progress::RUNNING];
    queue
        .renew(first.id, &first.lease, &progress)
        .await
        .unwrap();
    end_lease(&queue, first.id).await;

    let second = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 2));
    assert!(second.begun_before);
    assert_eq!(
        second.progress,
        [Progress::done(TIMINGS, 7), Progress::QUEUED]
    );
    let renewed = queue
        .renew(first.id, &first.lease, &progress)
        .await
        .unwrap();
    assert_eq!(renewed, Renewed::Lost);
    assert!(!queue.end(&first, &End::Done, &progress).await.unwrap());
    let renewed = queue
        .renew(second.id, &second.lease, &progress)
        .await
        .unwrap();
    assert_eq!(renewed, Renewed::Held);
}

async fn what_has_no_attempts_left_is_buried_and_not_claimed(place: &Place) {
    let queue = place.open().await;
    let id = push(&queue, &job(2)).await.id;
    for attempt in 1..=3 {
        assert_eq!(queue.bury().await.unwrap(), []);
        if attempt == 3 {
            let others = queue.claim_but_last(Claimable::Any).await.unwrap();
            assert!(others.is_none());
        }
        let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
        assert_eq!((claimed.attempts, claimed.attempts_max), (attempt, 3));
        assert_eq!(claimed.is_at_stake(), attempt == 3);
        let progress = [Progress::done(TIMINGS, 7), Progress::RUNNING];
        queue.renew(id, &claimed.lease, &progress).await.unwrap();
        end_lease(&queue, id).await;
    }
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());
    assert_eq!(queue.bury().await.unwrap().len(), 1);
    let buried = queue.find(owner(1), id).await.unwrap();
    let problem = buried.problem.unwrap();
    assert_eq!(
        (buried.state, problem.kind),
        (State::Failed, ProblemType::AttemptsExhausted)
    );
    assert_eq!(
        (buried.items[0].state, &buried.items[0].problem),
        (State::Done, &None)
    );
    assert_eq!(buried.items[1].problem.as_ref(), Some(&problem));
    assert_eq!(grant_in_row(&queue, id).await, None);
}

async fn released_jobs_are_due_at_once_and_postponed_ones_later(place: &Place) {
    let queue = place.open().await;
    push(&queue, &job(1)).await;
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert!(!claimed.begun_before);
    assert!(
        queue
            .end(&claimed, &End::Released, &[Progress::QUEUED])
            .await
            .unwrap()
    );
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!((claimed.attempts, claimed.begun_before), (1, true));
    assert_eq!(claimed.grant.0, "a-grant-of-storage");
    assert!(
        queue
            .end(&claimed, &End::Postponed, &[Progress::QUEUED])
            .await
            .unwrap()
    );
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());
    let waiting = queue.find(owner(1), claimed.id).await.unwrap();
    assert_eq!((waiting.state, waiting.attempts), (State::Queued, 1));
    write(&queue, sqlx::query("UPDATE jobs SET run_at_ms = 1")).await;
    assert_eq!(
        queue.claim(Claimable::Any).await.unwrap().unwrap().attempts,
        2
    );
}

#[tokio::test]
async fn the_leases_of_a_dead_process_end_and_those_of_a_living_one_do_not() {
    let place = Place::sqlite();
    let first = place.open().await;
    push(&first, &job(1)).await;
    let claimed = first.claim(Claimable::Any).await.unwrap().unwrap();
    // `first` lives: what opens the same file waits for the lease.
    let second = place.open().await;
    assert!(second.claim(Claimable::Any).await.unwrap().is_none());
    drop((first, second));
    let third = place.open().await;
    let again = third.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (claimed.id, 2));
}

#[tokio::test]
async fn nobody_is_proven_dead_by_being_alone_with_postgresql() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let first = place.open().await;
    push(&first, &job(1)).await;
    let claimed = first.claim(Claimable::Any).await.unwrap().unwrap();
    drop(first);
    let second = place.open().await;
    assert!(second.claim(Claimable::Any).await.unwrap().is_none());
    end_lease(&second, claimed.id).await;
    let again = second.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (claimed.id, 2));
}

async fn three_hundred_jobs_are_each_claimed_once(place: &Place) {
    let queues = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let mut pushed = HashSet::new();
    for number in 0..300 {
        pushed.insert(push(&queues[number % 2], &job(1)).await.id);
    }
    let work = |queue: Arc<Queue>| async move {
        let mut claimed = Vec::new();
        while let Some(job) = queue.claim(Claimable::Any).await.unwrap() {
            assert!(
                queue
                    .end(&job, &End::Done, &[Progress::done(TIMINGS, 7)])
                    .await
                    .unwrap()
            );
            claimed.push(job.id);
        }
        claimed
    };
    let workers: Vec<_> = (0..4)
        .map(|number| tokio::spawn(work(Arc::clone(&queues[number % 2]))))
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), 300);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), pushed);
}
