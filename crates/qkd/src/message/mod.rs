//! The sealed form of one message body: a header, then segments. docs/PROTOCOL.md gives it byte by
//! byte, with test vectors.
//!
//! Security: the message's key comes from one QKD key and, in hybrid mode, one ML-KEM-768 shared
//! secret by HKDF-SHA256, so that it is secret as long as either is. Header and [`Context`] go into
//! the derivation: what was sealed for one place opens at no other. Segments are counted in the
//! nonce and the last one is marked, so that none can be left out, moved, repeated or added.

mod context;
mod header;
mod kem;
mod open;
mod seal;
mod stream;
#[cfg(test)]
mod tests;

pub use self::context::{Context, Direction, EPOCH_BYTES, EXCHANGE_BYTES};
pub use self::header::{HEADER_BYTES_MAX, Header, Mode};
pub use self::kem::{
    CIPHERTEXT_BYTES, DecapsulationKey, ENCAPSULATION_KEY_BYTES, SHARED_SECRET_BYTES, SharedSecret,
    encapsulate,
};
pub use self::open::Opener;
pub use self::seal::{Sealer, sealed_bytes};
pub use self::stream::{Opened, Sealed, read_header};

/// The most plain bytes in a segment.
pub const SEGMENT_BYTES: usize = 64 << 10;
/// What stands before a segment: its length, and whether it is the last.
const PREFIX_BYTES: usize = 4;
/// What AES-256-GCM adds to a segment.
const TAG_BYTES: usize = 16;
/// In a segment's prefix: this is the last one.
const LAST: u32 = 1 << 31;

/// Why a message is not opened, or not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message has not the form of one.
    #[error("not a sealed message of a version that is known here: {0}")]
    Malformed(&'static str),
    /// A segment was altered, moved or repeated, or belongs to another message, place or key.
    #[error("segment {segment} of a sealed message is not genuine")]
    Forged {
        /// Which one, from 0.
        segment: u64,
    },
    /// The message ends before its last segment.
    #[error("a sealed message was cut off")]
    Truncated,
    /// Something follows the last segment.
    #[error("something follows the end of a sealed message")]
    Trailing,
    /// The body is not as long as announced.
    #[error("a message of {announced_bytes} bytes was announced and another length came")]
    Length {
        /// What the header says.
        announced_bytes: u64,
    },
    /// The ML-KEM key or ciphertext is not one.
    #[error("an ML-KEM-768 key or ciphertext is not valid")]
    Kem,
    /// The cryptography refuses to work, for instance for lack of randomness.
    #[error("the cryptography failed")]
    Crypto,
}
