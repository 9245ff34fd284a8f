//! What stands before the segments.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::MessageError;
use super::kem::CIPHERTEXT_BYTES;
use crate::key::KeyId;

const MAGIC: &[u8; 4] = b"DRKL";
const VERSION: u8 = 1;
const UNKNOWN: u64 = u64::MAX;
const FIXED_BYTES: usize = 32;

/// The longest header.
pub const HEADER_BYTES_MAX: usize = FIXED_BYTES + CIPHERTEXT_BYTES;

/// What a message's key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A QKD key.
    Qkd,
    /// A QKD key and an ML-KEM shared secret.
    Hybrid,
}

/// What a message says of itself. All of it is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The QKD key that it is sealed with.
    pub key: KeyId,
    /// The plain body's length in bytes; nothing if it was not known at the start.
    pub length_bytes: Option<u64>,
    /// The ML-KEM ciphertext, in hybrid mode.
    pub kem: Option<Bytes>,
}

impl Header {
    /// The mode in which the message is sealed.
    pub fn mode(&self) -> Mode {
        match self.kem {
            Some(_) => Mode::Hybrid,
            None => Mode::Qkd,
        }
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        FIXED_BYTES + self.kem.as_ref().map_or(0, Bytes::len)
    }

    /// How long it is with this beginning, as far as that can be said yet.
    ///
    /// # Errors
    /// It is not the beginning of a header.
    pub fn expected_bytes(beginning: &[u8]) -> Result<usize, MessageError> {
        let known = beginning.len().min(MAGIC.len());
        if beginning[..known] != MAGIC[..known] {
            return Err(MessageError::Malformed("the magic is another"));
        }
        match beginning.get(4) {
            Some(&VERSION) | None => {}
            Some(_) => return Err(MessageError::Malformed("the version is another")),
        }
        match beginning.get(5) {
            None | Some(1) => Ok(FIXED_BYTES),
            Some(2) => Ok(HEADER_BYTES_MAX),
            Some(_) => Err(MessageError::Malformed("the mode is unknown")),
        }
    }

    /// Reads a header of just these bytes.
    ///
    /// # Errors
    /// They are not a header.
    pub fn parse(bytes: &Bytes) -> Result<Self, MessageError> {
        if bytes.len() < FIXED_BYTES || bytes.len() != Self::expected_bytes(bytes)? {
            return Err(MessageError::Malformed("the header has another length"));
        }
        if bytes[6..8] != [0, 0] {
            return Err(MessageError::Malformed("reserved bits are set"));
        }
        let mut key = [0; 16];
        key.copy_from_slice(&bytes[8..24]);
        let mut length = [0; 8];
        length.copy_from_slice(&bytes[24..32]);
        let length = u64::from_be_bytes(length);
        let kem = bytes.slice(FIXED_BYTES..);
        Ok(Self {
            key: KeyId(Uuid::from_bytes(key)),
            length_bytes: (length != UNKNOWN).then_some(length),
            kem: (!kem.is_empty()).then_some(kem),
        })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.bytes());
        bytes.put_slice(MAGIC);
        bytes.put_u8(VERSION);
        bytes.put_u8(match self.mode() {
            Mode::Qkd => 1,
            Mode::Hybrid => 2,
        });
        bytes.put_u16(0);
        bytes.put_slice(self.key.0.as_bytes());
        bytes.put_u64(self.length_bytes.unwrap_or(UNKNOWN));
        if let Some(kem) = &self.kem {
            bytes.put_slice(kem);
        }
        bytes.freeze()
    }
}
