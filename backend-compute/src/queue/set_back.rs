//! What a clock that was set back has left too far ahead.
//!
//! Leases and pauses end at a time by the database's clock. If it is set back by hours, what was written
//! before would last for hours: the job of a dead worker would wait for its lease, a queued one for its
//! turn. No lease and no pause is ever as long as that, so they are cut to what they could be.

use super::lease::{pause_ms, signed};
use super::{Queue, row};
use crate::error::Error;

/// How many times its own lease a process lets another's be, which may be configured otherwise.
const LEASES_MAX: u64 = 4;

impl Queue {
    /// Lets queued jobs that are due far ahead be due now, and leases that end far ahead end in time:
    /// whoever holds one renews it. Returns how many.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pull_back(&self) -> Result<usize, Error> {
        let sql = self.database.dialect.sql(
            "UPDATE jobs SET run_at_ms = CASE state WHEN 'queued' THEN {now} ELSE run_at_ms END,
                lease_until_ms = CASE state WHEN 'running' THEN {now} + $1 ELSE lease_until_ms END
            WHERE id IN (SELECT id FROM jobs
                WHERE state = 'queued' AND run_at_ms > {now} + $2
                    OR state = 'running' AND lease_until_ms > {now} + $3 {skip_locked})
            RETURNING {row}",
        );
        let lease_ms = self.settings.lease_ms;
        let query = sqlx::query(sql)
            .bind(signed(lease_ms))
            .bind(pause_ms(self.settings.retry_pause_ms, u32::MAX).max(signed(lease_ms)))
            .bind(signed(lease_ms.saturating_mul(LEASES_MAX)));
        let pulled = self.database.write(query).await?;
        for row in &pulled {
            let job = row::to_job(row)?;
            tracing::warn!(job = %job.id, "the clock was set back: no longer due that far ahead");
            self.changes.changed(job.id);
        }
        Ok(pulled.len())
    }
}
