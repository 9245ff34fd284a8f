//! The evaluation key, made by its owner.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::binary::BinaryKey;
use super::derive;
use crate::Error;
use crate::params::{Bootstrap, IMAGE, NETWORK, NETWORK_BOOTSTRAP, ParameterSet};
use crate::seed::Randomness;
use crate::stream::{Purpose, Stream};
use crate::wire::KeyPart;

const VERSION: u8 = 1;
const DRAWN_AT_ONCE: usize = 1024;
const SET: &ParameterSet = &NETWORK;
const BOOTSTRAP: Bootstrap = NETWORK_BOOTSTRAP;

/// All that is secret in an evaluation key: the small key and the GLWE key of the network set, and the
/// image key.
///
/// Security: for the owner's device alone, such as sibling workers that make a part each. Wiped when
/// dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EvaluationSecret {
    /// A byte a bit, each 0 or 1.
    small: Vec<u8>,
    glwe: Vec<u8>,
    image: Vec<u8>,
}

impl EvaluationSecret {
    pub(super) fn derive(master: &[u8; 32]) -> Self {
        let bits = |label: String, count: usize| {
            let mut packed = Zeroizing::new(vec![0; count.div_ceil(8)]);
            derive::fill(master, &label, &mut packed);
            unpack(&packed, count)
        };
        Self {
            small: bits(format!("small-key/{}", SET.id), BOOTSTRAP.small_dimension),
            glwe: bits(format!("secret-key/{}", SET.id), SET.key_bits()),
            image: bits(format!("secret-key/{}", IMAGE.id), IMAGE.key_bits()),
        }
    }

    /// The number of the parameter set of the key that it makes.
    pub fn parameters(&self) -> u32 {
        SET.id
    }

    /// Makes a part: its payload, with fresh masks and noise. Any device and any worker may make any of
    /// them, again and again; parts of different times fit each other.
    ///
    /// Noise: fresh; the bodies are rounded, see [`crate::noise`].
    /// Cost: [`crate::wire::evaluation_key::part_payload_bytes`] bytes; bench `keys`.
    /// Security: the payload is public.
    ///
    /// # Errors
    /// [`Error::NoSuchKeyPart`].
    pub fn part(&self, index: u16, randomness: &mut Randomness) -> Result<Vec<u8>, Error> {
        let parts = BOOTSTRAP.parts();
        if index >= parts {
            return Err(Error::NoSuchKeyPart { index, parts });
        }
        let seed = randomness.bytes();
        let noise_seed = Zeroizing::new(randomness.bytes());
        let mut noise = Noise::new(&noise_seed, index);
        let bodies = if index == 0 {
            let mut bodies =
                self.keyswitch(&self.image, Purpose::KeyswitchOfImages, &seed, &mut noise);
            bodies.extend(self.keyswitch(
                &self.glwe,
                Purpose::KeyswitchOfLayers,
                &seed,
                &mut noise,
            ));
            bodies
        } else {
            self.bootstrap(index, &seed, &mut noise)
        };
        KeyPart::payload(SET.id, index, &seed, &bodies)
    }

    /// The bodies of a keyswitch key: each bit of the key it comes from, times 2^(32 - bits of the
    /// digits down to this one), under the small key.
    ///
    /// Source: `generate_lwe_keyswitch_key` of tfhe.
    fn keyswitch(
        &self,
        from: &[u8],
        purpose: Purpose,
        seed: &[u8; 32],
        noise: &mut Noise,
    ) -> Vec<u64> {
        let mut masks = Stream::new(seed, SET.id, 0, purpose);
        let mut mask = vec![0; BOOTSTRAP.small_dimension];
        let mut bodies = Vec::with_capacity(BOOTSTRAP.keyswitch_rows());
        for &bit in from {
            let mut place = 32;
            for _ in 0..BOOTSTRAP.keyswitch_levels {
                place -= BOOTSTRAP.keyswitch_base_log;
                masks.fill_u32(&mut mask);
                let terms = mask.iter().zip(&self.small);
                let product = terms.fold(0_u32, |sum, (element, bit)| {
                    sum.wrapping_add(element & u32::from(*bit).wrapping_neg())
                });
                let message = u32::from(bit) << place;
                let body = product.wrapping_add(message).wrapping_add(noise.gaussian());
                bodies.push(u64::from(body));
            }
        }
        bodies
    }

    /// The bodies of the GGSWs of this part's bits of the small key.
    ///
    /// Source: `encrypt_constant_ggsw_ciphertext` of tfhe, level 1.
    fn bootstrap(&self, index: u16, seed: &[u8; 32], noise: &mut Noise) -> Vec<u64> {
        let (k, size) = (SET.glwe_dimension, SET.polynomial_size);
        let key = BinaryKey::new(&self.glwe);
        let mut masks = Stream::new(seed, SET.id, index, Purpose::Bootstrap);
        let mut mask = vec![0; k * size];
        let bits = BOOTSTRAP.small_bits(index);
        let mut bodies = Vec::with_capacity(bits.len() * (k + 1) * size);
        for &bit in &self.small[bits] {
            let message = u64::from(bit) << (64 - BOOTSTRAP.base_log);
            for row in 0..=k {
                masks.fill_u64(&mut mask);
                let start = bodies.len();
                bodies.extend((0..size).map(|_| noise.t_uniform()));
                let body = &mut bodies[start..];
                key.add_products(&mask, body);
                match self.glwe.chunks_exact(size).nth(row) {
                    Some(polynomial) => {
                        for (body, bit) in body.iter_mut().zip(polynomial) {
                            *body = body.wrapping_sub(message * u64::from(*bit));
                        }
                    }
                    None => body[0] = body[0].wrapping_add(message),
                }
            }
        }
        bodies
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn small(&self) -> &[u8] {
        &self.small
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn glwe(&self) -> &[u8] {
        &self.glwe
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn image(&self) -> &[u8] {
        &self.image
    }

    /// The secret as bytes, for a sibling worker.
    ///
    /// Security: secret.
    pub fn danger_to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(secret_bytes()));
        out.push(VERSION);
        for bits in [&self.small, &self.glwe, &self.image] {
            for byte in bits.chunks(8) {
                let packed = byte.iter().rev().fold(0, |packed, bit| packed << 1 | bit);
                out.push(packed);
            }
        }
        out
    }

    /// The secret that [`Self::danger_to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Payload`] if it did not.
    pub fn danger_from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let malformed = |reason: &str| Error::Payload {
            what: "secret of an evaluation key",
            reason: reason.to_owned(),
        };
        match bytes.split_first() {
            Some((&VERSION, packed)) if bytes.len() == secret_bytes() => {
                let (small, rest) = packed.split_at(BOOTSTRAP.small_dimension.div_ceil(8));
                let (glwe, image) = rest.split_at(SET.key_bits() / 8);
                Ok(Self {
                    small: unpack(small, BOOTSTRAP.small_dimension),
                    glwe: unpack(glwe, SET.key_bits()),
                    image: unpack(image, IMAGE.key_bits()),
                })
            }
            Some((&VERSION, _)) => Err(malformed("of another length")),
            _ => Err(malformed("of another version")),
        }
    }
}

impl std::fmt::Debug for EvaluationSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EvaluationSecret(..)")
    }
}

/// Bit `i` is bit `i % 8` of byte `i / 8`.
fn unpack(packed: &[u8], count: usize) -> Vec<u8> {
    (0..count).map(|i| packed[i / 8] >> (i % 8) & 1).collect()
}

const fn secret_bytes() -> usize {
    1 + BOOTSTRAP.small_dimension.div_ceil(8) + SET.key_bits() / 8 + IMAGE.key_bits() / 8
}

/// Draws noise.
struct Noise {
    stream: Stream,
    /// Numbers of the stream, and how many of them were taken.
    drawn: Zeroizing<Vec<u32>>,
    taken: usize,
}

impl Noise {
    fn new(seed: &[u8; 32], index: u16) -> Self {
        let stream = Stream::new(seed, SET.id, index, Purpose::Noise);
        let drawn = Zeroizing::new(vec![0; DRAWN_AT_ONCE]);
        let taken = DRAWN_AT_ONCE;
        Self {
            stream,
            drawn,
            taken,
        }
    }

    /// An integer from -2^b to 2^b, the ends half as likely, on the torus of 2^64.
    ///
    /// Source: `TUniform` of tfhe.
    fn t_uniform(&mut self) -> u64 {
        let bound_log2 = SET.noise_bound_log2;
        let drawn = u64::from(self.draw()) & ((1 << (bound_log2 + 2)) - 1);
        (drawn.wrapping_add(1) >> 1).wrapping_sub(1 << bound_log2)
    }

    /// A Gaussian on the torus of 2^32, by Marsaglia's polar method; of two numbers the second is not
    /// used. `libm` gives the same logarithm on every machine.
    fn gaussian(&mut self) -> u32 {
        loop {
            let [x, y] = [(); 2].map(|()| {
                let signed = self.draw().cast_signed();
                (f64::from(signed) + 0.5) / 2f64.powi(31)
            });
            let square = x * x + y * y;
            if square < 1.0 {
                let normal = x * (-2.0 * libm::log(square) / square).sqrt();
                return whole(normal * BOOTSTRAP.small_deviation * 2f64.powi(32));
            }
        }
    }

    fn draw(&mut self) -> u32 {
        if self.taken == DRAWN_AT_ONCE {
            self.stream.fill_u32(&mut self.drawn);
            self.taken = 0;
        }
        self.taken += 1;
        self.drawn[self.taken - 1]
    }
}

/// The nearest integer on the torus of 2^32.
#[allow(clippy::cast_possible_truncation)] // far below 2^31
fn whole(number: f64) -> u32 {
    (number.round() as i32).cast_unsigned()
}
