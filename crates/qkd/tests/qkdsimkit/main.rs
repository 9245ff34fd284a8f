//! Keys from QKDSimkit: from nodes that are played here, and from the real ones.

#![allow(clippy::unwrap_used, missing_docs)]

mod answers;
mod nodes;
mod package;
mod pair;
mod python;
mod real;
