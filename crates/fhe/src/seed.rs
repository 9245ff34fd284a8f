//! Randomness: a stream of SHAKE256, begun with 256 bits from the system.

use shake::Shake256;
use shake::digest::{ExtendableOutput, Update, XofReader};
use tfhe::core_crypto::commons::math::random::{Seed, Seeder};
use zeroize::Zeroize;

use crate::Error;

const DOMAIN: &[u8] = b"darkroom/randomness/1";

/// A stream of unpredictable bytes.
///
/// Security: whoever can foresee it can decrypt what was encrypted with it. It is neither cloned nor
/// printed.
pub struct Randomness {
    stream: <Shake256 as ExtendableOutput>::Reader,
}

impl Randomness {
    /// A stream from the operating system's or the browser's randomness.
    ///
    /// # Errors
    /// [`Error::Randomness`] if the system gives none.
    pub fn system() -> Result<Self, Error> {
        let mut start = [0; 32];
        getrandom::fill(&mut start).map_err(|error| Error::Randomness {
            reason: error.to_string(),
        })?;
        let randomness = Self::from_start(&start);
        start.zeroize();
        Ok(randomness)
    }

    /// The same stream for the same number every time: for tests that compare bytes, never for data.
    pub fn danger_fixed(number: u128) -> Self {
        Self::from_start(&number.to_le_bytes())
    }

    fn from_start(start: &[u8]) -> Self {
        let mut hash = Shake256::default();
        hash.update(DOMAIN);
        hash.update(start);
        let stream = hash.finalize_xof();
        Self { stream }
    }

    /// The next bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.stream.read(out);
    }

    /// The next bytes, as many as the array holds.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness(..)")
    }
}

impl Seeder for Randomness {
    fn seed(&mut self) -> Seed {
        Seed(u128::from_le_bytes(self.bytes()))
    }

    fn is_available() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn fixed_streams_repeat_and_system_streams_do_not() {
        let draw = |mut r: Randomness| r.bytes::<32>();
        assert_eq!(
            draw(Randomness::danger_fixed(1)),
            draw(Randomness::danger_fixed(1))
        );
        assert_ne!(
            draw(Randomness::danger_fixed(1)),
            draw(Randomness::danger_fixed(2))
        );
        let (a, b) = (Randomness::system().unwrap(), Randomness::system().unwrap());
        assert_ne!(draw(a), draw(b));
    }

    #[test]
    fn a_stream_goes_on_where_it_stopped() {
        let mut whole = Randomness::danger_fixed(3);
        let mut parts = Randomness::danger_fixed(3);
        let all: [u8; 48] = whole.bytes();
        let first: [u8; 16] = parts.bytes();
        assert_eq!(all[..16], first);
        assert_eq!(all[16..32], parts.seed().0.to_le_bytes());
        assert_eq!(all[32..], parts.bytes::<16>());
    }
}
