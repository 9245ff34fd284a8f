//! The worker's side of the queue: claim, renew, end.

use darkroom_api::compute::State;
use darkroom_api::ids::JobId;
use darkroom_api::problem::{Problem, ProblemType};

use super::row::{Claimed, Lease, Progress, to_claimed};
use super::{Queue, first, random};
use crate::error::Error;

/// How a worker lets go of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Every image is done or has failed.
    Done,
    /// All of it failed.
    Failed(Problem),
    /// The owner wanted it.
    Cancelled,
    /// The worker stops: anybody may go on with it, and this attempt does not count.
    Released,
    /// Storage cannot be reached: again after a pause.
    Postponed,
}

/// What a renewal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// Go on.
    Held,
    /// The owner wants it to stop.
    Cancelled,
    /// The lease is lost: somebody else has the job, or it ended. Write nothing more.
    Lost,
}

/// Which jobs may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimable {
    /// Any.
    Any,
    /// Those of vaults that have none running.
    OfIdleVaults,
}

impl Queue {
    /// Takes the job whose turn it is, be it queued or one whose worker died.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim(&self, which: Claimable) -> Result<Option<Claimed>, Error> {
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_ms = {now},
                lease_token = $1, lease_until_ms = {now} + $2
            WHERE id = (SELECT id FROM jobs
                WHERE (state = 'queued' AND run_at_ms <= {now}
                        OR state = 'running' AND lease_until_ms <= {now})
                    AND attempts < attempts_max AND cancel = 0
                    AND ($3 = 0 OR vault NOT IN (SELECT vault FROM jobs
                        WHERE state = 'running' AND lease_until_ms > {now}))
                ORDER BY turn, id LIMIT 1 {skip_locked})
            RETURNING *",
        );
        let query = sqlx::query(sql)
            .bind(hex::encode(random()?))
            .bind(self.lease_ms())
            .bind(i64::from(which == Claimable::OfIdleVaults));
        let Some(row) = first(query.fetch_all(&self.database.write).await?) else {
            return Ok(None);
        };
        let claimed = to_claimed(&row)?;
        self.changes.changed(claimed.id);
        Ok(Some(claimed))
    }

    /// Keeps the lease and writes down how far the images are.
    ///
    /// # Errors
    /// The database fails; the lease may still be held.
    pub async fn renew(
        &self,
        job: JobId,
        lease: &Lease,
        progress: &[Progress],
    ) -> Result<Renewed, Error> {
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET lease_until_ms = {now} + $3, progress = $4
            WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING cancel",
        );
        let query = sqlx::query_scalar::<_, i64>(sql)
            .bind(job.to_string())
            .bind(lease.0.clone())
            .bind(self.lease_ms())
            .bind(serde_json::to_string(progress)?);
        let cancel = query.fetch_all(&self.database.write).await?;
        self.changes.changed(job);
        Ok(match cancel.first() {
            None => Renewed::Lost,
            Some(0) => Renewed::Held,
            Some(_) => Renewed::Cancelled,
        })
    }

    /// Ends the work on a job. False if the lease was lost; then nothing is written.
    ///
    /// # Errors
    /// The database fails; try again while the lease lasts.
    pub async fn end(
        &self,
        claimed: &Claimed,
        end: &End,
        progress: &[Progress],
    ) -> Result<bool, Error> {
        let (state, problem, pause_ms, uncounted) = match end {
            End::Done => (State::Done, None, 0, 0),
            End::Failed(problem) => (State::Failed, Some(serde_json::to_string(problem)?), 0, 0),
            End::Cancelled => (State::Cancelled, None, 0, 0),
            End::Released => (State::Queued, None, 0, 1),
            End::Postponed => (State::Queued, None, self.pause_ms(claimed.attempts), 0),
        };
        // A job that goes back after its owner cancelled it is cancelled by `bury`.
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET state = $3, progress = $4, problem = $5, lease_token = NULL,
                lease_until_ms = NULL,
                run_at_ms = CASE WHEN $3 = 'queued' THEN {now} + $6 ELSE run_at_ms END,
                attempts = attempts - $7,
                finished_ms = CASE WHEN $3 = 'queued' THEN NULL ELSE {now} END,
                storage_grant = CASE WHEN $3 = 'queued' THEN storage_grant ELSE NULL END,
                evaluation_key = CASE WHEN $3 = 'queued' THEN evaluation_key ELSE NULL END
            WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING id",
        );
        let query = sqlx::query(sql)
            .bind(claimed.id.to_string())
            .bind(claimed.lease.0.clone())
            .bind(state.name())
            .bind(serde_json::to_string(progress)?)
            .bind(problem)
            .bind(pause_ms)
            .bind(uncounted);
        let held = first(query.fetch_all(&self.database.write).await?).is_some();
        self.changes.changed(claimed.id);
        // The vault may have another that had to wait for this one.
        self.changes.pushed();
        Ok(held)
    }

    /// Ends jobs that nobody will end: those whose worker died in the last attempt, and those that
    /// were cancelled meanwhile. Returns how many.
    ///
    /// # Errors
    /// The database fails.
    pub async fn bury(&self) -> Result<usize, Error> {
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET finished_ms = {now}, storage_grant = NULL, evaluation_key = NULL,
                lease_token = NULL, lease_until_ms = NULL,
                state = CASE cancel WHEN 1 THEN 'cancelled' ELSE 'failed' END,
                problem = CASE cancel WHEN 1 THEN NULL ELSE $1 END
            WHERE (state = 'queued' OR state = 'running' AND lease_until_ms <= {now})
                AND (cancel = 1 OR attempts >= attempts_max)
            RETURNING id",
        );
        let problem = Problem::new(
            ProblemType::AttemptsExhausted,
            "compute stopped in the middle of this job each time that it was tried; \
             submit it again, with fewer images if there were many",
        );
        let query = sqlx::query_scalar::<_, String>(sql).bind(serde_json::to_string(&problem)?);
        let buried = query.fetch_all(&self.database.write).await?;
        for id in &buried {
            tracing::warn!(job = id, "buried: cancelled, or no attempts left");
            if let Ok(id) = id.parse() {
                self.changes.changed(id);
            }
        }
        Ok(buried.len())
    }

    /// Forgets jobs that ended long ago. Returns how many.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let sql = self
            .database
            .dialect
            .sql("DELETE FROM jobs WHERE finished_ms <= {now} - $1");
        let query = sqlx::query(sql).bind(signed(self.settings.keep_finished_ms));
        Ok(query.execute(&self.database.write).await?.rows_affected())
    }

    /// Ends the leases of a process that is proven to be dead.
    pub(super) async fn end_leases_of_the_dead(&self) -> Result<u64, Error> {
        let query = sqlx::query("UPDATE jobs SET lease_until_ms = 0 WHERE state = 'running'");
        Ok(query.execute(&self.database.write).await?.rows_affected())
    }

    fn lease_ms(&self) -> i64 {
        signed(self.settings.lease_ms)
    }

    fn pause_ms(&self, attempts: u32) -> i64 {
        let doublings = attempts.saturating_sub(1).min(16);
        signed(self.settings.retry_pause_ms.saturating_mul(1 << doublings))
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
