//! Exact products of torus polynomials and binary keys, modulo X^512 + 1 and 2^64.
//!
//! By Fourier transforms of two limbs of 32 bits. A coefficient of the sum of four products is an
//! integer below 2^43, and rounding errors add up to about 2^-13 of it around the nearest integer: the
//! product is exact, so the same on every machine.

use std::f64::consts::PI;

use zeroize::Zeroize;

/// Coefficients of a polynomial.
pub(super) const SIZE: usize = 512;
/// Points of its transform.
const POINTS: usize = SIZE / 2;

/// A polynomial's transform.
struct Spectrum {
    re: [f64; POINTS],
    im: [f64; POINTS],
}

impl Spectrum {
    const ZERO: Self = Self {
        re: [0.0; POINTS],
        im: [0.0; POINTS],
    };
}

/// The transforms of a key's polynomials. Wiped when dropped.
pub(super) struct BinaryKey {
    polynomials: Vec<Spectrum>,
    plan: Plan,
}

impl BinaryKey {
    /// Of bits, 0 or 1 each, as many as the polynomials have coefficients.
    pub(super) fn new(bits: &[u8]) -> Self {
        let plan = Plan::new();
        let transform = |bits: &[u8]| {
            let mut spectrum = Spectrum::ZERO;
            let halves = spectrum.re.iter_mut().zip(&mut spectrum.im);
            for ((re, im), (low, high)) in halves.zip(bits.iter().zip(&bits[POINTS..])) {
                (*re, *im) = (f64::from(*low), f64::from(*high));
            }
            plan.forward(&mut spectrum);
            spectrum
        };
        let polynomials = bits.chunks_exact(SIZE).map(transform).collect();
        Self { polynomials, plan }
    }

    /// Adds to `sum` the products of mask polynomials and those of the key, one by one.
    ///
    /// Shapes: `mask` k x 512, `sum` 512.
    pub(super) fn add_products(&self, mask: &[u64], sum: &mut [u64]) {
        for limb in [Limb::Low, Limb::High] {
            let mut total = Spectrum::ZERO;
            for (mask, key) in mask.chunks_exact(SIZE).zip(&self.polynomials) {
                let mut spectrum = limb.of(mask);
                self.plan.forward(&mut spectrum);
                add_product(&mut total, &spectrum, key);
            }
            self.plan.inverse(&mut total);
            let (low, high) = sum.split_at_mut(POINTS);
            for (sum, value) in low.iter_mut().zip(&total.re) {
                *sum = sum.wrapping_add(limb.at_its_place(*value));
            }
            for (sum, value) in high.iter_mut().zip(&total.im) {
                *sum = sum.wrapping_add(limb.at_its_place(*value));
            }
            total.re.zeroize();
            total.im.zeroize();
        }
    }
}

impl Drop for BinaryKey {
    fn drop(&mut self) {
        for spectrum in &mut self.polynomials {
            spectrum.re.zeroize();
            spectrum.im.zeroize();
        }
    }
}

/// A half of a torus element: element = low + 2^32 high, both signed.
#[derive(Clone, Copy)]
enum Limb {
    Low,
    High,
}

impl Limb {
    fn of(self, polynomial: &[u64]) -> Spectrum {
        let mut spectrum = Spectrum::ZERO;
        let (low, high) = polynomial.split_at(POINTS);
        for (re, element) in spectrum.re.iter_mut().zip(low) {
            *re = f64::from(self.value(*element));
        }
        for (im, element) in spectrum.im.iter_mut().zip(high) {
            *im = f64::from(self.value(*element));
        }
        spectrum
    }

    #[allow(clippy::cast_possible_truncation)] // a limb is meant
    fn value(self, element: u64) -> i32 {
        match self {
            Self::Low => element as u32 as i32,
            // What the sign of the low limb takes away is given back.
            Self::High => (element.wrapping_add(1 << 31) >> 32) as u32 as i32,
        }
    }

    #[allow(clippy::cast_possible_truncation)] // whole and below 2^43
    fn at_its_place(self, value: f64) -> u64 {
        let whole = (value.round() as i64).cast_unsigned();
        match self {
            Self::Low => whole,
            Self::High => whole << 32,
        }
    }
}

fn add_product(sum: &mut Spectrum, a: &Spectrum, b: &Spectrum) {
    for i in 0..POINTS {
        sum.re[i] += a.re[i] * b.re[i] - a.im[i] * b.im[i];
        sum.im[i] += a.re[i] * b.im[i] + a.im[i] * b.re[i];
    }
}

/// Roots of unity.
///
/// The ring modulo X^512 + 1 over the reals is that modulo Y^256 - i over the complex numbers,
/// coefficient j + 256 becoming the imaginary part of j. Every step splits Y^2m - r^2 into Y^m - r and
/// Y^m + r; root j is the r of node j, nodes numbered as in a heap.
struct Plan {
    re: [f64; POINTS],
    im: [f64; POINTS],
}

impl Plan {
    fn new() -> Self {
        let mut turns = [0.0; POINTS];
        turns[1] = 0.25;
        for node in 1..POINTS / 2 {
            turns[2 * node] = turns[node] / 2.0;
            turns[2 * node + 1] = turns[node] / 2.0 + 0.5;
        }
        Self {
            re: turns.map(|turn: f64| libm::cos(PI * turn)),
            im: turns.map(|turn: f64| libm::sin(PI * turn)),
        }
    }

    fn forward(&self, x: &mut Spectrum) {
        let mut half = POINTS / 2;
        while half >= 1 {
            let first_node = POINTS / (2 * half);
            let blocks = x.re.chunks_exact_mut(2 * half);
            for (block, (re, im)) in blocks.zip(x.im.chunks_exact_mut(2 * half)).enumerate() {
                let (c, s) = (self.re[first_node + block], self.im[first_node + block]);
                let ((ar, br), (ai, bi)) = (re.split_at_mut(half), im.split_at_mut(half));
                for (((ar, ai), br), bi) in ar.iter_mut().zip(ai).zip(br).zip(bi) {
                    let (tr, ti) = (*br * c - *bi * s, *br * s + *bi * c);
                    (*br, *bi) = (*ar - tr, *ai - ti);
                    (*ar, *ai) = (*ar + tr, *ai + ti);
                }
            }
            half /= 2;
        }
    }

    fn inverse(&self, x: &mut Spectrum) {
        let mut half = 1;
        while half < POINTS {
            let first_node = POINTS / (2 * half);
            let blocks = x.re.chunks_exact_mut(2 * half);
            for (block, (re, im)) in blocks.zip(x.im.chunks_exact_mut(2 * half)).enumerate() {
                let (c, s) = (self.re[first_node + block], self.im[first_node + block]);
                let ((ar, br), (ai, bi)) = (re.split_at_mut(half), im.split_at_mut(half));
                for (((ar, ai), br), bi) in ar.iter_mut().zip(ai).zip(br).zip(bi) {
                    let (dr, di) = (*ar - *br, *ai - *bi);
                    (*ar, *ai) = (*ar + *br, *ai + *bi);
                    (*br, *bi) = (dr * c + di * s, di * c - dr * s);
                }
            }
            half *= 2;
        }
        let scale = 1.0 / POINTS as f64;
        for value in x.re.iter_mut().chain(&mut x.im) {
            *value *= scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Randomness;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn by_hand(mask: &[u64], key: &[u8], sum: &mut [u64]) {
        for (mask, key) in mask.chunks(SIZE).zip(key.chunks(SIZE)) {
            for (shift, _) in key.iter().enumerate().filter(|(_, bit)| **bit == 1) {
                for (i, &element) in mask.iter().enumerate() {
                    match i + shift {
                        at if at < SIZE => sum[at] = sum[at].wrapping_add(element),
                        at => sum[at - SIZE] = sum[at - SIZE].wrapping_sub(element),
                    }
                }
            }
        }
    }

    #[test]
    fn products_are_exact() {
        let mut r = Randomness::danger_fixed(1);
        let extremes = [0, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1];
        for case in 0..extremes.len() + 20 {
            let mask: Vec<u64> = (0..4 * SIZE)
                .map(|_| u64::from_le_bytes(r.bytes()))
                .map(|random| extremes.get(case).copied().unwrap_or(random))
                .collect();
            let key: Vec<u8> = (0..4 * SIZE)
                .map(|_| {
                    if case.is_multiple_of(3) {
                        1
                    } else {
                        r.bytes::<1>()[0] & 1
                    }
                })
                .collect();
            let (mut found, mut expected) = ([7; SIZE], [7; SIZE]);
            BinaryKey::new(&key).add_products(&mask, &mut found);
            by_hand(&mask, &key, &mut expected);
            assert_eq!(found, expected, "case {case}");
        }
    }
}
