//! How much noise every step adds, and the chance that it is too much.
//!
//! All in units of the 2^64 torus, squared: a variance. Symbols: `w` the integer weights of a score,
//! `n` the bits of the secret key, `b` bits that are kept.
//!
//! | step | variance added to the score |
//! |---|---|
//! | fresh encryption, TUniform(t) | `(2^(2t+1) + 1) / 6 * sum w^2` |
//! | bodies rounded to `b` bits | `2^(2(64-b)) / 12 * sum w^2` |
//! | plaintext product | none: it is exact |
//! | modulus switch to `b` bits | `2^(2(64-b)) / 12 * (1 + n/2)` |
//!
//! Lookup layers have their own table: [`bootstrap`].
//!
//! The variance of TUniform is that of tfhe's `TUniform::variance`; the modulus switch counts half of
//! the bits of the key as set.

pub mod bootstrap;

use std::f64::consts::{LOG2_E, PI};

use crate::params::{PIXELS, ParameterSet};

/// The predicted noise of one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Variance from the noise of fresh encryptions.
    pub encryption: f64,
    /// Variance from the rounding of the bodies.
    pub bodies: f64,
    /// Variance from the modulus switch of the result.
    pub modulus_switch: f64,
}

impl Noise {
    /// The noise of a score whose integer weights have this sum of squares.
    pub fn of_linear(parameters: &ParameterSet, squares: f64) -> Self {
        Self {
            encryption: fresh_variance(parameters) * squares,
            bodies: rounding(PIXELS.body_bits) * squares,
            modulus_switch: result_switch(parameters),
        }
    }

    /// Of a unit, whose sample is not switched to fewer bits before its lookup.
    pub(crate) fn of_unit(parameters: &ParameterSet, squares: f64) -> Self {
        Self {
            modulus_switch: 0.0,
            ..Self::of_linear(parameters, squares)
        }
    }

    /// All of it.
    pub fn variance(&self) -> f64 {
        self.encryption + self.bodies + self.modulus_switch
    }
}

/// Variance of rounding to the upper `bits` bits.
fn rounding(bits: u32) -> f64 {
    4f64.powi(64 - bits.cast_signed()) / 12.0
}

/// Variance of the modulus switch of a result.
pub fn result_switch(parameters: &ParameterSet) -> f64 {
    rounding(parameters.result_bits) * (1.0 + parameters.key_bits() as f64 / 2.0)
}

/// Variance of the noise of a fresh ciphertext.
pub fn fresh_variance(parameters: &ParameterSet) -> f64 {
    let bound = parameters.noise_bound_log2.cast_signed();
    (2f64.powi(2 * bound + 1) + 1.0) / 6.0
}

/// Binary logarithm of the chance that a Gaussian error of this standard deviation exceeds the
/// tolerance in either direction: at most so much, by Mill's bound.
pub fn log2_failure(deviation: f64, tolerance: f64) -> f64 {
    let x = tolerance / deviation;
    if x.is_nan() {
        return 0.0;
    }
    let log2_density = (2.0 / (x * (2.0 * PI).sqrt())).log2();
    (log2_density - x * x / 2.0 * LOG2_E).min(0.0)
}

/// The tolerance that is exceeded with this chance, in standard deviations.
pub fn deviations_for(log2_chance: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1e3);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if log2_failure(1.0, middle) > log2_chance {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn failures_of_known_distances() {
        // 2 Q(x), from tables: Q(1.96) = 0.025, Q(6) = 9.866e-10.
        for (x, chance) in [(1.96, 0.05_f64), (6.0, 2.0 * 9.866e-10)] {
            let found = log2_failure(2.0, 2.0 * x);
            assert!(found >= chance.log2(), "a bound from above");
            assert!(found - chance.log2() < 0.3, "{x}: {found}");
        }
        assert_eq!(log2_failure(1.0, 0.0), 0.0);
        assert_eq!(log2_failure(0.0, 1.0), f64::NEG_INFINITY);
        let x = deviations_for(-40.0);
        assert!((7.0..7.3).contains(&x), "{x}");
    }
}
