//! The page: keys, encryption and decryption in the browser.
//!
//! Two programs are built from this crate. `app` is what people see ([`page`]); `worker` holds the
//! key and does all that takes time ([`worker`]). They meet in [`protocol`], and [`bridge`] is the
//! page's side of it.

pub mod bridge;
pub mod page;
pub mod protocol;
pub mod worker;

/// Where trunk puts the script that loads the worker.
const WORKER_URL: &str = "/worker_loader.js";
