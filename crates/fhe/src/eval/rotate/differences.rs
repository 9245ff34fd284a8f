//! From rotated constants to the sums of functions.

use pulp::Simd;
use pulp::bytemuck::cast_slice;

use super::complex::{Complex, Pair};
use super::instructions::{Instructions, Work};
use super::lanes::spread;
use super::transform::Transform;
use super::words::Words;
use crate::Error;

/// Lanes there are at most: what a vector may read behind the last unit.
const MOST_LANES: usize = 8;

/// The difference polynomials of all units and outputs.
///
/// A constant accumulator c (1 + X + ... + X^(N-1)), rotated by a unit's phase p and multiplied by
/// D(X) = sum D_i X^i, has the coefficient 0: 2 c f(p), if D_0 = f(0) + f(N-1) and
/// D_i = f(i) - f(i-1).
///
/// Kept as values of their transforms: points x outputs x (real, imaginary) x units.
pub struct Differences {
    size: usize,
    units: usize,
    outputs: usize,
    transform: Transform,
    values: Vec<f64>,
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
        Ok(Self {
            size,
            units,
            outputs,
            transform: Transform::new(size),
            values: vec![0.0; size * outputs * Self::stride(units)],
        })
    }

    const fn stride(units: usize) -> usize {
        units + MOST_LANES
    }

    /// Bytes that they take in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.values.len() as u64 * 8
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
        let (re, im) = polynomial.split_at(self.size / 2);
        let mut row: Vec<Pair<pulp::Scalar>> = re
            .iter()
            .zip(im)
            .map(|(&re, &im)| [re.into(), im.into()])
            .collect();
        self.transform.forward(pulp::Scalar, &mut row);
        let stride = Self::stride(self.units);
        let points = self.values.chunks_exact_mut(2 * self.outputs * stride);
        for (values, [re, im]) in points.zip(row) {
            values[2 * output * stride + unit] = re;
            values[(2 * output + 1) * stride + unit] = im;
        }
        Ok(())
    }

    /// Adds to every output's GLWE the products of the GLWEs of some units with their polynomials.
    /// Threads that have different units add up (wrapping) what each has got.
    ///
    /// Shapes: `rotated` units x (k+1) x N, those from `first_unit` on; `sums` outputs x (k+1) x N.
    /// Units: torus elements of 2^64.
    /// Noise: that of `rotated`, times the norm of the polynomials; the transforms add 2^-51 of
    /// the torus times that norm.
    /// Cost: a transform a polynomial of `rotated` and of `sums`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the lengths do not fit.
    pub fn add_products(
        &self,
        first_unit: usize,
        rotated: &[u64],
        sums: &mut [u64],
    ) -> Result<(), Error> {
        self.add_products_by(Instructions::detect(), first_unit, rotated, sums)
    }

    fn add_products_by(
        &self,
        instructions: Instructions,
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
        if units > 0 {
            let (values, width) = instructions.run(Forward {
                differences: self,
                rotated,
                glwe_len,
            });
            let polynomials = glwe_len / self.size;
            let products = instructions.run(Multiply {
                differences: self,
                first_unit,
                polynomials,
                width,
                values: &values,
            });
            instructions.run(Inverse {
                differences: self,
                products: &products,
                sums,
            });
        }
        Ok(())
    }
}

/// The rotated units' values: points x polynomials x (real, imaginary) x units, filled up to whole
/// vectors with zeros; and units with those.
struct Forward<'a> {
    differences: &'a Differences,
    rotated: &'a [u64],
    glwe_len: usize,
}

impl Work for Forward<'_> {
    type Output = (Vec<f64>, usize);

    #[inline(always)]
    fn run<S: Words, const W: usize>(self, simd: S) -> (Vec<f64>, usize) {
        let size = self.differences.size;
        let (points, polynomials) = (size / 2, self.glwe_len / size);
        let units = self.rotated.len() / self.glwe_len;
        let width = units.next_multiple_of(W);
        let mut values = vec![0.0; points * polynomials * 2 * width];
        let mut row = vec![[simd.splat_f64s(0.0); 2]; points];
        for (group, glwes) in self.rotated.chunks(W * self.glwe_len).enumerate() {
            for polynomial in 0..polynomials {
                row.fill([simd.splat_f64s(0.0); 2]);
                for (lane, glwe) in glwes.chunks_exact(self.glwe_len).enumerate() {
                    let torus = &glwe[polynomial * size..(polynomial + 1) * size];
                    spread::<S, W>(&mut row, lane, torus, 2f64.powi(-64));
                }
                self.differences.transform.forward(simd, &mut row);
                let row: &[f64] = cast_slice(&row);
                let values = values.chunks_exact_mut(polynomials * 2 * width);
                for (values, row) in values.zip(row.chunks_exact(2 * W)) {
                    let values = &mut values[polynomial * 2 * width..][..2 * width];
                    let (re, im) = values.split_at_mut(width);
                    re[group * W..][..W].copy_from_slice(&row[..W]);
                    im[group * W..][..W].copy_from_slice(&row[W..]);
                }
            }
        }
        (values, width)
    }
}

/// Values of the products, summed over the units: outputs x polynomials x points.
struct Multiply<'a> {
    differences: &'a Differences,
    first_unit: usize,
    polynomials: usize,
    width: usize,
    values: &'a [f64],
}

impl Work for Multiply<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<S: Words, const W: usize>(self, simd: S) -> Vec<[f64; 2]> {
        let differences = self.differences;
        let points = differences.size / 2;
        let stride = Differences::stride(differences.units);
        let mut products = vec![[0.0; 2]; differences.outputs * self.polynomials * points];
        let factors = differences
            .values
            .chunks_exact(2 * differences.outputs * stride);
        let values = self.values.chunks_exact(2 * self.polynomials * self.width);
        for (point, (factors, values)) in factors.zip(values).enumerate() {
            let mut place = point;
            for factors in factors.chunks_exact(2 * stride) {
                let (re, im) = factors.split_at(stride);
                let (re, im) = (&re[self.first_unit..], &im[self.first_unit..]);
                let factors = [&re[..self.width], &im[..self.width]];
                for values in values.chunks_exact(2 * self.width) {
                    products[place] = sum(simd, factors, values.split_at(self.width));
                    place += points;
                }
            }
        }
        products
    }
}

/// The sum of products over units.
#[inline(always)]
fn sum<S: Simd>(simd: S, factors: [&[f64]; 2], values: (&[f64], &[f64])) -> [f64; 2] {
    let zero = simd.splat_f64s(0.0);
    let mut sum = Complex::<S> { re: zero, im: zero };
    let factors = S::as_simd_f64s(factors[0])
        .0
        .iter()
        .zip(S::as_simd_f64s(factors[1]).0);
    let values = S::as_simd_f64s(values.0)
        .0
        .iter()
        .zip(S::as_simd_f64s(values.1).0);
    for ((a_re, a_im), (b_re, b_im)) in factors.zip(values) {
        let a = Complex::of(&[*a_re, *a_im]);
        sum = sum.mul_add(simd, a, Complex::of(&[*b_re, *b_im]));
    }
    [simd.reduce_sum_f64s(sum.re), simd.reduce_sum_f64s(sum.im)]
}

/// Products transformed back and added.
struct Inverse<'a> {
    differences: &'a Differences,
    products: &'a [[f64; 2]],
    sums: &'a mut [u64],
}

impl Work for Inverse<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Words, const W: usize>(self, simd: S) {
        let size = self.differences.size;
        let points = size / 2;
        let mut row = vec![[simd.splat_f64s(0.0); 2]; points];
        let polynomials = self.products.chunks(W * points);
        for (products, sums) in polynomials.zip(self.sums.chunks_mut(W * size)) {
            let lanes: &mut [f64] = pulp::bytemuck::cast_slice_mut(&mut row);
            for (lane, products) in products.chunks_exact(points).enumerate() {
                for (lanes, [re, im]) in lanes.chunks_exact_mut(2 * W).zip(products) {
                    lanes[lane] = *re;
                    lanes[W + lane] = *im;
                }
            }
            self.differences.transform.inverse(simd, &mut row);
            let lanes: &[f64] = cast_slice(&row);
            for (lane, sums) in sums.chunks_exact_mut(size).enumerate() {
                let (low, high) = sums.split_at_mut(points);
                let values = lanes.chunks_exact(2 * W);
                for (values, (low, high)) in values.zip(low.iter_mut().zip(high)) {
                    *low = low.wrapping_add(torus(values[lane] / points as f64));
                    *high = high.wrapping_add(torus(values[W + lane] / points as f64));
                }
            }
        }
    }
}

/// Of a multiple of the torus, what counts.
#[allow(clippy::cast_possible_truncation)] // at most a half of 2^64
fn torus(value: f64) -> u64 {
    let fraction = value - value.round_ties_even();
    ((fraction * 2f64.powi(64)) as i64).cast_unsigned()
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
