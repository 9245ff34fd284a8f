//! The whole path without a browser: the real services, the FHE core, the typed client.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod backup;
mod collector;
mod command_line;
mod cuts;
mod deployment;
mod figures;
mod key_parts;
mod networks;
mod outages;
mod owners;
#[allow(dead_code)]
#[path = "../../../backend-compute/tests/api/support/postgres.rs"]
mod postgres;
mod refusals;
mod soak;
mod telemetry;
mod transit;
mod whole_path;
mod zoo;
