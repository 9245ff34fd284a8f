//! The built page in a real browser, with the real services behind.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod journey;
mod pictures;
mod secrecy;
mod steps;
mod trouble;
