//! An encrypted image.

use super::{bits, shape_allowed};
use crate::Error;
use crate::params::{IMAGE, PIXELS, ParameterSet};

const VERSION: u16 = 1;
const HEAD_BYTES: usize = 24;

/// An image as the servers see it: seeded GLWE ciphertexts, the bodies of its pixels alone.
///
/// Shapes: one body a pixel, row by row; `ceil(width * height / 2048)` GLWEs.
/// Units: a body is a torus element of 2^64, rounded to its upper 40 bits.
/// Security: anyone may hold it.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedImage {
    pub(crate) parameters: &'static ParameterSet,
    pub(crate) seed: [u8; 16],
    width: u32,
    height: u32,
    /// Torus elements, rounded.
    pub(crate) bodies: Vec<u64>,
}

impl EncryptedImage {
    /// Takes the bodies of a seeded encryption, in the order of the pixels, and rounds them.
    #[cfg(feature = "client")]
    pub(crate) fn from_bodies(
        parameters: &'static ParameterSet,
        seed: [u8; 16],
        (width, height): (u32, u32),
        bodies: impl Iterator<Item = u64>,
    ) -> Self {
        let dropped = 64 - PIXELS.body_bits;
        let round = |body: u64| (body.wrapping_add(1 << (dropped - 1)) >> dropped) << dropped;
        let bodies = bodies.map(round).collect();
        Self {
            parameters,
            seed,
            width,
            height,
            bodies,
        }
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The number of its parameter set.
    pub fn parameters(&self) -> u32 {
        self.parameters.id
    }

    /// Length of the payload of such an image, in bytes, the header of the services not counted.
    pub fn payload_bytes(width: u32, height: u32) -> u64 {
        let bits = u64::from(width) * u64::from(height) * u64::from(PIXELS.body_bits);
        HEAD_BYTES as u64 + bits.div_ceil(8)
    }

    /// The image as bytes. See the module's table.
    pub fn to_payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let body_bits = PIXELS.body_bits;
        out.reserve_exact(HEAD_BYTES + bits::packed_bytes(self.bodies.len(), body_bits));
        for number in [u32::from(VERSION), self.width, self.height, 0] {
            out.extend_from_slice(&number.to_le_bytes()[..2]);
        }
        out.extend_from_slice(&self.seed);
        let dropped = 64 - body_bits;
        bits::pack(
            &mut out,
            self.bodies.iter().map(|b| b >> dropped),
            body_bits,
        );
        out
    }

    /// Reads an image.
    ///
    /// # Errors
    /// [`Error::UnknownParameters`]; [`Error::WrongParameters`] for a set that images do not have;
    /// [`Error::Payload`] for anything but a whole image of an allowed
    /// shape and nothing after it.
    pub fn from_payload(parameters: u32, payload: &[u8]) -> Result<Self, Error> {
        let set = ParameterSet::by_id(parameters)
            .ok_or(Error::UnknownParameters { found: parameters })?;
        if set.id != IMAGE.id {
            return Err(Error::WrongParameters {
                expected: IMAGE.id,
                found: parameters,
            });
        }
        let (head, packed) = payload
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or_else(|| malformed("it ends within its head"))?;
        let number = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        if number(0) != VERSION {
            return Err(malformed(format!(
                "version {} is not known here",
                number(0)
            )));
        }
        let (width, height) = (u32::from(number(2)), u32::from(number(4)));
        if number(6) != 0 || !shape_allowed(width, height) {
            return Err(malformed(format!("an image of {width}x{height} pixels")));
        }
        let pixels = (width * height) as usize;
        let expected = HEAD_BYTES + bits::packed_bytes(pixels, PIXELS.body_bits);
        let bodies = bits::unpack(packed, pixels, PIXELS.body_bits).ok_or_else(|| {
            malformed(format!(
                "{} bytes, expected {expected} for {width}x{height} pixels",
                payload.len()
            ))
        })?;
        let mut seed = [0; 16];
        seed.copy_from_slice(&head[8..]);
        let dropped = 64 - PIXELS.body_bits;
        Ok(Self {
            parameters: set,
            seed,
            width,
            height,
            bodies: bodies.into_iter().map(|b| b << dropped).collect(),
        })
    }
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Payload {
        what: "encrypted image",
        reason: reason.into(),
    }
}

impl std::fmt::Debug for EncryptedImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptedImage({}x{})", self.width, self.height)
    }
}
