//! What the processes that share a queue have: it draws jobs to those that can begin at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use darkroom_api::ids::{KeyId, VaultId};

use super::Queue;
use crate::error::Error;

/// How long it is believed that a process has something.
const BELIEVED_MS: i64 = 10_000;
/// What was said so lately need not be said again.
const LATELY: Duration = Duration::from_millis(2500);

/// Something that a job needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// An evaluation key, expanded or about to be.
    Key(VaultId, KeyId),
    /// The model of this digest.
    Model(String),
}

/// When what was said last.
pub(super) type Said = Mutex<HashMap<String, Instant>>;

impl Holding {
    /// As it stands in the table; [`Queue::claim`] makes the same of a job.
    fn name(&self) -> String {
        match self {
            Self::Key(vault, key) => format!("key {vault}{key}"),
            Self::Model(digest) => format!("model {digest}"),
        }
    }
}

impl Queue {
    /// Whether processes on other machines may share the queue. If not, nobody cares what is here.
    pub fn is_shared(&self) -> bool {
        self.database.shared
    }

    /// Says that these are here. To be said again every few seconds.
    ///
    /// # Errors
    /// The database fails.
    pub async fn hold(&self, holdings: impl IntoIterator<Item = Holding>) -> Result<(), Error> {
        let sql = "INSERT INTO holdings (node, what, until_ms) VALUES ($1, $2, {now} + $3)
            ON CONFLICT (node, what) DO UPDATE SET until_ms = excluded.until_ms";
        for holding in holdings {
            let name = holding.name();
            if !self.is_new(&name) {
                continue;
            }
            let query = sqlx::query(self.database.dialect.sql(sql))
                .bind(self.node.clone())
                .bind(name.clone())
                .bind(BELIEVED_MS);
            self.database.write(query).await?;
            self.said().insert(name, Instant::now());
        }
        Ok(())
    }

    /// Says that nothing is here any more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn hold_nothing(&self) -> Result<(), Error> {
        self.said().clear();
        let query = sqlx::query("DELETE FROM holdings WHERE node = $1").bind(self.node.clone());
        self.database.write(query).await.map(drop)
    }

    /// Forgets what is not believed any more.
    pub(super) async fn forget_holdings(&self) -> Result<(), Error> {
        let sql = "DELETE FROM holdings WHERE until_ms <= {now}";
        let query = sqlx::query(self.database.dialect.sql(sql));
        self.database.write(query).await.map(drop)
    }

    fn is_new(&self, name: &str) -> bool {
        let mut said = self.said();
        said.retain(|_, at| at.elapsed() < LATELY);
        !said.contains_key(name)
    }

    fn said(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
