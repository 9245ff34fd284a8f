//! A clock that jumps, as it looks from the rows: they are hours ahead or behind.

use super::*;

on_both![
    nothing_waits_for_hours_when_the_clock_is_set_back,
    a_leap_ahead_costs_an_attempt_and_no_result,
];

const HOURS_MS: i64 = 5 * 3600 * 1000;

async fn shift(queue: &Queue, by_ms: i64) {
    let sql = "UPDATE jobs SET run_at_ms = run_at_ms + $1, lease_until_ms = lease_until_ms + $1";
    write(queue, sqlx::query(sql).bind(by_ms)).await;
}

async fn nothing_waits_for_hours_when_the_clock_is_set_back(place: &Place) {
    let queue = place.open().await;
    let running = push(&queue, &job(1)).await.id;
    let dead = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(dead.id, running);
    let waiting = push(&queue, &job(1)).await.id;
    assert_eq!(queue.pull_back().await.unwrap(), 0);
    shift(&queue, HOURS_MS).await;
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());
    assert_eq!(queue.pull_back().await.unwrap(), 2);
    assert_eq!(queue.pull_back().await.unwrap(), 0);
    let next = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(next.id, waiting);
    // Whoever lives keeps its lease; of a dead one it ends in time.
    let held = queue.renew(dead.id, &dead.lease, &[Progress::RUNNING]);
    assert_eq!(held.await.unwrap(), Renewed::Held);
    end_lease(&queue, dead.id).await;
    let taken = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.attempts), (running, 2));
}

async fn a_leap_ahead_costs_an_attempt_and_no_result(place: &Place) {
    let queue = place.open().await;
    push(&queue, &job(1)).await;
    let first = queue.claim(Claimable::Any).await.unwrap().unwrap();
    shift(&queue, -HOURS_MS).await;
    // Whoever renews first has it.
    let held = queue.renew(first.id, &first.lease, &[Progress::RUNNING]);
    assert_eq!(held.await.unwrap(), Renewed::Held);
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());
    shift(&queue, -HOURS_MS).await;
    let second = queue.claim(Claimable::Any).await.unwrap().unwrap();
    let done = [Progress::done(TIMINGS, 7)];
    assert!(!queue.end(&first, &End::Done, &done).await.unwrap());
    assert!(queue.end(&second, &End::Done, &done).await.unwrap());
    let job = queue.find(owner(1), first.id).await.unwrap();
    assert_eq!((job.state, second.attempts), (State::Done, 2));
}
