//! What happens to photons on their way.

use rand::Rng;

use super::photon::{Basis, Photon};

/// A fibre that loses photons and turns some of those that arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fibre {
    loss: u32,
    noise: u32,
}

impl Fibre {
    /// Both are probabilities. With noise p a bit that is measured in its own basis is wrong with
    /// probability p.
    pub(crate) fn new(loss: f64, noise: f64) -> Self {
        Self {
            loss: threshold(loss),
            noise: threshold(noise),
        }
    }

    /// The photon at the other end, if it gets there.
    #[inline]
    pub(crate) fn carry(self, photon: Photon, rng: &mut impl Rng) -> Option<Photon> {
        if rng.next_u32() < self.loss {
            return None;
        }
        if self.noise > 0 && rng.next_u32() < self.noise {
            return Some(photon.turned());
        }
        Some(photon)
    }
}

/// The part of all 32-bit numbers that makes up this probability.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn threshold(probability: f64) -> u32 {
    (probability.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32
}

/// Who measures each photon in a basis of their own choice and sends on what they saw. In half of
/// the cases the basis is wrong; of those, half of the bits that are kept turn out wrong: 25 %.
pub(crate) struct Eavesdropper;

impl Eavesdropper {
    pub(crate) fn intercept(photon: Photon, rng: &mut impl Rng) -> Photon {
        let basis = Basis::from(rng.next_u32() >> 31 == 1);
        let bit = photon.measure(basis, rng);
        Photon::prepare(basis, bit)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    /// Of `n` photons measured in their own basis, how many arrive and how many of those are wrong.
    fn sent(n: u32, fibre: Fibre, eavesdropper: bool) -> (f64, f64) {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let (mut seen, mut wrong) = (0.0, 0.0);
        for i in 0..n {
            let (basis, bit) = (Basis::from(i & 1 == 1), i & 2 == 2);
            let mut photon = Photon::prepare(basis, bit);
            if eavesdropper {
                photon = Eavesdropper::intercept(photon, &mut rng);
            }
            if let Some(photon) = fibre.carry(photon, &mut rng) {
                seen += 1.0;
                wrong += f64::from(u8::from(photon.measure(basis, &mut rng) != bit));
            }
        }
        (seen, wrong)
    }

    fn within_5_sigma(found: f64, n: f64, probability: f64) {
        let sigma = (n * probability * (1.0 - probability)).sqrt();
        let (low, high) = (n * probability - 5.0 * sigma, n * probability + 5.0 * sigma);
        assert!((low..=high).contains(&found), "{found} of {n}");
    }

    #[test]
    fn losses_and_errors_are_as_often_as_they_are_set() {
        for (loss, noise) in [(0.0, 0.0), (0.5, 0.03), (0.9, 0.11)] {
            let (seen, wrong) = sent(100_000, Fibre::new(loss, noise), false);
            within_5_sigma(seen, 100_000.0, 1.0 - loss);
            within_5_sigma(wrong, seen, noise);
        }
    }

    #[test]
    fn intercepting_and_resending_makes_a_quarter_of_the_bits_wrong() {
        let (seen, wrong) = sent(200_000, Fibre::new(0.3, 0.0), true);
        within_5_sigma(wrong, seen, 0.25);
        // On top of noise p: 1/4 + p/2.
        let (seen, wrong) = sent(200_000, Fibre::new(0.0, 0.04), true);
        within_5_sigma(wrong, seen, 0.27);
    }
}
