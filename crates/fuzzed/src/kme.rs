//! The key management entities of this project.

use darkroom_kme::fuzz;

use crate::{SMALL_BYTES, within};

/// A request of an application for keys: a body or a query.
pub fn kme_request(bytes: &[u8]) -> bool {
    within(64 * bytes.len() + SMALL_BYTES, || fuzz::request(bytes))
}

/// A message between two nodes, or the pulses of a block behind their number.
pub fn kme_message(bytes: &[u8]) -> bool {
    let message = within(8 * bytes.len() + SMALL_BYTES, || fuzz::message(bytes));
    // A pulse is two bytes in memory, of which the number announces 2^16 at the most.
    let pulses = within(8 * bytes.len() + (1 << 18), || fuzz::pulses(bytes));
    message | pulses
}

/// A whole connection between two nodes, as `darkroom_kme::fuzz::session` says.
pub fn kme_session(bytes: &[u8]) -> bool {
    // Blocks of 4096 pulses, frames of 64 KiB.
    within(64 * bytes.len() + (4 << 20), || fuzz::session(bytes))
}
