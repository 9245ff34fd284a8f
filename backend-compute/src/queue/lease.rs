//! The worker's side of the queue: claim, renew, end.

use darkroom_api::compute::State;
use darkroom_api::ids::JobId;
use darkroom_api::problem::{Problem, ProblemType};
use sqlx::Row;

use super::row::{Claimed, Lease, Progress, state, to_claimed};
use super::{Holding, Queue, first, random};
use crate::error::Error;

/// After the database was away, a worker renews its leases within so long.
const RETURN_MS: i64 = 5000;

/// The pause after an attempt that storage failed does not grow beyond this: attempts count as well
/// when compute was killed, and storage may long be back.
const RETRY_PAUSE_MAX_MS: u64 = 60_000;

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
    /// Takes the job whose turn it is, be it queued or one whose worker died. A worker could not renew
    /// its lease while the database was down, so none counts as dead until some seconds after that.
    ///
    /// Where processes share the queue, only those claim a job that have its model, unless none has.
    /// A job that brings an evaluation key is drawn to those that have it: for the first
    /// `head_start_ms` in which it could be claimed nobody else claims it, and they take it as if its
    /// turn were so many milliseconds of work earlier. Both are bounded, so nothing waits for ever for
    /// a process that is busy or dead, nor for one that is fond of others.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim(&self, which: Claimable) -> Result<Option<Claimed>, Error> {
        self.claim_if(which, true).await
    }

    /// The same, but leaves a job alone that would begin its last attempt after others.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim_but_last(&self, which: Claimable) -> Result<Option<Claimed>, Error> {
        self.claim_if(which, false).await
    }

    async fn claim_if(&self, which: Claimable, last: bool) -> Result<Option<Claimed>, Error> {
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_ms = {now},
                lease_token = $1, lease_until_ms = {now} + $2
            WHERE id = (SELECT id FROM jobs
                WHERE (state = 'queued' AND run_at_ms <= {now}
                        OR state = 'running' AND lease_until_ms <= {now} AND {up} >= $6)
                    AND attempts < attempts_max AND cancel = 0
                    AND ($7 = 1 OR attempts = 0 OR attempts + 1 < attempts_max)
                    AND ($3 = 0 OR vault NOT IN (SELECT vault FROM jobs
                        WHERE state = 'running' AND lease_until_ms > {now}))
                    AND ('model ' || model_digest IN ({held} AND node = $4)
                        OR 'model ' || model_digest NOT IN ({held}))
                    AND (evaluation_key IS NULL OR run_at_ms <= {now} - $5
                        OR 'key ' || vault || key_id IN ({held} AND node = $4)
                        OR 'key ' || vault || key_id NOT IN ({held}))
                ORDER BY turn - CASE WHEN evaluation_key IS NOT NULL
                        AND 'key ' || vault || key_id IN ({held} AND node = $4)
                    THEN $5 ELSE 0 END, id
                LIMIT 1 {skip_locked})
            RETURNING {row}",
        );
        let query = sqlx::query(sql)
            .bind(hex::encode(random()?))
            .bind(self.lease_ms())
            .bind(i64::from(which == Claimable::OfIdleVaults))
            .bind(self.node.clone())
            .bind(signed(self.settings.head_start_ms))
            .bind(self.return_ms())
            .bind(i64::from(last));
        let Some(row) = first(self.database.write(query).await?) else {
            return Ok(None);
        };
        let claimed = to_claimed(&row)?;
        self.changes.changed(claimed.id);
        if claimed.evaluation_key.is_some() && self.database.shared {
            // It is about to be fetched: the next job with it had better come here as well.
            if let Err(error) = self.hold([Holding::Key(claimed.vault, claimed.key)]).await {
                tracing::warn!(%error, "others are not told what is here");
            }
        }
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
        let query = sqlx::query(sql)
            .bind(job.to_string())
            .bind(lease.0.clone())
            .bind(self.lease_ms())
            .bind(serde_json::to_string(progress)?);
        let held = first(self.database.write(query).await?);
        self.changes.changed(job);
        let cancel = held.map(|row| row.try_get::<i64, _>("cancel"));
        Ok(match cancel.transpose()? {
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
            End::Postponed => (
                State::Queued,
                None,
                pause_ms(self.settings.retry_pause_ms, claimed.attempts),
                0,
            ),
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
        let held = first(self.database.write(query).await?).is_some();
        self.changes.changed(claimed.id);
        // The vault may have another that had to wait for this one.
        self.changes.pushed();
        Ok(held)
    }

    /// Ends jobs that nobody will end: those whose worker died in the last attempt, and those that
    /// were cancelled meanwhile. Returns how each of them ended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn bury(&self) -> Result<Vec<State>, Error> {
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET finished_ms = {now}, storage_grant = NULL, evaluation_key = NULL,
                lease_token = NULL, lease_until_ms = NULL,
                state = CASE cancel WHEN 1 THEN 'cancelled' ELSE 'failed' END,
                problem = CASE cancel WHEN 1 THEN NULL ELSE $1 END
            WHERE id IN (SELECT id FROM jobs
                WHERE (state = 'queued'
                        OR state = 'running' AND lease_until_ms <= {now} AND {up} >= $2)
                    AND (cancel = 1 OR attempts >= attempts_max) {skip_locked})
            RETURNING id, state",
        );
        let problem = Problem::new(
            ProblemType::AttemptsExhausted,
            "compute stopped in the middle of this job each time that it was tried; \
             submit it again, with fewer images if there were many",
        );
        let query = sqlx::query(sql)
            .bind(serde_json::to_string(&problem)?)
            .bind(self.return_ms());
        let buried = self.database.write(query).await?;
        for row in &buried {
            let id: &str = row.try_get("id")?;
            tracing::warn!(job = id, "buried: cancelled, or no attempts left");
            if let Ok(id) = id.parse() {
                self.changes.changed(id);
            }
        }
        buried.iter().map(state).collect()
    }

    /// Forgets jobs that ended long ago. Returns how many.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let sql = self.database.dialect.sql(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs
                WHERE finished_ms <= {now} - $1 {skip_locked}) RETURNING id",
        );
        let query = sqlx::query(sql).bind(signed(self.settings.keep_finished_ms));
        let forgotten = self.database.write(query).await?.len();
        self.forget_holdings().await?;
        self.forget_usage().await?;
        Ok(forgotten)
    }

    /// Ends the leases of a process that is proven to be dead.
    pub(super) async fn end_leases_of_the_dead(&self) -> Result<usize, Error> {
        let sql = "UPDATE jobs SET lease_until_ms = 0 WHERE state = 'running' RETURNING id";
        Ok(self.database.write(sqlx::query(sql)).await?.len())
    }

    fn lease_ms(&self) -> i64 {
        signed(self.settings.lease_ms)
    }

    /// How long a database that came back waits for those who hold leases.
    fn return_ms(&self) -> i64 {
        self.lease_ms().min(RETURN_MS)
    }
}

pub(super) fn pause_ms(first_ms: u64, attempts: u32) -> i64 {
    let doublings = attempts.saturating_sub(1).min(16);
    let pause_ms = first_ms.saturating_mul(1 << doublings);
    signed(pause_ms.min(RETRY_PAUSE_MAX_MS.max(first_ms)))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses = [1, 2, 3, 4, 200].map(|attempts| pause_ms(10_000, attempts));
        assert_eq!(pauses, [10_000, 20_000, 40_000, 60_000, 60_000]);
        assert_eq!(pause_ms(3_600_000, 2), 3_600_000);
    }
}
