//! Noise on the way through a lookup layer.
//!
//! In units of the 2^64 torus, squared. Symbols: `n` bits of the small key and `s` the deviation of its
//! noise; `B = 2^b` the base of a digit, `l` their number; `k`, `N` of the GLWE; `D` the difference
//! polynomial of a unit and output, `f` its function, both integers.
//!
//! | step | variance |
//! |---|---|
//! | keyswitch | `kN l (B^2 + 2) / 12 * (s^2 + rounded bodies)`, and `kN / 4 * 2^(2(64 - bl)) / 12` for what the digits leave out |
//! | modulus switch to 2N | `n / 4 * 2^(2(64 - log 2N)) / 12` |
//! | rotation, its own noise, every coefficient | `n (k + 1) N B^2 / 12 * (fresh + rounded bodies)` |
//! | rotation, what the digits leave out, a polynomial | `r = n / 2 * 2^(2(64 - b)) / 12` |
//! | rotation, what floating-point transforms lose, a polynomial | `t = n (k + 1) N 2^128 / 12 * B^2 / 12 * 2^-103.2` |
//! | rotation, both, every coefficient | `(r + t) (1 + kN / 2)` |
//! | product with `D`, own noise | the rotation's, times `sum D^2` |
//! | product with `D`, both | `(r + t) ((1 + kN / 4) sum D^2 + k sum f^2)` |
//!
//! Transforms lose 2^-51.6 of the deviation of what they multiply: three transforms of 256 points and
//! a product, each step with its error of 2^-53; measured, too.
//!
//! What digits leave out of a mask meets key bits, whose mean is 1/2. In the keyswitch and the modulus
//! switch the mean is taken off, so only the deviation of the bits counts: a quarter. In the rotation
//! it is not, and the mean part is a running sum over coefficients, alike for neighbours: the product
//! with `D` makes `f` of it, not a sum of independent errors. Under one key it is more or less, by a
//! fifth or so of the deviation for the smoothest functions.

use super::{fresh_variance, rounding};
use crate::params::{Bootstrap, IMAGE, ParameterSet};

/// Variance that the keyswitch adds.
pub fn keyswitch(bootstrap: &Bootstrap) -> f64 {
    let from = IMAGE.key_bits() as f64;
    let base_log = bootstrap.keyswitch_base_log.cast_signed();
    let levels = bootstrap.keyswitch_levels as f64;
    let digit = (4f64.powi(base_log) + 2.0) / 12.0;
    let fresh = (bootstrap.small_deviation * 2f64.powi(64)).powi(2);
    // The bodies' upper bits of 32 are the same as of 64.
    let row = fresh + rounding(bootstrap.keyswitch_body_bits);
    let kept =
        bootstrap.keyswitch_base_log * u32::try_from(bootstrap.keyswitch_levels).unwrap_or(0);
    from * levels * digit * row + from / 4.0 * rounding(kept)
}

/// Variance that the centred modulus switch of the mask adds; the body is cut to its slot.
pub fn modulus_switch(set: &ParameterSet, bootstrap: &Bootstrap) -> f64 {
    let kept = set.polynomial_size.ilog2() + 1;
    bootstrap.small_dimension as f64 / 4.0 * rounding(kept)
}

/// Deviation of the error of a product by transforms, as part of the deviation of the product.
const TRANSFORM_LOG2: f64 = -51.6;

/// What a blind rotation adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RotationNoise {
    /// From the noise of the key, a coefficient.
    key: f64,
    /// From what the digits leave out over all products, a polynomial.
    remainder: f64,
    /// From what the transforms lose, a polynomial.
    transform: f64,
    glwe_dimension: f64,
    key_bits: f64,
}

impl RotationNoise {
    /// Of a set made for bootstrapping.
    pub fn new(set: &ParameterSet, bootstrap: &Bootstrap) -> Self {
        let n = bootstrap.small_dimension as f64;
        let key_bits = set.key_bits() as f64;
        let digit = 4f64.powi(bootstrap.base_log.cast_signed()) / 12.0;
        let fresh = fresh_variance(set) + rounding(bootstrap.body_bits);
        // Of all rows of a GGSW over all key bits.
        let terms = n * (key_bits + set.polynomial_size as f64) * digit;
        Self {
            key: terms * fresh,
            remainder: n / 2.0 * rounding(bootstrap.base_log),
            transform: terms * rounding(0) * 4f64.powf(TRANSFORM_LOG2),
            glwe_dimension: set.glwe_dimension as f64,
            key_bits,
        }
    }

    /// Under a small key of which not half of the bits are ones, but this share.
    #[cfg(all(test, feature = "client", not(target_arch = "wasm32")))]
    pub(crate) fn with_ones(self, share: f64) -> Self {
        let remainder = self.remainder * 2.0 * share;
        Self { remainder, ..self }
    }

    /// Variance of every coefficient of the rotated accumulator.
    pub fn coefficient(&self) -> f64 {
        self.key + (self.remainder + self.transform) * (1.0 + self.key_bits / 2.0)
    }

    /// Variance of coefficient 0 of the product with difference polynomials, for sums over all units:
    /// of their squares, and of the squares of their functions. The mean over GLWE keys.
    pub fn product(&self, difference_squares: f64, function_squares: f64) -> f64 {
        let apart = self.key_bits / 4.0 * difference_squares;
        let alike = self.glwe_dimension * function_squares;
        self.product_under(difference_squares, apart + alike)
    }

    /// The same under one GLWE key, given the squares of the products of the difference polynomials
    /// and the key's polynomials.
    pub(crate) fn product_under(&self, difference_squares: f64, key_product_squares: f64) -> f64 {
        let met_by_key = difference_squares + key_product_squares;
        self.key * difference_squares + (self.remainder + self.transform) * met_by_key
    }
}
