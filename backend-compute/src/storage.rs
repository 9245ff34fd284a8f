//! Storage as a job sees it: by its grant alone, and with patience.

use std::time::{Duration, Instant};

use bytes::Bytes;
use darkroom_api::client::{Access, ClientError, Storage as Client};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, VaultId};
use darkroom_api::problem::{Problem, ProblemType};
use tokio::sync::watch;

use crate::config::{Config, Storage as Patience};
use crate::error::Error;

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Storage.
#[derive(Debug)]
pub struct Storage {
    client: Client,
    patience: Duration,
    first_pause: Duration,
    object_bytes_max: usize,
}

/// Why a call to storage brought nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Storage refused it, for good.
    Refused(Problem),
    /// Storage was away for longer than the patience.
    Away(Problem),
    /// Storage is away, and the job is to stop.
    Halted,
}

/// Whose objects, by what right.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The vault.
    pub vault: VaultId,
    /// Storage's grant.
    pub grant: &'a crate::queue::Grant,
}

impl Storage {
    /// Storage as configured.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let Patience {
            patience_ms,
            pause_ms,
        } = config.storage;
        Ok(Self {
            client: Client::new(&config.storage_url)?,
            patience: Duration::from_millis(patience_ms),
            first_pause: Duration::from_millis(pause_ms),
            object_bytes_max: config.limits.image_bytes,
        })
    }

    /// Fetches an image, header included and unchecked.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn image(
        &self,
        scope: Scope<'_>,
        id: ObjectId,
        halt: &mut watch::Receiver<bool>,
    ) -> Result<Bytes, Trouble> {
        let (access, max_bytes) = (Access::Grant(&scope.grant.0), self.object_bytes_max);
        let fetch = || {
            self.client
                .object(scope.vault, ObjectKind::Image, id, access, max_bytes)
        };
        self.patiently(halt, fetch).await
    }

    /// Stores a result. The same result again is no error, another under the same id is.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn put_result(
        &self,
        scope: Scope<'_>,
        id: ObjectId,
        object: Bytes,
        halt: &mut watch::Receiver<bool>,
    ) -> Result<(), Trouble> {
        let access = Access::Grant(&scope.grant.0);
        let put = || {
            self.client
                .put(scope.vault, ObjectKind::Result, id, access, object.clone())
        };
        self.patiently(halt, put).await.map(drop)
    }

    async fn patiently<T, F>(
        &self,
        halt: &mut watch::Receiver<bool>,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let (begun, mut pause) = (Instant::now(), self.first_pause);
        loop {
            let away = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let problem = away(&error).map_err(Trouble::Refused)?;
                    tracing::warn!(%error, "storage is away");
                    problem
                }
            };
            if begun.elapsed() + pause > self.patience {
                return Err(Trouble::Away(away));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = halt.wait_for(|halt| *halt) => return Err(Trouble::Halted),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// The problem that a job has if storage stays like this; `Err` if trying again is of no use.
fn away(error: &ClientError) -> Result<Problem, Problem> {
    let unavailable = || {
        let detail = "compute could not reach storage for too long; submit the job again later";
        Problem::new(ProblemType::StorageUnavailable, detail)
    };
    match error {
        ClientError::Problem(problem) => match problem.kind {
            ProblemType::DiskFull => Ok(problem.clone()),
            _ if problem.status >= 500 || matches!(problem.status, 408 | 429) => Ok(unavailable()),
            _ => Err(problem.clone()),
        },
        ClientError::TooLarge { max_bytes, .. } => {
            let detail = format!("compute takes objects of at most {max_bytes} bytes");
            Err(Problem::new(ProblemType::TooLarge, detail))
        }
        // Something in between that does not speak for storage, such as a proxy.
        _ => Ok(unavailable()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for &kind in ProblemType::ALL {
            let outcome = away(&Problem::new(kind, "").into());
            match kind.status() {
                507 => assert_eq!(outcome.unwrap().kind, ProblemType::DiskFull),
                408 | 429 | 500.. => {
                    assert_eq!(outcome.unwrap().kind, ProblemType::StorageUnavailable);
                }
                _ => assert_eq!(outcome.unwrap_err().kind, kind),
            }
        }
    }
}
