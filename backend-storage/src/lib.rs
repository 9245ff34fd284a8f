//! Darkroom's storage: it keeps ciphertexts in vaults and hands them to whoever may have them.
//!
//! To it an object is bytes behind a [`darkroom_api::header`]; it never links the FHE library. All
//! state lies in one object store, a folder of a disk or a bucket, so there is nothing to repair after a
//! crash, and any number of processes work on one bucket:
//!
//! | key | content |
//! |---|---|
//! | `vaults/{vault}` | the vault's record: epoch, hash of its first token, when it was opened |
//! | `data/{vault}-{epoch}/{collection}/{object}` | an object, visible as soon as it is there |
//! | `data/{vault}-{epoch}/notes-{collection}/{object}` | the sealed note beside an object |
//! | `data/{vault}-{epoch}/tokens/{token}`, `.../replaced/{token}` | what [`tokens`] keeps |
//! | `logs/{vault}-{epoch}/{number}` | a part of the vault's log: [`chain`] |
//! | `invitations/...`, `invitations-used/...` | what [`invitations`] keeps |
//! | `staging/{random}` | an upload that is not yet checked; swept when it is left behind |
//! | `staging/probe-{random}` | what is written to try the store |
//! | `server/grant-key` | the key that signs grants, made once |
//!
//! A vault that is opened again after its deletion has another epoch, so nothing of the old one can
//! come back.

mod app;
mod auth;
mod chain;
mod clock;
mod config;
mod create_only;
mod disk;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod grant;
mod half_written;
mod invitations;
mod journal;
mod keys;
mod ledger;
mod limited;
mod measured;
mod metrics;
mod objects;
mod retention;
mod rights;
mod routes;
mod s3;
mod stage;
mod store;
mod stored;
mod sweep;
mod tokens;
mod upload;
mod vaults;

pub use app::{Service, check, openapi, serve};
pub use config::{Config, Limits, Sweep, Upload};
pub use error::Error;
pub use invitations::{Opening, invite};
pub use journal::Audit;
pub use retention::Retention;
pub use s3::{S3Create, S3Settings, Secret};
