//! The contract between Darkroom's services.
//!
//! Everything that crosses a network between the page, the gateway, storage and compute is named
//! here once: [`ids`], the [`header`] in front of every object, the [`routes`], the bodies
//! ([`storage`], [`access`], [`compute`]) and the [`problem`] types. The crate knows no cryptography beyond
//! SHA-256; to it a ciphertext is bytes with a header. No type here can carry a secret key.

pub mod access;
pub mod audit;
#[cfg(feature = "client")]
pub mod client;
pub mod compute;
pub mod events;
pub mod header;
#[cfg(not(target_arch = "wasm32"))]
pub mod health;
pub mod ids;
pub mod problem;
pub mod protection;
pub mod routes;
pub mod storage;
pub mod token;
