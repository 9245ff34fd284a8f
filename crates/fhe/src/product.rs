//! Exact products of a mask and a polynomial of weights, modulo X^2048 + 1 and 2^64.
//!
//! By number-theoretic transforms modulo five primes: three times the work of a floating-point
//! transform, but without its noise, and the same bits on every machine, so a job that is done twice
//! gives one result.
//!
//! Source: `tfhe_ntt::native64::Plan32`.

use std::sync::LazyLock;

use tfhe_ntt::native64::Plan32;
use tfhe_ntt::prime32;

use crate::Error;

const SIZE: usize = 2048;
const PRIMES: usize = 5;

static PLAN: LazyLock<Option<Plan32>> = LazyLock::new(|| Plan32::try_new(SIZE));

/// Transforms of polynomials of 2048 coefficients.
#[derive(Clone, Copy)]
pub(crate) struct Transform {
    plan: &'static Plan32,
}

/// A polynomial's transform: its residues modulo each prime.
#[derive(Clone)]
pub(crate) struct Residues([Vec<u32>; PRIMES]);

impl Residues {
    pub(crate) fn zero() -> Self {
        Self(std::array::from_fn(|_| vec![0; SIZE]))
    }
}

impl Transform {
    pub(crate) fn new() -> Result<Self, Error> {
        let plan = PLAN.as_ref();
        let plan = plan.ok_or_else(|| Error::internal("no transform of 2048 coefficients"))?;
        Ok(Self { plan })
    }

    /// The weights as a factor: coefficient 0 of its product with a polynomial P is the sum of
    /// `weights[j] * P[j]`. Fewer weights than 2048 are filled up with zeros.
    ///
    /// It is w0 - sum w_j X^(2048-j), scaled by what the inverse transform leaves out.
    pub(crate) fn factor(self, weights: &[i32]) -> Residues {
        let mut factor = Residues::zero();
        for (plan, residues) in self.plans().into_iter().zip(&mut factor.0) {
            let prime = i64::from(plan.modulus());
            for (j, &weight) in weights.iter().enumerate() {
                let weight = i64::from(weight);
                let (place, value) = if j == 0 {
                    (0, weight)
                } else {
                    (SIZE - j, -weight)
                };
                residues[place] = u32::try_from(value.rem_euclid(prime)).unwrap_or(0);
            }
            plan.fwd(residues);
            plan.normalize(residues);
        }
        factor
    }

    /// Transforms torus elements.
    pub(crate) fn forward(self, torus: &[u64], out: &mut Residues) {
        let [p0, p1, p2, p3, p4] = &mut out.0;
        self.plan.fwd(torus, p0, p1, p2, p3, p4);
    }

    /// Adds a product to a sum. Up to 2^20 / 2048 products of 31-bit weights fit: less than half
    /// of the primes' product, 2^149.
    pub(crate) fn multiply_add(self, sum: &mut Residues, torus: &Residues, factor: &Residues) {
        let factors = torus.0.iter().zip(&factor.0);
        for ((plan, sum), (torus, factor)) in self.plans().into_iter().zip(&mut sum.0).zip(factors)
        {
            plan.mul_accumulate(sum, torus, factor);
        }
    }

    /// The sum of products as torus elements.
    pub(crate) fn inverse(self, mut sum: Residues, out: &mut [u64]) {
        let [p0, p1, p2, p3, p4] = &mut sum.0;
        self.plan.inv(out, p0, p1, p2, p3, p4);
    }

    fn plans(self) -> [&'static prime32::Plan; PRIMES] {
        let plan = self.plan;
        [
            plan.ntt_0(),
            plan.ntt_1(),
            plan.ntt_2(),
            plan.ntt_3(),
            plan.ntt_4(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Randomness;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn sums_of_products_are_exact() {
        let transform = Transform::new().unwrap();
        let mut randomness = Randomness::danger_fixed(1);
        let mut sum = Residues::zero();
        let mut expected = vec![0_u64; SIZE];
        for extreme in [0, i32::MAX, i32::MIN + 1] {
            let torus: Vec<u64> = (0..SIZE)
                .map(|_| u64::from_le_bytes(randomness.bytes()))
                .collect();
            let weights: Vec<i32> = (0..SIZE)
                .map(|_| match extreme {
                    0 => i32::from_le_bytes(randomness.bytes()) >> 8,
                    extreme => extreme,
                })
                .collect();
            let mut residues = Residues::zero();
            transform.forward(&torus, &mut residues);
            transform.multiply_add(&mut sum, &residues, &transform.factor(&weights));
            // Coefficient k of P * W, by hand: X^2048 is -1.
            for (k, expected) in expected.iter_mut().enumerate() {
                for (j, &weight) in weights.iter().enumerate() {
                    let weight = i64::from(weight).cast_unsigned();
                    let at = j + k;
                    let (at, sign) = if at < SIZE {
                        (at, 1)
                    } else {
                        (at - SIZE, u64::MAX)
                    };
                    let term = torus[at].wrapping_mul(weight).wrapping_mul(sign);
                    *expected = expected.wrapping_add(term);
                }
            }
        }
        let mut found = vec![0; SIZE];
        transform.inverse(sum, &mut found);
        assert_eq!(found, expected);
    }
}
