//! An evaluation key, part by part.
//!
//! Part 0 holds the bodies of two keyswitch keys, from the image key and from the set's own GLWE key
//! to the small key; every other part those of the GGSWs of 32 bits of the small key, the last of
//! fewer. Masks follow from a public seed that each part has for itself, so parts that were made at
//! different times, or by different devices, make one key.

use sha2::{Digest, Sha256};

use super::bits;
use crate::Error;
use crate::params::{Bootstrap, ParameterSet};

const VERSION: u16 = 1;
const HEAD_BYTES: usize = 40;
const ID_DOMAIN: &[u8] = b"darkroom/evaluation-key/1";

/// The number of parts of such a key.
///
/// # Errors
/// [`Error::UnknownParameters`] unless the set is one for bootstrapping.
pub fn parts(parameters: u32) -> Result<u16, Error> {
    Ok(set(parameters)?.1.parts())
}

/// Length of the payload of a part, in bytes, the header of the services not counted.
///
/// # Errors
/// [`Error::UnknownParameters`], [`Error::NoSuchKeyPart`].
pub fn part_payload_bytes(parameters: u32, index: u16) -> Result<u64, Error> {
    let (set, bootstrap) = set(parameters)?;
    let (bodies, body_bits) = bootstrap.bodies(set, index)?;
    Ok((HEAD_BYTES + bits::packed_bytes(bodies, body_bits)) as u64)
}

/// Length of the payloads of all parts, in bytes.
///
/// # Errors
/// [`Error::UnknownParameters`] unless the set is one for bootstrapping.
pub fn total_payload_bytes(parameters: u32) -> Result<u64, Error> {
    (0..parts(parameters)?)
        .map(|index| part_payload_bytes(parameters, index))
        .sum()
}

/// The id of the object that holds a part: the first 16 bytes of SHA-256 of
/// `darkroom/evaluation-key/1`, the key id, the parameter set (u32) and the index (u16), little endian.
/// What is there already need not be sent again.
pub fn part_id(key_id: &[u8; 16], parameters: u32, index: u16) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(ID_DOMAIN);
    hash.update(key_id);
    hash.update(parameters.to_le_bytes());
    hash.update(index.to_le_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    id
}

/// The set of this number, if it is one for bootstrapping.
pub(crate) fn set(parameters: u32) -> Result<(&'static ParameterSet, Bootstrap), Error> {
    let unknown = Error::UnknownParameters { found: parameters };
    let set = ParameterSet::by_id(parameters).ok_or(unknown.clone())?;
    Ok((set, set.bootstrap.ok_or(unknown)?))
}

impl Bootstrap {
    pub(crate) fn parts(&self) -> u16 {
        let parts = 1 + self.small_dimension.div_ceil(self.bits_per_part);
        u16::try_from(parts).unwrap_or(u16::MAX)
    }

    /// The bits of the small key whose GGSWs a part holds: none for part 0.
    pub(crate) fn small_bits(&self, index: u16) -> std::ops::Range<usize> {
        let end = usize::from(index) * self.bits_per_part;
        let start = end.saturating_sub(self.bits_per_part);
        start.min(self.small_dimension)..end.min(self.small_dimension)
    }

    /// Bodies of a part, and the bits of each.
    fn bodies(&self, set: &ParameterSet, index: u16) -> Result<(usize, u32), Error> {
        let parts = self.parts();
        if index >= parts {
            return Err(Error::NoSuchKeyPart { index, parts });
        }
        Ok(match index {
            0 => (2 * self.keyswitch_rows(), self.keyswitch_body_bits),
            _ => {
                let rows = self.small_bits(index).len() * (set.glwe_dimension + 1);
                (rows * set.polynomial_size, self.body_bits)
            }
        })
    }
}

/// One part of an evaluation key, as it was sent.
///
/// Security: anyone may hold it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPart {
    pub(crate) parameters: &'static ParameterSet,
    index: u16,
    pub(crate) seed: [u8; 32],
    /// Torus elements of 2^64, or of 2^32 in part 0, rounded.
    pub(crate) bodies: Vec<u64>,
}

impl KeyPart {
    /// The index of the part among [`parts`].
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The number of its parameter set.
    pub fn parameters(&self) -> u32 {
        self.parameters.id
    }

    /// The payload of a part: bodies become rounded ones.
    #[cfg(feature = "client")]
    pub(crate) fn payload(
        parameters: u32,
        index: u16,
        seed: &[u8; 32],
        bodies: &[u64],
    ) -> Result<Vec<u8>, Error> {
        let (set, bootstrap) = set(parameters)?;
        let (count, body_bits) = bootstrap.bodies(set, index)?;
        if bodies.len() != count {
            return Err(Error::internal("a part with other bodies than it should"));
        }
        let mut out = Vec::new();
        out.reserve_exact(HEAD_BYTES + bits::packed_bytes(count, body_bits));
        for number in [VERSION, index, bootstrap.parts(), 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(seed);
        let dropped = torus_bits(index) - body_bits;
        let round = |body: &u64| body.wrapping_add(1 << (dropped - 1)) >> dropped;
        bits::pack(&mut out, bodies.iter().map(round), body_bits);
        Ok(out)
    }

    /// Reads a part.
    ///
    /// # Errors
    /// [`Error::UnknownParameters`] unless the set is one for bootstrapping; [`Error::Payload`] for
    /// anything but one whole part and nothing after it.
    pub fn from_payload(parameters: u32, payload: &[u8]) -> Result<Self, Error> {
        let (set, bootstrap) = set(parameters)?;
        let (head, packed) = payload
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or_else(|| malformed("it ends within its head"))?;
        let number = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        if number(0) != VERSION {
            let version = number(0);
            return Err(malformed(format!("version {version} is not known here")));
        }
        let (index, parts) = (number(2), number(4));
        if parts != bootstrap.parts() || index >= parts || number(6) != 0 {
            return Err(malformed(format!("part {index} of {parts}")));
        }
        let (count, body_bits) = bootstrap.bodies(set, index)?;
        let bodies = bits::unpack(packed, count, body_bits).ok_or_else(|| {
            let expected = HEAD_BYTES + bits::packed_bytes(count, body_bits);
            let found = payload.len();
            malformed(format!(
                "{found} bytes, expected {expected} for part {index}"
            ))
        })?;
        let mut seed = [0; 32];
        seed.copy_from_slice(&head[8..]);
        let dropped = torus_bits(index) - body_bits;
        Ok(Self {
            parameters: set,
            index,
            seed,
            bodies: bodies.into_iter().map(|b| b << dropped).collect(),
        })
    }
}

/// Bits of the torus that a part's bodies live on.
fn torus_bits(index: u16) -> u32 {
    if index == 0 { 32 } else { 64 }
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Payload {
        what: "part of an evaluation key",
        reason: reason.into(),
    }
}

impl std::fmt::Debug for KeyPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPart({}, set {})", self.index, self.parameters())
    }
}
