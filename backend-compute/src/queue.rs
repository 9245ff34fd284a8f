//! The durable queue of jobs: one table, each running job under a lease.
//!
//! A worker claims a job for the length of a lease and renews it while it works. A worker that
//! dies renews no more, and when the lease is over another takes the job, as often as its attempts
//! allow; attempts count when they begin. So a job is delivered at least once, and whatever it
//! does must bear to be done twice. Time is the database's own.
//!
//! Vaults share compute fairly, by the work that their jobs ask for (start-time fair queueing, Goyal,
//! Vin and Cheng 1996). A job's turn begins where the vault's last one ends, or where the job that was
//! claimed last began if that is later; the earliest turn is claimed first. So whoever asks for
//! little waits for little, however much others have queued.
//!
//! With PostgreSQL any number of processes share one queue. A job goes to those of them that have its
//! model, and is left for a moment to one that has its evaluation key, see [`Queue::claim`].

mod changes;
mod database;
mod holdings;
mod lease;
mod listener;
mod quota;
mod row;
mod set_back;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use darkroom_api::compute::{Job, SubmitJob};
use darkroom_api::ids::{JobId, ObjectId};
use darkroom_api::token::TokenHash;
use darkroom_telemetry::Origin;
use sqlx::any::AnyRow;

pub use self::changes::Changes;
use self::database::Database;
pub use self::database::copy;
pub use self::holdings::Holding;
pub use self::lease::{Claimable, End, Renewed};
use self::listener::Listener;
pub use self::row::{Claimed, EvaluationKey, Grant, Lease, Progress};
pub use self::standing::Standing;
use crate::config::{self, Config, Limits};
use crate::error::Error;

/// The most that one job counts as work: turns must not overflow.
const WORK_MAX_MS: u64 = 1 << 40;
/// The most jobs in one list.
const LIST_MAX: i64 = 200;
/// How long the database may take to show that it is there.
const PING_PATIENCE: Duration = Duration::from_secs(2);

/// The queue. All that share it see each other's changes at once, and with PostgreSQL those of other
/// processes; with SQLite the latter, by asking.
#[derive(Debug)]
pub struct Queue {
    database: Database,
    settings: config::Queue,
    limits: Limits,
    changes: Arc<Changes>,
    /// This process among those that share the queue.
    node: String,
    said: holdings::Said,
    found: standing::Found,
    _listener: Option<Listener>,
}

/// What became of a submitted job.
#[derive(Debug, Clone, PartialEq)]
pub enum Pushed {
    /// It is new.
    New(Job),
    /// The same request was made before.
    Known(Job),
}

impl Queue {
    /// Opens the queue. If it is a file that no other process has open, jobs that a dead one left
    /// running can be claimed at once; otherwise their leases have to run out.
    ///
    /// # Errors
    /// The database cannot be used, or is of a version that is not known here.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        let database = Database::open(&config.database).await?;
        let changes = Arc::new(Changes::default());
        let listener = match &config.database {
            config::Database::Sqlite(_) => None,
            config::Database::Postgres(url) => {
                Some(Listener::start(url, Arc::clone(&changes)).await?)
            }
        };
        let queue = Self {
            database,
            settings: config.queue.clone(),
            limits: config.limits.clone(),
            changes,
            node: hex::encode(random()?),
            said: holdings::Said::default(),
            found: standing::Found::default(),
            _listener: listener,
        };
        if queue.database.alone {
            let left = queue.end_leases_of_the_dead().await?;
            if left > 0 {
                tracing::warn!(
                    jobs = left,
                    "taking over jobs that a killed process left running"
                );
            }
        }
        queue.database.share()?;
        Ok(queue)
    }

    /// Who wants to know of changes.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not, or not soon.
    pub async fn ping(&self) -> Result<(), Error> {
        let asked = self.database.read(sqlx::query("SELECT 1"));
        let answer = tokio::time::timeout(PING_PATIENCE, asked).await;
        answer.map_err(|_| Error::DatabaseSilent)?.map(drop)
    }

    /// The job that this request made before, if it did.
    ///
    /// # Errors
    /// The key was used for another request; the database fails.
    pub async fn known(&self, owner: TokenHash, job: &SubmitJob) -> Result<Option<Job>, Error> {
        let sql = "SELECT {row} FROM jobs WHERE owner = $1 AND idempotency_key = $2";
        let key: ObjectId = job.idempotency_key;
        let query = sqlx::query(self.database.dialect.sql(sql))
            .bind(owner.to_string())
            .bind(key.to_string());
        let Some(row) = first(self.database.read(query).await?) else {
            return Ok(None);
        };
        let digest: String = sqlx::Row::try_get(&row, "request")?;
        if digest != row::request_digest(job)? {
            return Err(Error::JobExists);
        }
        row::to_job(&row).map(Some)
    }

    /// Puts a job into the queue, unless the same request did before. `work_ms` is how long it would
    /// take alone.
    ///
    /// # Errors
    /// Too many jobs wait, or were submitted today; the key was used for another request; the database fails.
    pub async fn push(
        &self,
        owner: TokenHash,
        job: &SubmitJob,
        model_digest: &str,
        work_ms: u64,
    ) -> Result<Pushed, Error> {
        let sql = self.database.dialect.sql(
            "INSERT INTO jobs (id, owner, idempotency_key, request, model, model_digest, vault,
                key_id, items, storage_grant, state, attempts, attempts_max, run_at_ms, progress,
                cancel, created_ms, evaluation_key, turn, turn_end, request_id, traceparent)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'queued', 0, $11, {now}, '[]', 0, {now},
                $14, began.turn, began.turn + $15, $17, $18
            FROM (SELECT COALESCE(MAX(turn), 0) AS turn FROM (
                SELECT MAX(turn) AS turn FROM jobs WHERE state = 'running'
                UNION ALL SELECT MAX(turn) FROM jobs WHERE state = 'done'
                UNION ALL SELECT MAX(turn) FROM jobs WHERE state = 'failed'
                UNION ALL SELECT MAX(turn_end) FROM jobs WHERE vault = $7) AS turns) AS began
            WHERE (SELECT COUNT(*) FROM jobs
                    WHERE state IN ('queued', 'running') AND owner = $2) < $12
                AND (SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running')) < $13
                AND COALESCE((SELECT jobs FROM usage WHERE owner = $2 AND day = {today}), 0) < $16
            ON CONFLICT (owner, idempotency_key) DO NOTHING
            RETURNING {row}",
        );
        let id = JobId(random()?);
        let origin = Origin::here();
        let traceparent = origin
            .as_ref()
            .and_then(|origin| origin.traceparent.as_ref());
        let query = sqlx::query(sql)
            .bind(id.to_string())
            .bind(owner.to_string())
            .bind(job.idempotency_key.to_string())
            .bind(row::request_digest(job)?)
            .bind(job.model.to_string())
            .bind(model_digest.to_owned())
            .bind(job.vault.to_string())
            .bind(job.key.to_string())
            .bind(serde_json::to_string(&job.items)?)
            .bind(job.grant.clone())
            .bind(i64::from(self.settings.attempts_max))
            .bind(i64::from(self.limits.jobs_per_owner))
            .bind(i64::from(self.limits.jobs))
            .bind(row::evaluation_key_text(job)?)
            .bind(lease::signed(work_ms.min(WORK_MAX_MS)))
            .bind(i64::from(self.limits.jobs_per_day))
            .bind(origin.as_ref().map(|origin| origin.request.to_string()))
            .bind(traceparent.map(ToString::to_string));
        let count = sqlx::query(self.database.dialect.sql(quota::COUNT)).bind(owner.to_string());
        if let Some(row) = first(self.database.write_both(query, count).await?) {
            self.changes.pushed();
            return row::to_job(&row).map(Pushed::New);
        }
        match self.known(owner, job).await? {
            Some(job) => Ok(Pushed::Known(job)),
            None => Err(self.too_many(owner).await?),
        }
    }

    /// A job of this owner.
    ///
    /// # Errors
    /// There is none of this id, or it is another owner's; the database fails.
    pub async fn find(&self, owner: TokenHash, job: JobId) -> Result<Job, Error> {
        let sql = "SELECT {row} FROM jobs WHERE id = $1 AND owner = $2";
        let query = sqlx::query(self.database.dialect.sql(sql))
            .bind(job.to_string())
            .bind(owner.to_string());
        let row = first(self.database.read(query).await?).ok_or(Error::JobNotFound)?;
        row::to_job(&row)
    }

    /// The newest jobs of this owner, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list(&self, owner: TokenHash) -> Result<Vec<Job>, Error> {
        let sql = "SELECT {row} FROM jobs WHERE owner = $1 ORDER BY created_ms DESC, id LIMIT $2";
        let query = sqlx::query(self.database.dialect.sql(sql))
            .bind(owner.to_string())
            .bind(LIST_MAX);
        let rows = self.database.read(query).await?;
        rows.iter().map(row::to_job).collect()
    }

    /// Cancels a job: at once if it waits, after the images in work if it runs, not at all if it
    /// has ended. Returns it as it stands.
    ///
    /// # Errors
    /// There is none of this id, or it is another owner's; the database fails.
    pub async fn cancel(&self, owner: TokenHash, job: JobId) -> Result<Job, Error> {
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET cancel = 1,
                state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
                finished_ms = CASE state WHEN 'queued' THEN {now} ELSE finished_ms END,
                storage_grant = CASE state WHEN 'queued' THEN NULL ELSE storage_grant END,
                evaluation_key = CASE state WHEN 'queued' THEN NULL ELSE evaluation_key END,
                turn_end = CASE state WHEN 'queued' THEN turn ELSE turn_end END
            WHERE id = $1 AND owner = $2 AND state IN ('queued', 'running')
            RETURNING {row}",
        );
        let query = sqlx::query(sql)
            .bind(job.to_string())
            .bind(owner.to_string());
        match first(self.database.write(query).await?) {
            Some(row) => {
                self.changes.cancelled(job);
                row::to_job(&row)
            }
            None => self.find(owner, job).await,
        }
    }
}

fn first(rows: Vec<AnyRow>) -> Option<AnyRow> {
    rows.into_iter().next()
}

fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::Randomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
