//! The real service on a random port, with a real storage behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cancel;
mod catalogue;
mod contract;
mod description;
mod drain;
mod events;
mod full_disk;
mod images;
mod kill;
mod many;
mod networks;
mod nodes;
mod outage;
mod postgres;
mod rates;
mod requests;
mod strangers;
mod support;
mod turns;
