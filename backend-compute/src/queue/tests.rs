//! The queue on its own, on a real database file.

/// Each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            use crate::queue::tests::Place;
            $(#[tokio::test]
            async fn $test() {
                super::$test(&Place::sqlite()).await;
            })*
        }

        mod postgres {
            use crate::queue::tests::Place;
            $(#[tokio::test]
            async fn $test() {
                if let Some(place) = Place::postgres() {
                    super::$test(&place).await;
                }
            })*
        }
    };
}

mod database;
mod leases;
mod nodes;
mod quotas;
#[path = "../../tests/api/support/postgres.rs"]
#[allow(dead_code)]
mod server;
mod set_back;
mod standing;
mod turns;

use std::collections::HashSet;

use darkroom_api::compute::{EvaluationKeyRef, ItemRef, State, SubmitJob, Timings};
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{KeyId, ObjectId, VaultId};
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::token::{Token, TokenHash};
use sqlx::Row;
use tempfile::TempDir;

use self::server::Postgres;
use super::*;

on_both![
    a_job_is_claimed_with_all_that_it_needs_and_once,
    an_evaluation_key_goes_with_its_job_and_is_wiped_with_it,
    cancelling_ends_what_waits_and_tells_what_runs,
    a_failed_job_says_why,
    old_finished_jobs_are_forgotten,
];

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

/// Where the queues of one test are.
struct Place {
    folder: TempDir,
    /// Kept for as long as the test needs it.
    _server: Option<Arc<Postgres>>,
    database: config::Database,
}

impl Place {
    fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            database: config::Database::Sqlite(folder.path().join("jobs.sqlite")),
            folder,
            _server: None,
        }
    }

    /// `None` where there is no PostgreSQL.
    fn postgres() -> Option<Self> {
        let server = Postgres::shared()?;
        Some(Self {
            folder: TempDir::new().unwrap(),
            database: server.database().into(),
            _server: Some(server),
        })
    }

    fn config(&self) -> Config {
        let mut config = Config {
            database: self.database.clone(),
            ..Config::default()
        };
        config.queue.lease_ms = 60 * 60 * 1000;
        config.limits.jobs_per_owner = 400;
        config
    }

    /// As a process of its own does.
    async fn open(&self) -> Queue {
        self.open_with(|_| ()).await
    }

    async fn open_with(&self, change: impl Fn(&mut Config)) -> Queue {
        let mut config = self.config();
        change(&mut config);
        let mut queue = Queue::open(&config).await.unwrap();
        // The tests' server was started just now, which is no sign of an outage.
        queue.database.dialect.up_ms = "1000000";
        queue
    }
}

async fn write(queue: &Queue, query: crate::queue::database::Query<'_>) -> Vec<AnyRow> {
    queue.database.write(query).await.unwrap()
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
    write(queue, sqlx::query(sql).bind(job.to_string())).await;
}

async fn grant_in_row(queue: &Queue, job: JobId) -> Option<String> {
    let sql = "SELECT storage_grant FROM jobs WHERE id = $1";
    let rows = write(queue, sqlx::query(sql).bind(job.to_string())).await;
    rows[0].try_get(0).unwrap()
}

async fn a_job_is_claimed_with_all_that_it_needs_and_once(place: &Place) {
    let queue = place.open().await;
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

async fn an_evaluation_key_goes_with_its_job_and_is_wiped_with_it(place: &Place) {
    let queue = place.open().await;
    let key = EvaluationKeyRef {
        parameters: ParameterSetId(2),
        parts: vec![ObjectId([4; 16]), ObjectId([5; 16])],
        grant: "a-grant-for-the-key".to_owned(),
    };
    let in_row = async |job: JobId| -> Option<String> {
        let sql = "SELECT evaluation_key FROM jobs WHERE id = $1";
        let rows = write(&queue, sqlx::query(sql).bind(job.to_string())).await;
        rows[0].try_get(0).unwrap()
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

async fn cancelling_ends_what_waits_and_tells_what_runs(place: &Place) {
    let queue = place.open().await;
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
        assert_eq!(queue.bury().await.unwrap().len(), 1);
        let job = queue.find(owner(1), id).await.unwrap();
        assert_eq!((job.state, job.problem), (State::Cancelled, None));
    }
    let nobodys = queue.cancel(owner(2), id).await.unwrap_err();
    assert!(matches!(nobodys, Error::JobNotFound));
}

async fn a_failed_job_says_why(place: &Place) {
    let queue = place.open().await;
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

async fn old_finished_jobs_are_forgotten(place: &Place) {
    let queue = place.open().await;
    let (old, new) = (
        push(&queue, &job(1)).await.id,
        push(&queue, &job(1)).await.id,
    );
    let running = push(&queue, &job(1)).await.id;
    for id in [old, new] {
        queue.cancel(owner(1), id).await.unwrap();
    }
    let sql = "UPDATE jobs SET finished_ms = 1 WHERE id = $1";
    write(&queue, sqlx::query(sql).bind(old.to_string())).await;
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
