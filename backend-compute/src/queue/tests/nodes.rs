//! Several processes on one queue.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::*;

on_both![
    one_request_at_two_nodes_is_one_job,
    vaults_take_turns_over_all_nodes,
    a_job_is_left_to_who_has_its_key_for_a_moment_only,
    a_key_brings_a_turn_forward_by_a_bounded_time,
    a_job_goes_to_who_has_its_model_while_anybody_has,
];

/// A job of a vault, with an evaluation key.
fn keyed(vault: u8) -> SubmitJob {
    SubmitJob {
        vault: VaultId([vault; 16]),
        evaluation_key: Some(EvaluationKeyRef {
            parameters: ParameterSetId(2),
            parts: vec![ObjectId([4; 16])],
            grant: "a-grant-for-the-key".to_owned(),
        }),
        ..job(1)
    }
}

async fn one_request_at_two_nodes_is_one_job(place: &Place) {
    let nodes = [
        Arc::new(place.open().await),
        Arc::new(place.open().await),
        Arc::new(place.open().await),
    ];
    for _ in 0..20 {
        let asked = job(1);
        let submit = |node: &Arc<Queue>| {
            let (node, asked) = (Arc::clone(node), asked.clone());
            tokio::spawn(async move { node.push(owner(1), &asked, "digest", 1000).await })
        };
        let (mut ids, mut new) = (HashSet::new(), 0);
        for pushed in nodes.each_ref().map(submit) {
            let job = match pushed.await.unwrap().unwrap() {
                Pushed::New(job) => {
                    new += 1;
                    job
                }
                Pushed::Known(job) => job,
            };
            ids.insert(job.id);
        }
        assert_eq!((ids.len(), new), (1, 1));
    }
}

#[tokio::test]
async fn limits_and_turns_hold_when_all_nodes_submit_at_once() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let few = |config: &mut Config| config.limits.jobs_per_owner = 10;
        nodes.push(Arc::new(place.open_with(few).await));
    }
    let submits: Vec<_> = (0..40)
        .map(|number| {
            let node = Arc::clone(&nodes[number % 4]);
            tokio::spawn(async move { node.push(owner(1), &job(1), "digest", 1000).await })
        })
        .collect();
    let mut taken = 0;
    for submit in submits {
        match submit.await.unwrap() {
            Ok(pushed) => {
                assert!(matches!(pushed, Pushed::New(_)));
                taken += 1;
            }
            Err(error) => assert!(matches!(error, Error::TooManyJobs { .. }), "{error}"),
        }
    }
    assert_eq!(taken, 10);
    // Each turn begins where the one before it ends.
    let sql = "SELECT COUNT(DISTINCT turn), MAX(turn_end) FROM jobs";
    let rows = write(&nodes[0], sqlx::query(sql)).await;
    let (turns, end): (i64, i64) = (rows[0].try_get(0).unwrap(), rows[0].try_get(1).unwrap());
    assert_eq!((turns, end), (10, 10_000));
}

async fn vaults_take_turns_over_all_nodes(place: &Place) {
    let nodes = [place.open().await, place.open().await];
    for (vault, jobs) in [(1, 20), (2, 4)] {
        for number in 0..jobs {
            let job = SubmitJob {
                vault: VaultId([vault; 16]),
                ..job(1)
            };
            let node = &nodes[number % 2];
            node.push(owner(1), &job, "digest", 1000).await.unwrap();
        }
    }
    let mut vaults = Vec::new();
    for number in 0..6 {
        let claimed = nodes[number % 2].claim(Claimable::Any).await.unwrap();
        vaults.push(claimed.unwrap().vault.0[0]);
    }
    let seconds = vaults.iter().filter(|vault| **vault == 2).count();
    assert_eq!(seconds, 3, "{vaults:?}");
    // Where a vault has a job in work anywhere, it is no idle one here.
    let idle = nodes[0].claim(Claimable::OfIdleVaults).await.unwrap();
    assert!(idle.is_none());
}

async fn a_job_is_left_to_who_has_its_key_for_a_moment_only(place: &Place) {
    let short = |config: &mut Config| config.queue.head_start_ms = 1000;
    let (holder, other) = (place.open_with(short).await, place.open_with(short).await);
    let key = |vault| Holding::Key(VaultId([vault; 16]), KeyId([3; 16]));
    holder.hold([key(1)]).await.unwrap();

    // Others' keys and jobs without one make no difference.
    let (foreign, plain) = (
        push(&other, &keyed(2)).await.id,
        push(&other, &job(1)).await.id,
    );
    let mut free = HashSet::new();
    for _ in 0..2 {
        free.insert(other.claim(Claimable::Any).await.unwrap().unwrap().id);
    }
    assert_eq!(free, HashSet::from([foreign, plain]));

    let first = push(&other, &keyed(1)).await.id;
    assert!(other.claim(Claimable::Any).await.unwrap().is_none());
    assert_eq!(
        holder.claim(Claimable::Any).await.unwrap().unwrap().id,
        first
    );

    // The holder is busy: after its head start anybody takes it.
    let begun = Instant::now();
    let second = push(&other, &keyed(1)).await.id;
    let claimed = loop {
        match other.claim(Claimable::Any).await.unwrap() {
            Some(claimed) => break claimed.id,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let waited = begun.elapsed();
    assert_eq!(claimed, second);
    assert!(waited > Duration::from_millis(900), "{waited:?}");
    assert!(waited < Duration::from_millis(4000), "{waited:?}");

    // The holder stops, or is not believed any more: nobody waits for it.
    let third = push(&other, &keyed(1)).await.id;
    let sql = "UPDATE holdings SET until_ms = 1 WHERE node = $1";
    write(&other, sqlx::query(sql).bind(holder.node.clone())).await;
    assert_eq!(
        other.claim(Claimable::Any).await.unwrap().unwrap().id,
        third
    );
    holder.hold([key(5)]).await.unwrap();
    let fourth = push(&other, &keyed(5)).await.id;
    assert!(other.claim(Claimable::Any).await.unwrap().is_none());
    holder.hold_nothing().await.unwrap();
    assert_eq!(
        other.claim(Claimable::Any).await.unwrap().unwrap().id,
        fourth
    );
}

async fn a_key_brings_a_turn_forward_by_a_bounded_time(place: &Place) {
    let node = place
        .open_with(|config| config.queue.head_start_ms = 2000)
        .await;
    let mut vaults = Vec::new();
    for vault in [1, 2] {
        for _ in 0..10 {
            let pushed = node.push(owner(1), &keyed(vault), "digest", 1000).await;
            assert!(matches!(pushed, Ok(Pushed::New(_))));
        }
    }
    let key = || Holding::Key(VaultId([2; 16]), KeyId([3; 16]));
    node.hold([key()]).await.unwrap();
    for _ in 0..20 {
        let claimed = node.claim(Claimable::Any).await.unwrap().unwrap();
        vaults.push(claimed.vault.0[0]);
        let progress = [Progress::done(TIMINGS, 0)];
        assert!(node.end(&claimed, &End::Done, &progress).await.unwrap());
        node.hold_nothing().await.unwrap();
        node.hold([key()]).await.unwrap();
    }
    // Two seconds of work ahead, at most three jobs with the tie, and never more.
    let mut lead = 0;
    for vault in &vaults[..10] {
        lead += if *vault == 2 { 1 } else { -1 };
        assert!((-1..=3).contains(&lead), "{vaults:?}");
    }
    assert_eq!(vaults[..2], [2, 2], "{vaults:?}");
    assert!(vaults[..6].contains(&1), "{vaults:?}");
}

async fn a_job_goes_to_who_has_its_model_while_anybody_has(place: &Place) {
    let (has, has_not) = (place.open().await, place.open().await);
    let model = |digest: &str| Holding::Model(digest.to_owned());
    has.hold([model("digest")]).await.unwrap();
    has_not.hold([model("older")]).await.unwrap();
    let id = push(&has_not, &job(1)).await.id;
    assert!(has_not.claim(Claimable::Any).await.unwrap().is_none());
    let claimed = has.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(claimed.id, id);
    // When nobody has it any more, somebody has to say so.
    let progress = [Progress::QUEUED];
    assert!(has.end(&claimed, &End::Released, &progress).await.unwrap());
    has.hold_nothing().await.unwrap();
    assert_eq!(has_not.claim(Claimable::Any).await.unwrap().unwrap().id, id);
}

#[tokio::test]
async fn nobody_is_dead_because_the_database_was() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let mut queue = place.open().await;
    let id = push(&queue, &job(1)).await.id;
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    end_lease(&queue, id).await;
    queue.database.dialect.up_ms = "4000";
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());
    let renewed = queue.renew(id, &claimed.lease, &[Progress::RUNNING]).await;
    assert_eq!(renewed.unwrap(), Renewed::Held);
    end_lease(&queue, id).await;
    queue.database.dialect.up_ms = "5000";
    assert!(queue.claim(Claimable::Any).await.unwrap().is_some());
}

#[tokio::test]
async fn what_one_node_does_the_others_hear_at_once() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let (here, there) = (place.open().await, place.open().await);
    let soon = Duration::from_secs(2);
    // What the connection itself announced.
    let _ = timeout(Duration::from_millis(100), there.changes().due()).await;

    let id = push(&here, &job(1)).await.id;
    timeout(soon, there.changes().due()).await.unwrap();
    let mut changed = there.changes().of(id);
    let claimed = here.claim(Claimable::Any).await.unwrap().unwrap();
    timeout(soon, changed.changed()).await.unwrap().unwrap();
    let renew = async |progress| here.renew(id, &claimed.lease, &[progress]).await.unwrap();
    renew(Progress::RUNNING).await;
    timeout(soon, changed.changed()).await.unwrap().unwrap();
    // A lease that is renewed is no news.
    renew(Progress::RUNNING).await;
    let quiet = timeout(Duration::from_millis(300), changed.changed()).await;
    assert!(quiet.is_err());

    let mut cancelled = here.changes().cancellations();
    there.cancel(owner(1), id).await.unwrap();
    assert_eq!(
        timeout(soon, cancelled.recv()).await.unwrap().unwrap(),
        Some(id)
    );
    timeout(soon, changed.changed()).await.unwrap().unwrap();
    let progress = [Progress::QUEUED];
    assert!(
        here.end(&claimed, &End::Cancelled, &progress)
            .await
            .unwrap()
    );
    // Its vault is idle now, which may be what others wait for.
    timeout(soon, there.changes().due()).await.unwrap();
    timeout(soon, changed.changed()).await.unwrap().unwrap();
}
