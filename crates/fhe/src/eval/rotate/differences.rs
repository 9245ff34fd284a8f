//! From rotated constants to the sums of functions.

use crate::Error;

/// The difference polynomials of all units and outputs.
///
/// A constant accumulator c (1 + X + ... + X^(N-1)), rotated by a unit's phase p and multiplied by
/// D(X) = sum D_i X^i, has the coefficient 0: 2 c f(p), if D_0 = f(0) + f(N-1) and
/// D_i = f(i) - f(i-1).
pub struct Differences {
    size: usize,
    units: usize,
    outputs: usize,
    factors: Vec<i32>,
}

impl Differences {
    /// All zero, to be set.
    ///
    /// Shapes: polynomials of `size` coefficients, a power of two.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no transform of this size.
    pub fn new(size: usize, units: usize, outputs: usize) -> Result<Self, Error> {
        if !size.is_power_of_two() || !(128..=1 << 14).contains(&size) {
            return Err(Error::internal(format!(
                "no transform of {size} coefficients"
            )));
        }
        let factors = vec![0; size * units * outputs];
        Ok(Self {
            size,
            units,
            outputs,
            factors,
        })
    }

    /// Bytes that they take in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.factors.len() as u64 * 8
    }

    /// Sets the polynomial of a unit and an output.
    ///
    /// # Errors
    /// [`Error::Internal`] if it has no place here.
    pub fn set(&mut self, unit: usize, output: usize, polynomial: &[i32]) -> Result<(), Error> {
        let fits = unit < self.units && output < self.outputs && polynomial.len() == self.size;
        if !fits {
            return Err(Error::internal("a difference polynomial without a place"));
        }
        let at = (unit * self.outputs + output) * self.size;
        self.factors[at..at + self.size].copy_from_slice(polynomial);
        Ok(())
    }

    /// Adds to every output's GLWE the products of the GLWEs of some units with their polynomials.
    /// Threads that have different units add up (wrapping) what each has got.
    ///
    /// Shapes: `rotated` units x (k+1) x N, those from `first_unit` on; `sums` outputs x (k+1) x N.
    /// Units: torus elements of 2^64.
    /// Noise: that of `rotated`, times the norm of the polynomials.
    ///
    /// # Errors
    /// [`Error::Internal`] if the lengths do not fit.
    pub fn add_products(
        &self,
        first_unit: usize,
        rotated: &[u64],
        sums: &mut [u64],
    ) -> Result<(), Error> {
        let glwe_len = sums.len() / self.outputs.max(1);
        let units = rotated.len().checked_div(glwe_len).unwrap_or(0);
        let fits = sums.len() == glwe_len * self.outputs
            && glwe_len.is_multiple_of(self.size)
            && rotated.len() == units * glwe_len
            && first_unit + units <= self.units;
        if !fits {
            return Err(Error::internal("rotated units of another shape"));
        }
        if glwe_len == 0 {
            return Ok(());
        }
        for (unit, glwe) in (first_unit..).zip(rotated.chunks_exact(glwe_len)) {
            for (output, sum) in sums.chunks_exact_mut(glwe_len).enumerate() {
                let at = (unit * self.outputs + output) * self.size;
                let factor = &self.factors[at..at + self.size];
                let polynomials = glwe.chunks_exact(self.size);
                for (sum, glwe) in sum.chunks_exact_mut(self.size).zip(polynomials) {
                    add_product(sum, glwe, factor);
                }
            }
        }
        Ok(())
    }
}

fn add_product(sum: &mut [u64], torus: &[u64], factor: &[i32]) {
    for (j, &weight) in factor.iter().enumerate() {
        let weight = i64::from(weight).cast_unsigned();
        let (wrapped, straight) = sum.split_at_mut(j);
        let (low, high) = torus.split_at(torus.len() - j);
        for (sum, torus) in straight.iter_mut().zip(low) {
            *sum = sum.wrapping_add(torus.wrapping_mul(weight));
        }
        for (sum, torus) in wrapped.iter_mut().zip(high) {
            *sum = sum.wrapping_sub(torus.wrapping_mul(weight));
        }
    }
}

impl std::fmt::Debug for Differences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Differences")
            .field("size", &self.size)
            .field("units", &self.units)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}
