//! The negacyclic transform of one polynomial a lane.
//!
//! A real polynomial a modulo X^N + 1 is known by its values at the roots of X^(N/2) - i, the others
//! are their conjugates: by the transform of the complex polynomial a_j + i a_(j + N/2). The tree of
//! moduli starts at X^(N/2) - i, so there is no twist before it, and every twiddle serves a whole
//! block. The order of the points is that of the tree's leaves, the same for any number of lanes.
//!
//! Source: Bernstein, "Multidigit multiplication for mathematicians", sections 3 to 5.

use std::f64::consts::PI;

use pulp::Simd;

use super::complex::{Complex, Pair, forward2, forward4, inverse2, inverse4};

/// The passes over a polynomial, from the root of the tree to its leaves.
pub(super) struct Transform {
    passes: Vec<Pass>,
}

struct Pass {
    radix: usize,
    /// Coefficients of a block.
    len: usize,
    /// s, s^2, s^3 of each block.
    twiddles: Vec<[[f64; 2]; 3]>,
}

impl Transform {
    /// For polynomials of `size` real coefficients, a power of two and 4 or more.
    pub(super) fn new(size: usize) -> Self {
        let mut passes = Vec::new();
        // The constant of a node is e^(i pi angle).
        let mut angles = vec![0.5];
        let mut len = size / 2;
        while len > 1 {
            let (radix, parts) = match len.ilog2() % 2 {
                1 => (2, [0.0, 1.0].as_slice()),
                _ => (4, [0.0, 0.5, 1.0, 1.5].as_slice()),
            };
            let share = 1.0 / parts.len() as f64;
            let powers = |angle: f64| [1.0, 2.0, 3.0].map(|power| root(angle * share * power));
            let twiddles = angles.iter().map(|&angle| powers(angle)).collect();
            let children = |angle: f64| parts.iter().map(move |turn| angle * share + turn);
            angles = angles.into_iter().flat_map(children).collect();
            passes.push(Pass {
                radix,
                len,
                twiddles,
            });
            len /= radix;
        }
        Self { passes }
    }

    /// Coefficients become values.
    #[inline(always)]
    pub(super) fn forward<S: Simd>(&self, simd: S, x: &mut [Pair<S>]) {
        for pass in &self.passes {
            for (block, twiddles) in x.chunks_exact_mut(pass.len).zip(&pass.twiddles) {
                match pass.radix {
                    2 => forward_block2(simd, block, twiddles),
                    _ => forward_block4(simd, block, twiddles),
                }
            }
        }
    }

    /// Values become coefficients, times N/2.
    #[inline(always)]
    pub(super) fn inverse<S: Simd>(&self, simd: S, x: &mut [Pair<S>]) {
        for pass in self.passes.iter().rev() {
            for (block, twiddles) in x.chunks_exact_mut(pass.len).zip(&pass.twiddles) {
                match pass.radix {
                    2 => inverse_block2(simd, block, twiddles),
                    _ => inverse_block4(simd, block, twiddles),
                }
            }
        }
    }
}

/// e^(i pi angle). Angles are exact: only what is left of whole quarters is multiplied by pi, or the
/// error of the argument would be several of the result's.
fn root(angle: f64) -> [f64; 2] {
    let quarters = (2.0 * angle).round();
    let (sine, cosine) = (PI * (angle - quarters / 2.0)).sin_cos();
    match quarters.rem_euclid(4.0) {
        0.0 => [cosine, sine],
        1.0 => [-sine, cosine],
        2.0 => [-cosine, -sine],
        _ => [sine, -cosine],
    }
}

#[inline(always)]
fn quarters<T>(x: &mut [T]) -> [&mut [T]; 4] {
    let (low, high) = x.split_at_mut(x.len() / 2);
    let (a, b) = low.split_at_mut(low.len() / 2);
    let (c, d) = high.split_at_mut(high.len() / 2);
    [a, b, c, d]
}

#[inline(always)]
fn splat3<S: Simd>(simd: S, twiddles: &[[f64; 2]; 3]) -> [Complex<S>; 3] {
    let [a, b, c] = *twiddles;
    [
        Complex::splat(simd, a),
        Complex::splat(simd, b),
        Complex::splat(simd, c),
    ]
}

macro_rules! block4 {
    ($name:ident, $butterfly:ident) => {
        #[inline(always)]
        fn $name<S: Simd>(simd: S, x: &mut [Pair<S>], twiddles: &[[f64; 2]; 3]) {
            let s = splat3(simd, twiddles);
            let [a, b, c, d] = quarters(x);
            for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                let x = [
                    Complex::of(a),
                    Complex::of(b),
                    Complex::of(c),
                    Complex::of(d),
                ];
                let y = $butterfly(simd, x, s);
                *a = y[0].pair();
                *c = y[2].pair();
                *b = y[1].pair();
                *d = y[3].pair();
            }
        }
    };
}

macro_rules! block2 {
    ($name:ident, $butterfly:ident) => {
        #[inline(always)]
        fn $name<S: Simd>(simd: S, x: &mut [Pair<S>], twiddles: &[[f64; 2]; 3]) {
            let s = Complex::splat(simd, twiddles[0]);
            let (a, b) = x.split_at_mut(x.len() / 2);
            for (a, b) in a.iter_mut().zip(b) {
                let y = $butterfly(simd, [Complex::of(a), Complex::of(b)], s);
                *a = y[0].pair();
                *b = y[1].pair();
            }
        }
    };
}

block4!(forward_block4, forward4);
block4!(inverse_block4, inverse4);
block2!(forward_block2, forward2);
block2!(inverse_block2, inverse2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Randomness;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn random(size: usize, r: &mut Randomness) -> Vec<f64> {
        let integer = |r: &mut Randomness| i16::from_le_bytes(r.bytes()).into();
        (0..size).map(|_| integer(r)).collect()
    }

    fn forward(transform: &Transform, a: &[f64]) -> Vec<Pair<pulp::Scalar>> {
        let (re, im) = a.split_at(a.len() / 2);
        let mut x: Vec<_> = re.iter().zip(im).map(|(&re, &im)| [re, im]).collect();
        transform.forward(pulp::Scalar, &mut x);
        x
    }

    #[test]
    fn products_of_values_are_negacyclic_products() {
        let mut r = Randomness::danger_fixed(31);
        for size in [4, 8, 16, 128, 256, 512] {
            let transform = Transform::new(size);
            let (a, b) = (random(size, &mut r), random(size, &mut r));
            let mut expected = vec![0.0; size];
            for (i, a) in a.iter().enumerate() {
                for (j, b) in b.iter().enumerate() {
                    let sign = if i + j < size { 1.0 } else { -1.0 };
                    expected[(i + j) % size] += sign * a * b;
                }
            }
            let factors = forward(&transform, &a)
                .into_iter()
                .zip(forward(&transform, &b));
            let mut product: Vec<_> = factors
                .map(|([a, b], [c, d])| [a * c - b * d, a * d + b * c])
                .collect();
            transform.inverse(pulp::Scalar, &mut product);
            for (part, expected) in expected.chunks(size / 2).enumerate() {
                for (found, expected) in product.iter().zip(expected) {
                    let found = found[part] / (size / 2) as f64;
                    assert!((found - expected).abs() < 1e-3, "{found} {expected}");
                }
            }
        }
    }
}
