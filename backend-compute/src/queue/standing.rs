//! How the queue stands, for whoever runs the service.

use std::time::{Duration, Instant};

use darkroom_api::compute::State;
use sqlx::Row;
use sqlx::any::AnyRow;
use tokio::sync::Mutex;

use super::{Queue, first, row};
use crate::error::Error;

/// How long it is told again what was found: whoever asks more often does not cost more.
const FRESH: Duration = Duration::from_secs(1);

/// How the queue stands, whoever works on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many jobs there are of a state; none of states that are not here.
    pub jobs: Vec<(State, u64)>,
    /// How long ago the oldest job was submitted that waits, in milliseconds; 0 if none does.
    pub oldest_waiting_ms: u64,
    /// How long one machine like this would compute for all that wait, in milliseconds.
    pub waiting_work_ms: u64,
    /// Processes that work on it.
    pub nodes: u64,
}

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<Option<(Instant, Standing)>>);

impl Queue {
    /// How the queue stands, or stood a second ago.
    ///
    /// # Errors
    /// The database fails.
    pub async fn standing(&self) -> Result<Standing, Error> {
        let mut found = self.found.0.lock().await;
        if let Some((at, standing)) = &*found
            && at.elapsed() < FRESH
        {
            return Ok(standing.clone());
        }
        let standing = self.look().await?;
        *found = Some((Instant::now(), standing.clone()));
        Ok(standing)
    }

    pub(super) async fn look(&self) -> Result<Standing, Error> {
        let sql = "SELECT state, COUNT(*) AS jobs, CAST({now} - MIN(created_ms) AS BIGINT) AS age,
            CAST(SUM(turn_end - turn) AS BIGINT) AS work FROM jobs GROUP BY state";
        let query = sqlx::query(self.database.dialect.sql(sql));
        let mut standing = Standing {
            nodes: self.nodes().await?,
            ..Standing::default()
        };
        for found in self.database.read(query).await? {
            let (state, jobs) = row::to_count(&found)?;
            standing.jobs.push((state, jobs));
            if state == State::Queued {
                standing.oldest_waiting_ms = number(&found, "age")?;
                standing.waiting_work_ms = number(&found, "work")?;
            }
        }
        Ok(standing)
    }

    async fn nodes(&self) -> Result<u64, Error> {
        if !self.is_shared() {
            return Ok(1);
        }
        let sql = "SELECT COUNT(DISTINCT node) AS nodes FROM holdings WHERE until_ms > {now}";
        let query = sqlx::query(self.database.dialect.sql(sql));
        let found = first(self.database.read(query).await?);
        found.map_or(Ok(0), |found| number(&found, "nodes"))
    }
}

/// Clocks that were set back give no negative ages.
fn number(row: &AnyRow, column: &str) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}
