//! Compute: runs models on encrypted images and never sees what is in them.
//!
//! A job arrives with a grant of storage; it waits in a durable [`queue`]; the [`worker`] fetches
//! its images, evaluates the model on threads of its own, with the evaluation key of its owner where it is
//! a network, and puts the results back. The web
//! [`routes`] only read and write the queue. Whoever submits a job owns it by a token of which the
//! SHA-256 is kept; storage's own tokens never come here.

pub mod app;
pub mod config;
pub mod error;
pub mod key_cache;
pub mod metrics;
pub mod models;
pub mod queue;
pub mod routes;
pub mod storage;
pub mod threads;
pub mod worker;

pub use crate::app::{Handle, Server, check, openapi, serve};
pub use crate::config::Config;
pub use crate::error::Error;
