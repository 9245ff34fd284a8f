//! What carries requests to a service.

use std::fmt;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Request, Response};

/// Carries a request to its service and the answer back: an HTTP client, or one end of a sealed link.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Carries one request.
    fn carry(&self, request: Request) -> BoxFuture<'_, Result<Response, CarryError>>;
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryError {
    /// What the network said.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// What a sealed link says.
    #[error("{detail}")]
    Link {
        /// What went wrong.
        detail: String,
        /// Whether it may work a little later.
        is_transient: bool,
    },
}

impl Carrier for reqwest::Client {
    fn carry(&self, request: Request) -> BoxFuture<'_, Result<Response, CarryError>> {
        self.execute(request).map(|answer| Ok(answer?)).boxed()
    }
}
