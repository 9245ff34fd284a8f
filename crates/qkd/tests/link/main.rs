//! Both ends of a link over real connections, with somebody in between.

#![allow(clippy::unwrap_used, missing_docs)]

mod hostile;
mod keys;
mod support;
mod traffic;
