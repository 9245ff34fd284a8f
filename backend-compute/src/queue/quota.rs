//! How much an owner may ask for, counted by the database in the transaction that takes the job: so the
//! limits hold exactly, over all processes that share the queue.
//!
//! A day begins at midnight UTC by the database's clock. A job counts from when it was taken, whatever
//! becomes of it.
//!
//! Whoever submits is known by a token that anybody can make up, and names a vault that may be another's.
//! So a job counts for the token when it is taken, and for the vault when storage has shown that the job
//! may read from it: many tokens do not make a vault's day longer, and nobody uses up another's.

use darkroom_api::problem::{Quota, QuotaUnit};
use darkroom_api::token::TokenHash;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::row::Claimed;
use super::{Queue, first};
use crate::error::Error;

/// A day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Adds one to the jobs of an owner's day.
pub(super) const COUNT: &str = "INSERT INTO usage (owner, day, jobs) VALUES ($1, {today}, 1)
    ON CONFLICT (owner, day) DO UPDATE SET jobs = usage.jobs + 1";

impl Queue {
    /// Which limit a job has met that was not taken.
    pub(super) async fn too_many(&self, owner: TokenHash) -> Result<Error, Error> {
        let sql = self.database.dialect.sql(
            "SELECT {now} AS now_ms, (SELECT COUNT(*) FROM jobs
                    WHERE state IN ('queued', 'running') AND owner = $1) AS at_once,
                COALESCE((SELECT jobs FROM usage WHERE owner = $1 AND day = {today}), 0) AS today",
        );
        let query = sqlx::query(sql).bind(owner.to_string());
        let rows = self.database.read(query).await?;
        let Some(row) = first(rows) else {
            return Err(Error::DatabaseSilent);
        };
        let (now_ms, at_once) = (number(&row, "now_ms")?, number(&row, "at_once")?);
        let (today, limits) = (number(&row, "today")?, &self.limits);
        let quota = |unit, used, max: u32, free_at_ms| Quota {
            unit,
            used,
            max: max.into(),
            free_at_ms,
        };
        Ok(if today >= u64::from(limits.jobs_per_day) {
            let midnight_ms = (now_ms / DAY_MS + 1) * DAY_MS;
            let (unit, midnight) = (QuotaUnit::JobsToday, Some(midnight_ms));
            Error::TooManyToday {
                quota: quota(unit, today, limits.jobs_per_day, midnight),
                wait_s: (midnight_ms - now_ms).div_ceil(1000),
            }
        } else if at_once >= u64::from(limits.jobs_per_owner) {
            let (unit, max) = (QuotaUnit::Jobs, limits.jobs_per_owner);
            Error::TooManyJobs(quota(unit, at_once, max, None))
        } else {
            Error::QueueFull { limit: limits.jobs }
        })
    }

    /// Counts a job for its vault, on the day that it was submitted and once, however often it is tried.
    /// Storage has let it read from the vault. False if the vault has had as many as it may, or the lease was lost.
    ///
    /// # Errors
    /// The database fails.
    pub async fn charge(&self, claimed: &Claimed) -> Result<bool, Error> {
        let (job, vault) = (claimed.id.to_string(), claimed.vault.to_string());
        let dialect = &self.database.dialect;
        let sql = "UPDATE jobs SET charged = 1
            WHERE id = $1 AND lease_token = $2 AND charged = 0
                AND COALESCE((SELECT usage.jobs FROM usage
                    WHERE usage.owner = $3 AND usage.day = created_ms / 86400000), 0) < $4
            RETURNING id";
        let mark = sqlx::query(dialect.sql(sql))
            .bind(job.clone())
            .bind(claimed.lease.0.clone())
            .bind(vault.clone())
            .bind(i64::from(self.limits.jobs_per_day));
        let sql = "INSERT INTO usage (owner, day, jobs)
            SELECT $1, created_ms / 86400000, 1 FROM jobs WHERE id = $2
            ON CONFLICT (owner, day) DO UPDATE SET jobs = usage.jobs + 1";
        let count = sqlx::query(sql).bind(vault).bind(job.clone());
        if first(self.database.write_both(mark, count).await?).is_some() {
            return Ok(true);
        }
        let sql = "SELECT id FROM jobs WHERE id = $1 AND charged = 1";
        let query = sqlx::query(sql).bind(job);
        Ok(first(self.database.read(query).await?).is_some())
    }

    /// Forgets how many jobs were submitted before yesterday: yesterday's may still be waiting.
    pub(super) async fn forget_usage(&self) -> Result<(), Error> {
        let sql = "DELETE FROM usage WHERE day < {today} - 1";
        let query = sqlx::query(self.database.dialect.sql(sql));
        self.database.write(query).await.map(drop)
    }
}

fn number(row: &AnyRow, column: &str) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}
