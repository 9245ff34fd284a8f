//! The header in front of every object: what it is, under which key and parameters, and its digest.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, `DARKROOM` |
//! | 8 | 2 | format version, little endian, now 1 |
//! | 10 | 2 | kind: 1 image, 2 evaluation key, 3 result |
//! | 12 | 4 | parameter-set id |
//! | 16 | 16 | key id |
//! | 32 | 8 | length of the payload in bytes |
//! | 40 | 32 | SHA-256 of the payload |
//!
//! The payload follows at offset 72 and ends the object.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::KeyId;

/// The first eight bytes of every object.
pub const MAGIC: [u8; 8] = *b"DARKROOM";
/// The newest format version; older ones stay readable.
pub const VERSION: u16 = 1;
/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 72;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// An encrypted image.
    Image,
    /// A part of an evaluation key: public to compute, useless for decryption.
    EvaluationKey,
    /// An encrypted result.
    Result,
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Image, Self::EvaluationKey, Self::Result];

    /// The collection's name in a route.
    pub fn segment(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::EvaluationKey => "keys",
            Self::Result => "results",
        }
    }

    /// The kind whose collection has this name.
    pub fn from_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.segment() == segment)
    }

    fn code(self) -> u16 {
        match self {
            Self::Image => 1,
            Self::EvaluationKey => 2,
            Self::Result => 3,
        }
    }
}

/// The number of a parameter set, as `docs/PARAMETERS.md` lists them. Opaque to this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct ParameterSetId(pub u32);

/// Why bytes are not an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Shorter than a header.
    #[error("the object ends within its header: {bytes} of {HEADER_BYTES} bytes")]
    Short {
        /// Bytes present.
        bytes: usize,
    },
    /// The magic number is missing: another kind of file.
    #[error("not a Darkroom object: it does not start with DARKROOM")]
    Magic,
    /// A format that this version does not know.
    #[error("format version {found} is not known here; the newest known is {VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// A kind that this version does not know.
    #[error("object kind {found} is not known here")]
    Kind {
        /// The code found.
        found: u16,
    },
    /// Another kind than asked for.
    #[error("expected {expected:?}, found {found:?}")]
    WrongKind {
        /// The kind asked for.
        expected: ObjectKind,
        /// The kind found.
        found: ObjectKind,
    },
    /// The payload is shorter or longer than announced.
    #[error("the header announces {announced} bytes of payload, {found} follow")]
    Length {
        /// Bytes announced.
        announced: u64,
        /// Bytes found.
        found: u64,
    },
    /// The payload is not the one the header was made for.
    #[error("the payload's SHA-256 is not the one in the header: the object was damaged")]
    Digest,
}

/// A parsed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub kind: ObjectKind,
    /// The parameter set of the ciphertexts.
    pub parameters: ParameterSetId,
    /// The secret key that they belong to.
    pub key: KeyId,
    /// Length of the payload.
    pub payload_bytes: u64,
    /// SHA-256 of the payload.
    pub sha256: [u8; 32],
}

impl Header {
    /// Describes a payload.
    pub fn describe(
        kind: ObjectKind,
        parameters: ParameterSetId,
        key: KeyId,
        payload: &[u8],
    ) -> Self {
        let sha256 = Sha256::digest(payload).into();
        Self {
            kind,
            parameters,
            key,
            payload_bytes: payload.len() as u64,
            sha256,
        }
    }

    /// Length of the whole object, header included; `None` if no object can be that long.
    pub fn object_bytes(&self) -> Option<u64> {
        self.payload_bytes.checked_add(HEADER_BYTES as u64)
    }

    /// The header as it travels.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[10..12].copy_from_slice(&self.kind.code().to_le_bytes());
        out[12..16].copy_from_slice(&self.parameters.0.to_le_bytes());
        out[16..32].copy_from_slice(&self.key.0);
        out[32..40].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[40..].copy_from_slice(&self.sha256);
        out
    }

    /// Reads the header at the start of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    /// Too short, another magic, an unknown version or kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let head: &[u8; HEADER_BYTES] = bytes
            .first_chunk()
            .ok_or(HeaderError::Short { bytes: bytes.len() })?;
        if head[..8] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let version = u16::from_le_bytes(field(head, 8));
        if version != VERSION {
            return Err(HeaderError::Version { found: version });
        }
        let code = u16::from_le_bytes(field(head, 10));
        let kind = ObjectKind::ALL.into_iter().find(|kind| kind.code() == code);
        Ok(Self {
            kind: kind.ok_or(HeaderError::Kind { found: code })?,
            parameters: ParameterSetId(u32::from_le_bytes(field(head, 12))),
            key: KeyId(field(head, 16)),
            payload_bytes: u64::from_le_bytes(field(head, 32)),
            sha256: field(head, 40),
        })
    }
}

fn field<const N: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|i| head[at + i])
}

/// Puts the header before a payload: the object as it is stored.
pub fn seal(kind: ObjectKind, parameters: ParameterSetId, key: KeyId, payload: &[u8]) -> Vec<u8> {
    let header = Header::describe(kind, parameters, key, payload);
    let mut object = Vec::with_capacity(HEADER_BYTES + payload.len());
    object.extend_from_slice(&header.to_bytes());
    object.extend_from_slice(payload);
    object
}

/// Checks a whole object and splits it into header and payload.
///
/// # Errors
/// Whatever is wrong with it: see [`HeaderError`].
pub fn open(object: &[u8], expected: ObjectKind) -> Result<(Header, &[u8]), HeaderError> {
    let header = Header::parse(object)?;
    if header.kind != expected {
        return Err(HeaderError::WrongKind {
            expected,
            found: header.kind,
        });
    }
    let payload = &object[HEADER_BYTES..];
    if header.payload_bytes != payload.len() as u64 {
        let found = payload.len() as u64;
        return Err(HeaderError::Length {
            announced: header.payload_bytes,
            found,
        });
    }
    if header.sha256 != <[u8; 32]>::from(Sha256::digest(payload)) {
        return Err(HeaderError::Digest);
    }
    Ok((header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        seal(
            ObjectKind::Image,
            ParameterSetId(1),
            KeyId([9; 16]),
            b"payload",
        )
    }

    #[test]
    fn an_object_opens_as_what_it_was_sealed() {
        let object = sample();
        let (header, payload) = open(&object, ObjectKind::Image).unwrap();
        assert_eq!(payload, b"payload");
        assert_eq!(header.object_bytes(), Some(object.len() as u64));
        assert_eq!(Header::parse(&header.to_bytes()), Ok(header));
    }

    #[test]
    fn every_flipped_bit_is_refused_or_seen() {
        let object = sample();
        let (header, _) = open(&object, ObjectKind::Image).unwrap();
        for bit in 0..object.len() * 8 {
            let mut bad = object.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok((other, _)) = open(&bad, ObjectKind::Image) {
                // Parameters and key are names: whoever uses the object compares them.
                assert_ne!(
                    (other.parameters, other.key),
                    (header.parameters, header.key)
                );
            }
        }
    }

    #[test]
    fn short_long_and_other_objects_have_their_own_errors() {
        let object = sample();
        for end in 0..HEADER_BYTES {
            assert_eq!(
                Header::parse(&object[..end]),
                Err(HeaderError::Short { bytes: end })
            );
        }
        let cut = open(&object[..object.len() - 1], ObjectKind::Image);
        assert_eq!(
            cut.unwrap_err(),
            HeaderError::Length {
                announced: 7,
                found: 6
            }
        );
        let long = [object.as_slice(), b"x"].concat();
        let long = open(&long, ObjectKind::Image).unwrap_err();
        assert_eq!(
            long,
            HeaderError::Length {
                announced: 7,
                found: 8
            }
        );
        let kind = open(&object, ObjectKind::Result).unwrap_err();
        assert!(matches!(kind, HeaderError::WrongKind { .. }));
    }

    #[test]
    fn version_1_objects_stay_readable() {
        let stored = include_bytes!("../tests/data/object-v1.bin");
        assert_eq!(stored.as_slice(), sample());
    }
}
