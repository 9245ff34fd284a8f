//! Between the torus words of many units and floats in lanes, eight coefficients at a time.
//!
//! Accumulators hold 32 bits of the torus: the digit takes the upper 23 of a difference, and what
//! the transforms lose, some 2^-26, is far more than 2^-33.

use pulp::Simd;
use pulp::bytemuck::{cast_slice, cast_slice_mut};

use super::complex::Pair;

/// Eight coefficients.
pub(super) type Line = [u32; 8];

/// Eight coefficients of a unit's polynomial and of the same turned, which may be to be negated.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) own: &'a Line,
    pub(super) turned: &'a Line,
    pub(super) negate: bool,
}

/// What rounds to a digit instead of cutting: half of its last bit, and one more if the turned
/// coefficients are to be negated, which their complement is but for one.
pub(super) const fn rounding(base_log: u32) -> [u32; 2] {
    let half = 1 << (31 - base_log);
    [half, half + 1]
}

/// Vector instructions, with what is faster than in the portable way.
pub(super) trait Words: Simd {
    /// The digits of turned less own, of W units: into the real (0) or imaginary (1) parts.
    #[inline(always)]
    fn digits<const W: usize>(
        self,
        units: &[Turn<'_>; W],
        base_log: u32,
        out: &mut [Pair<Self>; 8],
        part: usize,
    ) {
        let rounding = rounding(base_log);
        for (lane, unit) in units.iter().enumerate() {
            let flip = if unit.negate { u32::MAX } else { 0 };
            let rounding = rounding[usize::from(unit.negate)];
            for (i, out) in out.iter_mut().enumerate() {
                let turned = (unit.turned[i] ^ flip).wrapping_add(rounding);
                let difference = turned.wrapping_sub(unit.own[i]).cast_signed();
                let out: &mut [f64] = cast_slice_mut(&mut out[part..=part]);
                out[lane] = f64::from(difference >> (32 - base_log));
            }
        }
    }

    /// Adds the real (0) or imaginary (1) parts, in units of the torus, to the words from `at` on of
    /// W units.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // the torus is modulo 2^32
    fn add_words<const W: usize>(
        self,
        values: &[Pair<Self>; 8],
        part: usize,
        units: &mut [&mut [u32]; W],
        at: usize,
    ) {
        let mut words = [self.splat_f64s(0.0); 8];
        for (words, value) in words.iter_mut().zip(values) {
            *words = in_mantissas(self, value[part]);
        }
        let words: &[f64] = cast_slice(&words);
        for (lane, unit) in units.iter_mut().enumerate() {
            let unit = unit.iter_mut().skip(at);
            for (word, words) in unit.zip(words.chunks_exact(W)) {
                *word = word.wrapping_add(words[lane].to_bits() as u32);
            }
        }
    }
}

/// Multiples of the torus, of any sign and up to 2^70 times it, as 32-bit words: the low bits of the
/// mantissas.
///
/// z + 1.5 * 2^71 rounds z to a multiple w of 2^19; then 2^32 (z - w) + 1.5 * 2^52 is exact but for
/// the rounding of its last bit, a 2^-32 of the torus.
#[inline(always)]
pub(super) fn in_mantissas<S: Simd>(simd: S, z: S::f64s) -> S::f64s {
    const TORUS: f64 = 4_294_967_296.0;
    const MANTISSA: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
    const FAR: f64 = MANTISSA * 524_288.0; // 1.5 * 2^71
    let far = simd.add_f64s(z, simd.splat_f64s(FAR));
    let less = simd.splat_f64s(FAR * TORUS + MANTISSA);
    let less = simd.mul_add_e_f64s(far, simd.splat_f64s(-TORUS), less);
    simd.mul_add_e_f64s(z, simd.splat_f64s(TORUS), less)
}

impl Words for pulp::Scalar {}

#[cfg(target_arch = "aarch64")]
impl Words for pulp::aarch64::Neon {}

// Portable vectors: so that other widths are tested on any machine.
#[cfg(test)]
impl Words for pulp::Scalar128b {}
#[cfg(test)]
impl Words for pulp::Scalar512b {}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    #[allow(clippy::cast_possible_truncation)] // low words are meant
    fn multiples_of_the_torus_do_not_count() {
        for torus in [0.0, 0.25, -0.25, 0.499_999, -0.5, 1.0 / 4_294_967_296.0] {
            let expected = (torus * 4_294_967_296.0) as i64;
            for whole in [0.0, 1.0, -1.0, 524_287.0, -262_144.0, 1_048_577.0] {
                let bits = in_mantissas(pulp::Scalar, torus + whole).to_bits();
                let found = bits as u32;
                assert_eq!(found, expected as u32, "{torus} + {whole}");
            }
        }
    }
}
