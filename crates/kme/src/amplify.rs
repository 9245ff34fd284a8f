//! Universal hashing by Toeplitz matrices, and how much of a string may be kept.

use crate::bits::Bits;

/// Bits of the tag by which both ends compare their strings: unequal ones pass once in 2^64.
pub(crate) const TAG_BITS: usize = 64;

/// What is known of a block once its errors are corrected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Bits that both ends share and did not show.
    pub(crate) kept: usize,
    /// Bits that were shown to count errors.
    pub(crate) sample: usize,
    /// Errors among those.
    pub(crate) errors: usize,
    /// Bits of information about the kept ones that were said in the open: parities and the tag.
    pub(crate) leaked: usize,
}

impl Measured {
    pub(crate) fn error_rate(&self) -> f64 {
        rate(self.errors, self.sample)
    }

    /// How many bits may be kept so that whoever listened knows nothing of them, but for a
    /// probability of `epsilon`:
    ///
    /// `n (1 - h(e + mu)) - leaked - (1 + 2 log2(1/epsilon))`
    ///
    /// with n kept bits, k sampled ones and their error rate e, h the binary entropy, and mu what the
    /// kept bits may have more errors than the sample:
    /// `mu = sqrt((n + k)/(n k) * (k + 1)/k * ln(4/epsilon))`.
    ///
    /// Source: Tomamichel, Lim, Gisin, Renner, "Tight finite-key analysis for quantum cryptography",
    /// Nature Communications 3, 634 (2012), equation for the key length with perfect sources (q = 1).
    /// There the tag's bits are in the last term, here in `leaked`. The paper samples one basis and
    /// makes keys of the other; here both bases are alike and serve for both, as in BB84 itself.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn secret_bits(&self, epsilon: f64) -> usize {
        if self.kept == 0 || self.sample == 0 {
            return 0;
        }
        let (n, k) = (self.kept as f64, self.sample as f64);
        let mu = ((n + k) / (n * k) * (k + 1.0) / k * (4.0 / epsilon).ln()).sqrt();
        let margin = 1.0 - 2.0 * epsilon.log2();
        let bits = n * (1.0 - entropy(self.error_rate() + mu)) - self.leaked as f64 - margin;
        bits.max(0.0).floor() as usize
    }
}

pub(crate) fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// The entropy of a coin that falls on one side with this probability; 1 from one half on.
pub(crate) fn entropy(p: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 0.5 {
        return 1.0;
    }
    -p * p.log2() - (1.0 - p) * (1.0 - p).log2()
}

/// How many random bits choose the hash from `input` to `output` bits.
pub(crate) fn seed_bits(input: usize, output: usize) -> usize {
    (input + output).saturating_sub(1)
}

/// `output` bits of `input`, by the Toeplitz matrix whose diagonals are the seed: bit j of the
/// result is the parity of `input[i] & seed[i + j]` over all i. Both ends choose the same seed, after
/// the photons have passed, and in the open.
pub(crate) fn toeplitz(input: &Bits, seed: &Bits, output: usize) -> Bits {
    debug_assert_eq!(seed.len(), seed_bits(input.len(), output));
    let mut sum = vec![0; output.div_ceil(64)];
    for shift in 0..64.min(input.len()) {
        // The windows that begin at `shift` in some word are whole words of a shifted seed.
        let shifted = shifted(seed.words(), shift, sum.len());
        for (word, bits) in input.words().iter().enumerate() {
            if bits >> shift & 1 == 1 {
                let window = &shifted[word..word + sum.len()];
                sum.iter_mut()
                    .zip(window)
                    .for_each(|(sum, bit)| *sum ^= bit);
            }
        }
    }
    Bits::from_words(sum, output).unwrap_or_default()
}

/// The words moved down by less than one word, with room for a window at the end.
fn shifted(words: &[u64], shift: usize, room: usize) -> Vec<u64> {
    let next = words.iter().skip(1).chain(std::iter::once(&0));
    let moved = words.iter().zip(next).map(|(&low, &high)| match shift {
        0 => low,
        _ => low >> shift | high << (64 - shift),
    });
    moved.chain(std::iter::repeat_n(0, room)).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    #[test]
    fn the_hash_is_the_product_with_a_toeplitz_matrix() {
        let mut rng = ChaCha12Rng::seed_from_u64(5);
        for (n, m) in [(1, 1), (3, 70), (64, 64), (65, 63), (200, 129), (1000, 257)] {
            let input = Bits::random(n, &mut rng);
            let seed = Bits::random(seed_bits(n, m), &mut rng);
            let hash = toeplitz(&input, &seed, m);
            assert_eq!(hash.len(), m);
            for j in 0..m {
                let parity = (0..n).filter(|&i| input.bit(i) && seed.bit(i + j)).count() % 2 == 1;
                assert_eq!(hash.bit(j), parity, "{n} {m} {j}");
            }
        }
    }

    #[test]
    fn different_strings_have_different_tags() {
        let mut rng = ChaCha12Rng::seed_from_u64(6);
        for _ in 0..200 {
            let a = Bits::random(500, &mut rng);
            let mut b = a.clone();
            b.flip(77);
            let seed = Bits::random(seed_bits(500, TAG_BITS), &mut rng);
            assert!(toeplitz(&a, &seed, TAG_BITS) != toeplitz(&b, &seed, TAG_BITS));
        }
    }

    #[test]
    fn the_formula_gives_what_is_computed_by_hand() {
        let measured = Measured {
            kept: 49_152,
            sample: 16_384,
            errors: 164,
            leaked: 5_000,
        };
        // mu = 0.0446..., h(0.0546...) = 0.3056...
        let bits = measured.secret_bits(1e-10);
        assert!((28_800..29_200).contains(&bits), "{bits}");
        let leaking = Measured {
            leaked: 5_001,
            ..measured
        };
        assert_eq!(leaking.secret_bits(1e-10), bits - 1);
        let noisy = Measured {
            errors: 16_384 / 3,
            ..measured
        };
        assert_eq!(noisy.secret_bits(1e-10), 0);
        let empty = Measured {
            kept: 0,
            ..measured
        };
        assert_eq!(empty.secret_bits(1e-10), 0);
    }
}
