//! The kernel: one accumulator in each lane of the vector registers.
//!
//! A group of as many accumulators as there are lanes goes through the external product with a key
//! bit: digits and their transforms, the product with the bit's matrix point by point, back and
//! added. Without a lane that knows of another there is nothing to shuffle but where words become
//! floats and back. A key bit is k + 1 by k + 1 numbers a point, in the order in which the product
//! takes them: one sequential stream, read once for all groups.

use std::ops::ControlFlow;

use pulp::Simd;
use pulp::bytemuck::{cast_slice, cast_slice_mut};

use super::RotationShape;
use super::accumulators::{Accumulators, of_units, of_units_mut, renew_tail};
use super::complex::Pair;
use super::instructions::{Instructions, Work};
use super::transform::Transform;
use super::words::{Line, Turn, Words};

/// Rows of spectra do not start at one place of all cache sets.
const PADDING: usize = 2;

/// A bootstrap key: bits x points x columns x rows x (real, imaginary). The rows of a column belong
/// to one polynomial of the result.
pub(super) struct Key {
    shape: RotationShape,
    transform: Transform,
    values: Vec<f64>,
}

impl Key {
    pub(super) fn new(shape: RotationShape) -> Self {
        Self {
            shape,
            transform: Transform::new(shape.polynomial_size),
            values: vec![0.0; shape.small_dimension * shape.ggsw_len()],
        }
    }

    pub(super) fn set_bit(&mut self, bit: usize, ggsw: &[u64]) {
        let len = self.shape.ggsw_len();
        Instructions::detect().run(SetBit {
            shape: &self.shape,
            transform: &self.transform,
            values: &mut self.values[bit * len..(bit + 1) * len],
            ggsw,
        });
    }

    pub(super) fn rotate(
        &self,
        accumulators: &mut [u64],
        exponents: &[u16],
        on_bit: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.rotate_by(Instructions::detect(), accumulators, exponents, on_bit)
    }

    pub(super) fn rotate_by(
        &self,
        instructions: Instructions,
        accumulators: &mut [u64],
        exponents: &[u16],
        on_bit: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let shape = &self.shape;
        let lanes = instructions.lanes();
        let mut groups = Accumulators::new(*shape, lanes, accumulators, exponents);
        let row_len = groups.row_len();
        let stride = (shape.polynomial_size / 2 + PADDING) * 2 * lanes;
        let mut spectra = Spectra::new((shape.glwe_dimension + 1) * stride);
        let values = self.values.chunks_exact(shape.ggsw_len());
        for (bit, values) in values.enumerate() {
            let exponents = exponents.chunks(lanes * shape.exponents_len());
            for (group, exponents) in groups.groups_mut().zip(exponents) {
                let mut step = Step {
                    key: self,
                    row_len,
                    spectra: spectra.as_mut_slice(),
                };
                let exponents = exponents.iter().skip(bit).step_by(shape.exponents_len());
                let mut turns = [0; 8];
                for (turn, exponent) in turns.iter_mut().zip(exponents) {
                    *turn = usize::from(*exponent);
                }
                instructions.run(Inward(&mut step, group, turns));
                instructions.run(Product(&mut step, values));
                instructions.run(Outward(&mut step, group));
            }
            on_bit(bit)?;
        }
        groups.write(accumulators);
        ControlFlow::Continue(())
    }
}

/// Memory for the transforms of a group, at the start of a cache line.
struct Spectra {
    memory: Vec<f64>,
    start: usize,
}

impl Spectra {
    fn new(len: usize) -> Self {
        let memory = vec![0.0; len + 8];
        let start = memory.as_ptr().align_offset(64).min(8);
        Self { memory, start }
    }

    fn as_mut_slice(&mut self) -> &mut [f64] {
        let len = self.memory.len() - 8;
        &mut self.memory[self.start..self.start + len]
    }
}

/// What the parts of an external product share.
struct Step<'a> {
    key: &'a Key,
    row_len: usize,
    spectra: &'a mut [f64],
}

impl Step<'_> {
    /// Rows of points, one a polynomial, and points between their starts.
    #[inline(always)]
    fn rows<S: Simd>(&mut self) -> (&mut [Pair<S>], usize) {
        let points = S::as_mut_simd_f64s(self.spectra).0.as_chunks_mut().0;
        (points, self.key.shape.polynomial_size / 2 + PADDING)
    }
}

/// Digits of (X^a - 1) * accumulator, transformed.
struct Inward<'a, 'b>(&'a mut Step<'b>, &'a [u32], [usize; 8]);

impl Work for Inward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Words, const W: usize>(self, simd: S) {
        let Self(step, group, turns) = self;
        let (key, row_len) = (step.key, step.row_len);
        let (rows, stride) = step.rows::<S>();
        let rows = rows.chunks_exact_mut(stride);
        for (words, row) in group.chunks_exact(row_len).zip(rows) {
            let row = &mut row[..stride - PADDING];
            digits::<S, W>(simd, &key.shape, words, &turns, row);
            key.transform.forward(simd, row);
        }
    }
}

#[inline(always)]
fn digits<S: Words, const W: usize>(
    simd: S,
    shape: &RotationShape,
    words: &[u32],
    turns: &[usize; 8],
    row: &mut [Pair<S>],
) {
    const NONE: Line = [0; 8];
    let size = shape.polynomial_size;
    let polynomials = of_units::<W>(words);
    for part in 0..2 {
        for (line, out) in row.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let at = part * (size / 2) + line * 8;
            let mut units = [Turn {
                own: &NONE,
                turned: &NONE,
                negate: false,
            }; W];
            for ((unit, polynomial), turn) in units.iter_mut().zip(polynomials).zip(turns) {
                let from = (at + 2 * size).wrapping_sub(*turn);
                unit.negate = from & size != 0;
                let turned = polynomial.get(from & (size - 1)..);
                unit.turned = turned.and_then(<[_]>::first_chunk).unwrap_or(&NONE);
                let own = polynomial.get(at..);
                unit.own = own.and_then(<[_]>::first_chunk).unwrap_or(&NONE);
            }
            simd.digits(&units, shape.base_log, out, part);
        }
    }
}

/// The product with the matrix of a key bit, at every point.
struct Product<'a, 'b>(&'a mut Step<'b>, &'a [f64]);

impl Work for Product<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Words, const W: usize>(self, simd: S) {
        let Self(step, values) = self;
        let polynomials = step.key.shape.glwe_dimension + 1;
        let (rows, stride) = step.rows::<S>();
        match polynomials {
            2 => product::<S, 2>(simd, values, rows, stride),
            3 => product::<S, 3>(simd, values, rows, stride),
            4 => product::<S, 4>(simd, values, rows, stride),
            5 => product::<S, 5>(simd, values, rows, stride),
            6 => product::<S, 6>(simd, values, rows, stride),
            _ => product::<S, 7>(simd, values, rows, stride),
        }
    }
}

#[inline(always)]
fn product<S: Simd, const K1: usize>(simd: S, values: &[f64], rows: &mut [Pair<S>], stride: usize) {
    let points = stride - PADDING;
    let mut rows = rows.chunks_exact_mut(stride);
    let mut rows: [&mut [Pair<S>]; K1] = std::array::from_fn(|_| {
        let row = rows.next().unwrap_or_default();
        row.get_mut(..points).unwrap_or_default()
    });
    if rows.iter().any(|row| row.len() != points) {
        return;
    }
    let mut x = [[simd.splat_f64s(0.0); 2]; K1];
    let matrices = values.chunks_exact(2 * K1 * K1).take(points);
    for (point, matrix) in matrices.enumerate() {
        for (x, row) in x.iter_mut().zip(&rows) {
            *x = row[point];
        }
        for (row, column) in rows.iter_mut().zip(matrix.chunks_exact(2 * K1)) {
            row[point] = dot(simd, column, &x);
        }
    }
}

/// A column times the digits of all rows: four sums that do not wait for each other.
#[inline(always)]
fn dot<S: Simd, const K1: usize>(simd: S, column: &[f64], x: &[Pair<S>; K1]) -> Pair<S> {
    let column = &column[..2 * K1];
    let (re, im) = (simd.splat_f64s(column[0]), simd.splat_f64s(column[1]));
    let mut re_re = simd.mul_f64s(re, x[0][0]);
    let mut re_im = simd.mul_f64s(re, x[0][1]);
    let mut im_im = simd.mul_f64s(im, x[0][1]);
    let mut im_re = simd.mul_f64s(im, x[0][0]);
    for r in 1..K1 {
        let re = simd.splat_f64s(column[2 * r]);
        let im = simd.splat_f64s(column[2 * r + 1]);
        re_re = simd.mul_add_e_f64s(re, x[r][0], re_re);
        re_im = simd.mul_add_e_f64s(re, x[r][1], re_im);
        im_im = simd.mul_add_e_f64s(im, x[r][1], im_im);
        im_re = simd.mul_add_e_f64s(im, x[r][0], im_re);
    }
    [simd.sub_f64s(re_re, im_im), simd.add_f64s(re_im, im_re)]
}

/// Transformed back and added to the accumulators.
struct Outward<'a, 'b>(&'a mut Step<'b>, &'a mut [u32]);

impl Work for Outward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Words, const W: usize>(self, simd: S) {
        let Self(step, group) = self;
        let (key, row_len) = (step.key, step.row_len);
        let (rows, stride) = step.rows::<S>();
        let rows = rows.chunks_exact_mut(stride);
        for (words, row) in group.chunks_exact_mut(row_len).zip(rows) {
            let row = &mut row[..stride - PADDING];
            key.transform.inverse(simd, row);
            add::<S, W>(simd, row, words);
        }
    }
}

#[inline(always)]
fn add<S: Words, const W: usize>(simd: S, row: &[Pair<S>], words: &mut [u32]) {
    let mut polynomials = of_units_mut::<W>(words);
    for part in 0..2 {
        for (line, values) in row.as_chunks::<8>().0.iter().enumerate() {
            let at = part * row.len() + line * 8;
            simd.add_words(values, part, &mut polynomials, at);
        }
    }
    for polynomial in &mut polynomials {
        renew_tail(polynomial);
    }
}

/// Takes a standard GGSW over.
struct SetBit<'a> {
    shape: &'a RotationShape,
    transform: &'a Transform,
    values: &'a mut [f64],
    ggsw: &'a [u64],
}

impl Work for SetBit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Words, const W: usize>(self, simd: S) {
        let polynomials = self.shape.glwe_dimension + 1;
        let points = self.shape.polynomial_size / 2;
        // The inverse transform multiplies by the number of points.
        let scale = 2f64.powi(-64) / points as f64;
        let mut row = vec![[simd.splat_f64s(0.0); 2]; points];
        let columns = self.ggsw.chunks(W * self.shape.polynomial_size);
        for (block, columns) in columns.enumerate() {
            let columns = columns.chunks_exact(self.shape.polynomial_size);
            for (lane, torus) in columns.clone().enumerate() {
                spread::<S, W>(&mut row, lane, torus, scale);
            }
            self.transform.forward(simd, &mut row);
            let row: &[f64] = cast_slice(&row);
            for lane in 0..columns.len() {
                let place = block * W + lane;
                let (r, c) = (place / polynomials, place % polynomials);
                let at = 2 * (c * polynomials + r);
                let points = self.values.chunks_exact_mut(2 * polynomials * polynomials);
                for (values, row) in points.zip(row.chunks_exact(2 * W)) {
                    values[at] = row[lane];
                    values[at + 1] = row[W + lane];
                }
            }
        }
    }
}

/// A polynomial of torus elements into a lane.
#[inline(always)]
pub(super) fn spread<S: Simd, const W: usize>(
    row: &mut [Pair<S>],
    lane: usize,
    torus: &[u64],
    scale: f64,
) {
    let (re, im) = torus.split_at(row.len());
    let row: &mut [f64] = cast_slice_mut(row);
    for (row, (re, im)) in row.chunks_exact_mut(2 * W).zip(re.iter().zip(im)) {
        row[lane] = re.cast_signed() as f64 * scale;
        row[W + lane] = im.cast_signed() as f64 * scale;
    }
}
