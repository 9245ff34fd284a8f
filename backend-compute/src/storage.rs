//! Storage as a job sees it: by its grant alone, and with patience.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use darkroom_api::client::{Access, Carrier, CarryError, ClientError, Storage as Client, patient};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, VaultId};
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::protection::Seen;
use darkroom_api::routes::PROTECTION;
use darkroom_qkd::link::LinkClient;
use darkroom_telemetry::tell;
use futures_util::future::BoxFuture;
use reqwest::{Request, Response};
use tokio::sync::watch;

use crate::config::{Config, Storage as Patience};
use crate::error::Error;
use crate::metrics::Metrics;

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a look at what protects the way may take.
const GLANCE: Duration = Duration::from_secs(2);

/// How often a call may fail in storage itself before it is given up.
const STUMBLES_MAX: u32 = 2;

/// Storage.
#[derive(Debug)]
pub struct Storage {
    client: Client,
    /// Asked past the link, for what protects the connection beneath.
    http: reqwest::Client,
    protection_url: String,
    link: Option<Arc<LinkClient>>,
    patience: Duration,
    first_pause: Duration,
    object_bytes_max: usize,
    metrics: Arc<Metrics>,
}

/// Tells storage with each request what it is for.
#[derive(Debug)]
struct Telling(Arc<dyn Carrier>);

impl Carrier for Telling {
    fn carry(&self, mut request: Request) -> BoxFuture<'_, Result<Response, CarryError>> {
        tell(request.headers_mut());
        self.0.carry(request)
    }
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
    /// Storage as configured, over its sealed link if that is on. Within a tokio runtime.
    ///
    /// # Errors
    /// The HTTP client or the link cannot be set up.
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let http = http_client(config)?;
        let link = LinkClient::open(&config.storage_link, http.clone())?.map(Arc::new);
        let carrier: Arc<dyn Carrier> = match &link {
            Some(link) => Arc::clone(link) as _,
            None => Arc::new(http.clone()),
        };
        let Patience {
            patience_ms,
            pause_ms,
            ..
        } = config.storage;
        Ok(Self {
            client: Client::over(
                &config.storage_url,
                http.clone(),
                Arc::new(Telling(carrier)),
            ),
            protection_url: format!("{}{PROTECTION}", config.storage_url.trim_end_matches('/')),
            http,
            link,
            patience: Duration::from_millis(patience_ms),
            first_pause: Duration::from_millis(pause_ms),
            object_bytes_max: config.limits.image_bytes,
            metrics,
        })
    }

    /// The sealed link, if it is on.
    pub fn link(&self) -> Option<&Arc<LinkClient>> {
        self.link.as_ref()
    }

    /// What protects the way to storage; nothing if storage cannot be reached now.
    pub async fn protection(&self) -> Option<Seen> {
        let request = self.http.get(&self.protection_url).timeout(GLANCE);
        let answer = request.send().await.ok()?.error_for_status().ok()?;
        let here = darkroom_tls::is_loopback(&answer);
        let mut seen: Seen = answer.json().await.ok()?;
        seen.loopback &= here;
        seen.link = self.link.as_ref().map(|link| link.seen());
        Some(seen)
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

    /// Fetches a part of an evaluation key of so many bytes, header included and unchecked.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn key_part(
        &self,
        scope: Scope<'_>,
        id: ObjectId,
        bytes: usize,
        halt: &mut watch::Receiver<bool>,
    ) -> Result<Bytes, Trouble> {
        let access = Access::Grant(&scope.grant.0);
        let fetch = || {
            self.client
                .object(scope.vault, ObjectKind::EvaluationKey, id, access, bytes)
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
        // The patience begins with the first failure: it may have taken longer to be noticed.
        let (mut failing, mut pause, mut stumbles) = (None, self.first_pause, 0);
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let failure = Failure::from(&error);
            stumbles += u32::from(matches!(failure, Failure::Stumble(_)));
            let since = *failing.get_or_insert_with(Instant::now);
            let last = since.elapsed() + pause > self.patience;
            match failure {
                Failure::Refusal(problem) => return Err(Trouble::Refused(problem)),
                Failure::Stumble(problem) if last || stumbles > STUMBLES_MAX => {
                    return Err(Trouble::Refused(problem));
                }
                Failure::Outage(problem) if last => return Err(Trouble::Away(problem)),
                Failure::Stumble(_) | Failure::Outage(_) => {}
            }
            tracing::warn!(%error, "storage failed; trying again");
            self.metrics.work.storage_retries.inc();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = halt.wait_for(|halt| *halt) => return Err(Trouble::Halted),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

pub(crate) fn http_client(config: &Config) -> Result<reqwest::Client, Error> {
    let client = patient(darkroom_tls::http_client(&config.tls_client)?);
    let silence = Duration::from_millis(config.storage.silence_ms);
    client
        .read_timeout(silence)
        .no_proxy()
        .build()
        .map_err(Error::HttpClient)
}

/// What a failed call means.
#[derive(Debug, Clone, PartialEq)]
enum Failure {
    /// Trying again is of no use.
    Refusal(Problem),
    /// Storage is there and failed on this object; if that goes on, the object is damaged.
    Stumble(Problem),
    /// Storage is not there, or has no room, or too much to do.
    Outage(Problem),
}

impl From<&ClientError> for Failure {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => match (problem.kind, problem.status) {
                (ProblemType::DiskFull, _) => Self::Outage(Problem::clone(problem)),
                (_, 408 | 429 | 502..) => Self::Outage(unavailable()),
                (_, 500..) => Self::Stumble(Problem::clone(problem)),
                _ => Self::Refusal(Problem::clone(problem)),
            },
            ClientError::TooLarge { max_bytes, .. } => {
                let detail = format!("this object may have at most {max_bytes} bytes");
                Self::Refusal(Problem::new(ProblemType::TooLarge, detail))
            }
            // Something in between that does not speak for storage, such as a proxy.
            _ => Self::Outage(unavailable()),
        }
    }
}

/// Where storage is and what the network said is for the log alone.
fn unavailable() -> Problem {
    let detail = "compute could not reach storage for too long; submit the job again later";
    Problem::new(ProblemType::StorageUnavailable, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for &kind in ProblemType::ALL {
            let problem = Problem::new(kind, "");
            let expected = match kind.status() {
                507 => Failure::Outage(problem.clone()),
                408 | 429 | 502.. => Failure::Outage(unavailable()),
                500.. => Failure::Stumble(problem.clone()),
                _ => Failure::Refusal(problem.clone()),
            };
            assert_eq!(Failure::from(&ClientError::from(problem)), expected);
        }
    }
}
