//! The real service on a random port, over a real disk, asked by plain HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod clock;
mod config;
mod crash;
mod description;
mod disk;
mod grants;
mod http;
mod limits;
mod log;
mod many;
mod memory;
mod notes;
mod objects;
mod opening;
mod races;
mod rate;
mod rates;
mod refusals;
mod retention;
mod store;
mod strangers;
mod support;
mod timeouts;
mod tokens;
mod vaults;
