//! Randomness. What must stay unknown to an eavesdropper comes from the operating system; what a
//! simulated photon does comes from a generator that the system seeds, since nobody else sees it.

use rand::rngs::SysRng;
use rand::{SeedableRng, TryRng};
use rand_chacha::ChaCha12Rng;
use zeroize::Zeroizing;

use crate::Error;
use crate::bits::Bits;

/// The chance in the simulated world: losses, turns, outcomes of measurements.
pub(crate) type Nature = ChaCha12Rng;

pub(crate) fn nature() -> Result<Nature, Error> {
    Nature::try_from_rng(&mut SysRng).map_err(|_| Error::Randomness)
}

/// Bits from the operating system.
pub(crate) fn bits(length: usize) -> Result<Bits, Error> {
    let mut drawn = Zeroizing::new(vec![0; length.div_ceil(64) * 8]);
    SysRng
        .try_fill_bytes(&mut drawn)
        .map_err(|_| Error::Randomness)?;
    let (words, _) = drawn.as_chunks();
    let words = words.iter().map(|&word| u64::from_le_bytes(word)).collect();
    Bits::from_words(words, length).ok_or(Error::Randomness)
}

/// Bytes from the operating system.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| Error::Randomness)?;
    Ok(bytes)
}
