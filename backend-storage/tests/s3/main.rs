//! The real service over a bucket of a real S3 server: the same tests as over a disk, and what only a
//! bucket and several processes on it bring.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../api/crash.rs"]
mod crash;
mod create_only;
#[path = "../api/grants.rs"]
mod grants;
#[path = "../api/limits.rs"]
mod limits;
#[path = "../api/log.rs"]
mod log;
#[path = "../api/memory.rs"]
mod memory;
mod moving;
#[path = "../api/notes.rs"]
mod notes;
#[path = "../api/objects.rs"]
mod objects;
mod outage;
#[path = "../api/races.rs"]
mod races;
#[path = "../api/refusals.rs"]
mod refusals;
#[path = "../api/retention.rs"]
mod retention;
mod server;
mod side_by_side;
mod store;
#[path = "../api/strangers.rs"]
mod strangers;
#[path = "../api/support/mod.rs"]
mod support;
mod tls;
#[path = "../api/tokens.rs"]
mod tokens;
mod uploads;
#[path = "../api/vaults.rs"]
mod vaults;
