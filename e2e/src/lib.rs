//! What the tests of the whole path share: the real services as child processes, a proxy that
//! records every byte a browser sends, a real browser, and a search for secrets in what was sent.
//!
//! Start them by `cargo xtask test --only page --only e2e`, which builds what they drive.

pub mod browser;
pub mod evaluation_key;
pub mod networks;
pub mod owner;
pub mod places;
#[allow(missing_docs, clippy::unwrap_used)]
#[path = "../../backend-compute/tests/api/support/postgres.rs"]
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod scrape;
pub mod secrets;
pub mod services;
pub mod transit;
pub mod twin;
