//! The service on the client's premises: it serves the page and passes requests on.
//!
//! The page, storage and compute have one origin here, so that the page needs no CORS and its
//! content security policy can forbid every other place. What is under `/api/storage` and
//! `/api/compute` goes on to those services as a stream, in both directions; the gateway reads no
//! body and keeps nothing. Only a plain path under `/v1/` and a short list of headers pass, never a
//! cookie.

mod app;
mod config;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod headers;
mod metrics;
mod page;
mod protection;
mod proxy;
mod ready;
mod target;
mod upload;

pub use app::{check, serve};
pub use config::{Config, Origin};
pub use error::Error;
