//! A typed client of storage and compute, over HTTP; the command line, compute and the tests use it.
//!
//! A base is the URL in front of `/v1/...`: a service's own (`http://storage:7001`) or the
//! gateway's prefix (`http://gateway:7000/api/storage`).

mod access;
mod carrier;
mod compute;
mod events;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{ClientBuilder, Method, Request, RequestBuilder, Response};
use serde::de::DeserializeOwned;

pub use self::carrier::{Carrier, CarryError};
pub use self::compute::Compute;
pub use self::events::JobEvents;
pub use self::storage::Storage;
use crate::audit::ChainError;
use crate::problem::{MEDIA_TYPE, Problem, ProblemType};
use crate::token::{GRANT, Token};

/// The longest JSON body that the client reads.
const JSON_MAX_BYTES: usize = 8 << 20;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a service may stay silent within an answer; keep-alives of event streams are shorter.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one call waits altogether where it is made too often.
const RATE_PATIENCE: Duration = Duration::from_secs(20);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The service answered with a problem.
    #[error(transparent)]
    Problem(#[from] Box<Problem>),
    /// No answer: nothing listens there, or the connection broke.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// What was asked, without its query.
        url: String,
        /// What the network said.
        source: reqwest::Error,
    },
    /// The sealed link to the service did not carry the request or its answer.
    #[error("the sealed link to {url} failed: {detail}")]
    Link {
        /// What was asked, without its query.
        url: String,
        /// What went wrong.
        detail: String,
        /// Whether it may work a little later.
        is_transient: bool,
    },
    /// An answer that is not of this contract.
    #[error("{url} answered in a way that is not understood: {detail}")]
    Unexpected {
        /// What was asked, without its query.
        url: String,
        /// What is odd about it.
        detail: String,
    },
    /// A failure without a reason: not of a service but of its HTTP server, or of a proxy before it.
    #[error("{url} answered with status {status} and no reason")]
    Status {
        /// What was asked, without its query.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The log of a vault is not one chain: it was altered.
    #[error("the log of the vault was altered: {0}")]
    Chain(#[from] ChainError),
    /// An answer longer than the caller allows.
    #[error("{url} sent more than {max_bytes} bytes")]
    TooLarge {
        /// What was asked, without its query.
        url: String,
        /// The caller's limit.
        max_bytes: usize,
    },
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl ClientError {
    /// The problem, if the service named one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Link { is_transient, .. } => *is_transient,
            // Tomorrow is not a little later.
            Self::Problem(problem) => {
                problem.kind != ProblemType::TooManyJobsToday && may_pass(problem.status)
            }
            Self::Status { status, .. } => may_pass(*status),
            Self::Unexpected { .. } | Self::Chain(_) | Self::TooLarge { .. } => false,
        }
    }
}

/// Whether what this HTTP status says does not last.
fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 502 | 503 | 504)
}

/// What opens a vault's objects.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// The owner's token.
    Owner(&'a Token),
    /// A grant, as storage made it.
    Grant(&'a str),
}

impl Access<'_> {
    fn authorization(self) -> String {
        match self {
            Self::Owner(token) => token.authorization(),
            Self::Grant(grant) => format!("{GRANT} {grant}"),
        }
    }
}

/// Shorter than the keep-alive of the services, so that they never close a connection in use.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// Sets how patient a client of this contract is: a silent service is given up, and no answer sends
/// it elsewhere.
pub fn patient(client: ClientBuilder) -> ClientBuilder {
    client
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(reqwest::redirect::Policy::none())
}

/// One service at one base URL.
#[derive(Debug, Clone)]
struct Endpoint {
    base: String,
    http: reqwest::Client,
    carrier: Arc<dyn Carrier>,
}

impl Endpoint {
    fn new(base: &str) -> Result<Self, ClientError> {
        let http = patient(reqwest::Client::builder()).build();
        let http = http.map_err(|source| ClientError::Unreachable {
            url: base.to_owned(),
            source,
        })?;
        Ok(Self::over(base, http.clone(), Arc::new(http)))
    }

    fn over(base: &str, http: reqwest::Client, carrier: Arc<dyn Carrier>) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            http,
            carrier,
        }
    }

    fn request(&self, method: Method, path: &str, authorization: Option<String>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    /// Sends and returns the answer if it is a success, its problem otherwise. Whoever asks too often
    /// waits as long as he is told and asks again, but not for ever.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let mut request = request.build().map_err(unreachable)?;
        let mut left = RATE_PATIENCE;
        loop {
            let again = request.try_clone();
            let outcome = self.send_once(request).await;
            let wait = outcome.as_ref().err().and_then(rate_wait);
            match (wait, again) {
                (Some(wait), Some(again)) if wait <= left => {
                    tokio::time::sleep(wait).await;
                    left -= wait;
                    request = again;
                }
                _ => return outcome,
            }
        }
    }

    async fn send_once(&self, request: Request) -> Result<Response, ClientError> {
        let url = plain_url(request.url());
        let response = self.carrier.carry(request).await;
        let response = response.map_err(|error| match error {
            CarryError::Http(error) => unreachable(error),
            CarryError::Link {
                detail,
                is_transient,
            } => ClientError::Link {
                url,
                detail,
                is_transient,
            },
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, url) = (response.status(), plain_url(response.url()));
        let media = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let is_problem = media.is_some_and(|media| media.starts_with(MEDIA_TYPE));
        if is_problem {
            let body = read(response, JSON_MAX_BYTES).await?;
            if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
                return Err(problem.into());
            }
        }
        let status = status.as_u16();
        Err(ClientError::Status { url, status })
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let url = plain_url(response.url());
        let body = read(response, JSON_MAX_BYTES).await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Unexpected {
            url,
            detail: error.to_string(),
        })
    }
}

/// How long to wait before the same call again, if it was made too soon.
fn rate_wait(error: &ClientError) -> Option<Duration> {
    let problem = error.problem()?;
    let limited = problem.kind == ProblemType::RateLimited;
    let wait_s = problem.retry_after_s.filter(|_| limited)?;
    Some(Duration::from_secs(wait_s.max(1)))
}

/// Reads a body of at most `max_bytes`.
async fn read(response: Response, max_bytes: usize) -> Result<Bytes, ClientError> {
    let url = plain_url(response.url());
    let mut body = BytesMut::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(unreachable)?;
        if body.len() + chunk.len() > max_bytes {
            return Err(ClientError::TooLarge { url, max_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unreachable(source: reqwest::Error) -> ClientError {
    let url = source.url().map(plain_url).unwrap_or_default();
    ClientError::Unreachable {
        url,
        source: source.without_url(),
    }
}

fn plain_url(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}
