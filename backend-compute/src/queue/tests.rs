//! The queue on its own, on a real database file.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use darkroom_api::compute::{EvaluationKeyRef, ItemRef, State, SubmitJob, Timings};
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{KeyId, ObjectId, VaultId};
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::token::{Token, TokenHash};
use tempfile::TempDir;

use super::*;

const TIMINGS: Timings = Timings {
    fetch_ms: 1.0,
    compute_ms: 2.0,
    store_ms: 3.0,
};

fn owner(number: u8) -> TokenHash {
    Token::new([number; 32]).hash()
}

fn job(images: usize) -> SubmitJob {
    let item = |_| ItemRef {
        image: ObjectId([1; 16]),
        result: ObjectId(random().unwrap()),
    };
    SubmitJob {
        model: "linear".parse().unwrap(),
        vault: VaultId([2; 16]),
        key: KeyId([3; 16]),
        items: (0..images).map(item).collect(),
        grant: "a-grant-of-storage".to_owned(),
        evaluation_key: None,
        idempotency_key: ObjectId(random().unwrap()),
    }
}

fn config(folder: &Path) -> Config {
    let mut config = Config {
        database: folder.join("jobs.sqlite"),
        ..Config::default()
    };
    config.queue.lease_ms = 60 * 60 * 1000;
    config.limits.jobs_per_owner = 400;
    config
}

async fn open(folder: &TempDir) -> Queue {
    Queue::open(&config(folder.path())).await.unwrap()
}

async fn push(queue: &Queue, job: &SubmitJob) -> Job {
    match queue.push(owner(1), job, "digest", 1000).await.unwrap() {
        Pushed::New(job) => job,
        Pushed::Known(job) => panic!("known: {job:?}"),
    }
}

/// As if the worker that has it had died long ago.
async fn end_lease(queue: &Queue, job: JobId) {
    let sql = "UPDATE jobs SET lease_until_ms = 1 WHERE id = $1";
    sqlx::query(sql)
        .bind(job.to_string())
        .execute(&queue.database.write)
        .await
        .unwrap();
}

async fn grant_in_row(queue: &Queue, job: JobId) -> Option<String> {
    let sql = "SELECT storage_grant FROM jobs WHERE id = $1";
    let query = sqlx::query_scalar(sql).bind(job.to_string());
    query.fetch_one(&queue.database.read).await.unwrap()
}

#[tokio::test]
async fn a_job_is_claimed_with_all_that_it_needs_and_once() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    let asked = job(2);
    let pushed = push(&queue, &asked).await;
    assert_eq!(
        (pushed.state, pushed.attempts, pushed.attempts_max),
        (State::Queued, 0, 3)
    );
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(
        (claimed.id, &claimed.model, claimed.key),
        (pushed.id, &asked.model, asked.key)
    );
    assert_eq!((claimed.vault, &claimed.items), (asked.vault, &asked.items));
    assert_eq!(
        (&claimed.grant.0, &claimed.model_digest[..]),
        (&asked.grant, "digest")
    );
    assert_eq!(claimed.progress, [Progress::QUEUED, Progress::QUEUED]);
    assert!(!format!("{claimed:?}").contains(&asked.grant));
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());

    let progress = [Progress::done(TIMINGS, 7), Progress::RUNNING];
    let renewed = queue
        .renew(claimed.id, &claimed.lease, &progress)
        .await
        .unwrap();
    assert_eq!(renewed, Renewed::Held);
    let seen = queue.find(owner(1), claimed.id).await.unwrap();
    let states: Vec<_> = seen.items.iter().map(|item| item.state).collect();
    assert_eq!(states, [State::Done, State::Running]);

    let progress = [Progress::done(TIMINGS, 7), Progress::done(TIMINGS, 7)];
    assert!(queue.end(&claimed, &End::Done, &progress).await.unwrap());
    let seen = queue.find(owner(1), claimed.id).await.unwrap();
    assert_eq!(
        (seen.state, seen.items[1].timings),
        (State::Done, Some(TIMINGS))
    );
    assert_eq!(seen.items[1].bootstraps_done, 7);
    assert_eq!(grant_in_row(&queue, claimed.id).await, None);
}

#[tokio::test]
async fn an_evaluation_key_goes_with_its_job_and_is_wiped_with_it() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    let key = EvaluationKeyRef {
        parameters: ParameterSetId(2),
        parts: vec![ObjectId([4; 16]), ObjectId([5; 16])],
        grant: "a-grant-for-the-key".to_owned(),
    };
    let in_row = async |job: JobId| -> Option<String> {
        let query = sqlx::query_scalar("SELECT evaluation_key FROM jobs WHERE id = $1");
        let query = query.bind(job.to_string());
        query.fetch_one(&queue.database.read).await.unwrap()
    };
    let ends = [
        End::Done,
        End::Failed(Problem::new(ProblemType::Internal, "")),
        End::Cancelled,
    ];
    for end in ends {
        let asked = SubmitJob {
            evaluation_key: Some(key.clone()),
            ..job(1)
        };
        let id = push(&queue, &asked).await.id;
        let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
        let brought = claimed.evaluation_key.as_ref().unwrap();
        assert_eq!(
            (brought.parameters, &brought.parts),
            (key.parameters, &key.parts)
        );
        assert_eq!(brought.grant.0, key.grant);
        assert!(!format!("{claimed:?}").contains(&key.grant));
        let progress = [Progress::QUEUED];
        assert!(
            queue
                .end(&claimed, &End::Released, &progress)
                .await
                .unwrap()
        );
        assert!(in_row(id).await.is_some());
        let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
        assert!(queue.end(&claimed, &end, &progress).await.unwrap());
        assert_eq!(in_row(id).await, None);

        // A key that was sent again does not make it another request.
        let known = SubmitJob {
            evaluation_key: None,
            ..asked
        };
        assert_eq!(queue.known(owner(1), &known).await.unwrap().unwrap().id, id);
    }
    let waiting = SubmitJob {
        evaluation_key: Some(key),
        ..job(1)
    };
    let id = push(&queue, &waiting).await.id;
    queue.cancel(owner(1), id).await.unwrap();
    assert_eq!(in_row(id).await, None);
}

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

#[tokio::test]
async fn vaults_take_turns_by_the_work_that_they_ask_for() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
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

#[tokio::test]
async fn what_was_cancelled_while_it_waited_costs_no_turn() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
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

#[tokio::test]
async fn idle_vaults_are_told_from_busy_ones() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
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

#[tokio::test]
async fn a_lease_that_is_over_goes_to_another_and_is_lost_to_the_first() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
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

#[tokio::test]
async fn what_has_no_attempts_left_is_buried_and_not_claimed() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    let id = push(&queue, &job(2)).await.id;
    for attempt in 1..=3 {
        assert_eq!(queue.bury().await.unwrap(), 0);
        let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
        assert_eq!((claimed.attempts, claimed.attempts_max), (attempt, 3));
        let progress = [Progress::done(TIMINGS, 7), Progress::RUNNING];
        queue.renew(id, &claimed.lease, &progress).await.unwrap();
        end_lease(&queue, id).await;
    }
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());
    assert_eq!(queue.bury().await.unwrap(), 1);
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

#[tokio::test]
async fn cancelling_ends_what_waits_and_tells_what_runs() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    let waiting = push(&queue, &job(1)).await.id;
    let cancelled = queue.cancel(owner(1), waiting).await.unwrap();
    assert_eq!(
        (cancelled.state, cancelled.items[0].state),
        (State::Cancelled, State::Cancelled)
    );
    assert_eq!(grant_in_row(&queue, waiting).await, None);
    assert!(queue.claim(Claimable::Any).await.unwrap().is_none());

    let id = push(&queue, &job(1)).await.id;
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(
        queue.cancel(owner(1), id).await.unwrap().state,
        State::Running
    );
    let renewed = queue
        .renew(id, &claimed.lease, &[Progress::RUNNING])
        .await
        .unwrap();
    assert_eq!(renewed, Renewed::Cancelled);
    assert!(
        queue
            .end(&claimed, &End::Cancelled, &[Progress::QUEUED])
            .await
            .unwrap()
    );
    assert_eq!(
        queue.find(owner(1), id).await.unwrap().state,
        State::Cancelled
    );

    // A worker that dies with a cancelled job, and one that gives it back, leave it cancelled too.
    for die in [false, true] {
        let id = push(&queue, &job(1)).await.id;
        let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
        queue.cancel(owner(1), id).await.unwrap();
        if die {
            end_lease(&queue, id).await;
        } else {
            queue
                .end(&claimed, &End::Released, &[Progress::QUEUED])
                .await
                .unwrap();
        }
        assert!(queue.claim(Claimable::Any).await.unwrap().is_none());
        assert_eq!(queue.bury().await.unwrap(), 1);
        let job = queue.find(owner(1), id).await.unwrap();
        assert_eq!((job.state, job.problem), (State::Cancelled, None));
    }
    let nobodys = queue.cancel(owner(2), id).await.unwrap_err();
    assert!(matches!(nobodys, Error::JobNotFound));
}

#[tokio::test]
async fn released_jobs_are_due_at_once_and_postponed_ones_later() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    push(&queue, &job(1)).await;
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert!(
        queue
            .end(&claimed, &End::Released, &[Progress::QUEUED])
            .await
            .unwrap()
    );
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(claimed.attempts, 1);
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
    sqlx::query("UPDATE jobs SET run_at_ms = 1")
        .execute(&queue.database.write)
        .await
        .unwrap();
    assert_eq!(
        queue.claim(Claimable::Any).await.unwrap().unwrap().attempts,
        2
    );
}

#[tokio::test]
async fn a_failed_job_says_why() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    push(&queue, &job(1)).await;
    let claimed = queue.claim(Claimable::Any).await.unwrap().unwrap();
    let problem = Problem::new(ProblemType::ModelGone, "removed");
    let end = End::Failed(problem.clone());
    assert!(
        queue
            .end(&claimed, &end, &[Progress::QUEUED])
            .await
            .unwrap()
    );
    let failed = queue.find(owner(1), claimed.id).await.unwrap();
    assert_eq!(
        (failed.state, failed.problem.as_ref()),
        (State::Failed, Some(&problem))
    );
    assert_eq!(failed.items[0].problem.as_ref(), Some(&problem));
}

#[tokio::test]
async fn the_leases_of_a_dead_process_end_and_those_of_a_living_one_do_not() {
    let folder = TempDir::new().unwrap();
    let first = open(&folder).await;
    push(&first, &job(1)).await;
    let claimed = first.claim(Claimable::Any).await.unwrap().unwrap();
    // `first` lives: what opens the same file waits for the lease.
    let second = open(&folder).await;
    assert!(second.claim(Claimable::Any).await.unwrap().is_none());
    drop((first, second));
    let third = open(&folder).await;
    let again = third.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (claimed.id, 2));
}

#[tokio::test]
async fn old_finished_jobs_are_forgotten() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    let (old, new) = (
        push(&queue, &job(1)).await.id,
        push(&queue, &job(1)).await.id,
    );
    let running = push(&queue, &job(1)).await.id;
    for id in [old, new] {
        queue.cancel(owner(1), id).await.unwrap();
    }
    let sql = "UPDATE jobs SET finished_ms = 1 WHERE id = $1";
    let query = sqlx::query(sql).bind(old.to_string());
    query.execute(&queue.database.write).await.unwrap();
    assert_eq!(queue.sweep().await.unwrap(), 1);
    assert!(matches!(
        queue.find(owner(1), old).await,
        Err(Error::JobNotFound)
    ));
    let left: HashSet<_> = queue
        .list(owner(1))
        .await
        .unwrap()
        .iter()
        .map(|job| job.id)
        .collect();
    assert_eq!(left, HashSet::from([new, running]));
}

#[tokio::test]
async fn three_hundred_jobs_are_each_claimed_once() {
    let folder = TempDir::new().unwrap();
    let queues = [Arc::new(open(&folder).await), Arc::new(open(&folder).await)];
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

#[tokio::test]
async fn the_database_is_its_owners_alone_and_durable() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    push(&queue, &job(1)).await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
    for (setting, expected) in [
        ("synchronous", 2),
        ("secure_delete", 1),
        ("busy_timeout", 10_000),
    ] {
        let sql = queue.database.dialect.sql(match setting {
            "synchronous" => "PRAGMA synchronous",
            "secure_delete" => "PRAGMA secure_delete",
            _ => "PRAGMA busy_timeout",
        });
        let query = sqlx::query_scalar::<_, i64>(sql);
        let value = query.fetch_one(&queue.database.write).await.unwrap();
        assert_eq!(value, expected, "{setting}");
    }
    let query = sqlx::query_scalar::<_, String>("PRAGMA journal_mode");
    assert_eq!(query.fetch_one(&queue.database.write).await.unwrap(), "wal");
}

#[tokio::test]
async fn a_submit_costs_no_more_for_every_finished_job() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    for (sql, index) in [
        (
            "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM jobs
                WHERE state IN ('queued', 'running') AND owner = 'x'",
            "COVERING INDEX jobs_by_owner_and_state",
        ),
        (
            "EXPLAIN QUERY PLAN DELETE FROM jobs WHERE finished_ms <= 5",
            "INDEX jobs_by_end",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT MAX(turn) FROM jobs WHERE state = 'done'",
            "SEARCH jobs USING COVERING INDEX jobs_by_turn",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT MAX(turn_end) FROM jobs WHERE vault = 'x'",
            "SEARCH jobs USING COVERING INDEX jobs_by_vault_turn",
        ),
    ] {
        let rows = sqlx::query(sql).fetch_all(&queue.database.read).await;
        let plan: String = sqlx::Row::try_get(&rows.unwrap()[0], "detail").unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}
