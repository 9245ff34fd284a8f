//! The built page in a real browser, with the real services behind.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod access;
mod damaged_key;
mod digits;
mod journey;
mod large_key;
mod pictures;
mod resumed;
mod secrecy;
mod steps;
mod transit;
mod trouble;
