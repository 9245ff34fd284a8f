//! A pair of key management entities (KMEs) with a simulated BB84 link between them.
//!
//! One node is Alice, who sends photons, the other Bob, who measures them; only the photons are
//! simulated. What follows is done as with real ones, between two processes: sifting, counting errors,
//! correcting them by Cascade, comparing by a hash, and shortening by another one to what nobody else
//! can know. Applications fetch the keys by ETSI GS QKD 014. Since whoever runs the simulated fibre
//! could read the photons off it, the keys are for development and demonstration.

mod alice;
mod amplify;
mod bits;
mod bob;
mod cascade;
mod config;
mod core;
mod discussion;
mod error;
mod etsi;
#[doc(hidden)]
pub mod fuzz;
mod line;
mod message;
mod node;
mod page;
mod peer;
mod pool;
mod quantum;
mod random;
mod session;
pub mod trial;

pub use self::config::{Blocks, Channel, Config, Link, Peer, PoolLimits, Role, Tls};
pub use self::error::Error;
pub use self::line::{Block, Outcome, State};
pub use self::node::{Node, start};
pub use self::page::{LinkStatus, Status, Stock};
