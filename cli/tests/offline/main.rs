#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
//! The real binary over real files, without a server.

mod bad_input;
mod evaluate;
mod evaluation_keys;
mod keys;
mod network;
mod networks;
mod stages;
mod support;
