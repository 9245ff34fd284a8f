//! The pulses of one block, on their way from one process to the other.

use rand::Rng;

use super::fibre::{Eavesdropper, Fibre};
use super::photon::{Basis, Photon};
use crate::bits::Bits;

/// What arrives at one end of the fibre: for each pulse that was sent a photon or none.
pub(crate) struct Pulses(Vec<Option<Photon>>);

impl FromIterator<Option<Photon>> for Pulses {
    fn from_iter<I: IntoIterator<Item = Option<Photon>>>(pulses: I) -> Self {
        Self(pulses.into_iter().collect())
    }
}

impl Pulses {
    /// What of them arrives at the other end of a fibre.
    pub(crate) fn carried(self, fibre: Fibre, rng: &mut impl Rng) -> Self {
        let pulses = self.0.into_iter();
        pulses.map(|pulse| fibre.carry(pulse?, rng)).collect()
    }

    /// As the eavesdropper passes them on.
    pub(crate) fn intercepted(self, rng: &mut impl Rng) -> Self {
        let pulses = self.0.into_iter();
        pulses
            .map(|pulse| pulse.map(|photon| Eavesdropper::intercept(photon, rng)))
            .collect()
    }

    /// Measures each photon in its basis of `bases`, one for each pulse. Which pulses were seen, and
    /// for those the outcome.
    pub(crate) fn measure(self, bases: &Bits, rng: &mut impl Rng) -> (Bits, Bits) {
        let mut seen = Bits::zeros(self.0.len());
        let mut outcomes = Bits::with_capacity(self.0.len());
        for (index, pulse) in self.0.into_iter().enumerate() {
            if let Some(photon) = pulse {
                seen.set(index);
                outcomes.push(photon.measure(Basis::from(bases.bit(index)), rng));
            }
        }
        (seen, outcomes)
    }

    /// A bit for each pulse that says whether there is a photon, then two for each photon, in whole
    /// 64-bit words.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut present = Bits::zeros(self.0.len());
        let mut states = Bits::with_capacity(2 * self.0.len());
        for (index, photon) in self.0.iter().enumerate() {
            if let Some(photon) = photon {
                present.set(index);
                let state = photon.state();
                states.push(state & 1 == 1);
                states.push(state & 2 == 2);
            }
        }
        let words = present.words().iter().chain(states.words());
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    /// What [`Pulses::to_bytes`] made of this many pulses; nothing if it did not.
    pub(crate) fn from_bytes(bytes: &[u8], pulses: usize) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        let words: Vec<u64> = words.iter().map(|&word| u64::from_le_bytes(word)).collect();
        let (present, states) = words.split_at_checked(pulses.div_ceil(64))?;
        let present = Bits::from_words(present.to_vec(), pulses)?;
        let states = Bits::from_words(states.to_vec(), 2 * present.ones())?;
        if !rest.is_empty() {
            return None;
        }
        let mut at = 0;
        let photons = present.iter().map(|present| {
            present.then(|| {
                let state = u64::from(states.bit(at)) | u64::from(states.bit(at + 1)) << 1;
                at += 2;
                Photon::from_state(state)
            })
        });
        Some(photons.collect())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    #[test]
    fn the_way_to_the_other_process_changes_nothing() {
        let mut rng = ChaCha12Rng::seed_from_u64(4);
        let fibre = Fibre::new(0.4, 0.0);
        for length in [0, 1, 64, 1001] {
            let (bases, bits) = (
                Bits::random(length, &mut rng),
                Bits::random(length, &mut rng),
            );
            let pulses: Pulses = (bases.iter().zip(bits.iter()))
                .map(|(basis, bit)| Photon::prepare(Basis::from(basis), bit))
                .map(|photon| fibre.carry(photon, &mut rng))
                .collect();
            let bytes = pulses.to_bytes();
            assert!(
                Pulses::from_bytes(&bytes[..bytes.len().saturating_sub(1)], length).is_none()
                    || length == 0
            );
            let back = Pulses::from_bytes(&bytes, length).unwrap();
            let (seen, outcomes) = back.measure(&bases, &mut rng);
            assert!(outcomes == bits.pick(&seen, true));
        }
    }
}
