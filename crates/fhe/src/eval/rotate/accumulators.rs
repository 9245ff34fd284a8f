//! The accumulators of one thread, as the kernel holds them.

use std::slice::{ChunksExact, ChunksExactMut};

use super::RotationShape;
use super::words::Line;

/// Words repeated behind a polynomial, so that a line of a turned one is a slice of it: they are
/// X^N = -1 times its first.
const TAIL: usize = size_of::<Line>() / size_of::<u32>();

/// Torus elements of 32 bits: groups of units x polynomials x units of a group x coefficients and
/// tail. The last group is filled up with zeros.
pub(super) struct Accumulators {
    shape: RotationShape,
    lanes: usize,
    words: Vec<u32>,
}

impl Accumulators {
    /// Takes units' accumulators over, divided by X^body.
    pub(super) fn new(
        shape: RotationShape,
        lanes: usize,
        accumulators: &[u64],
        exponents: &[u16],
    ) -> Self {
        let units = exponents.len() / shape.exponents_len();
        let polynomials = shape.glwe_dimension + 1;
        let len = units.next_multiple_of(lanes) * polynomials * (shape.polynomial_size + TAIL);
        let words = vec![0; len];
        let mut this = Self {
            shape,
            lanes,
            words,
        };
        let glwes = accumulators.chunks_exact(shape.accumulator_len());
        let bodies = exponents.chunks_exact(shape.exponents_len());
        for (unit, (glwe, exponents)) in glwes.zip(bodies).enumerate() {
            let body = usize::from(exponents[shape.small_dimension]);
            let polynomials = glwe.chunks_exact(shape.polynomial_size);
            for (polynomial, torus) in polynomials.enumerate() {
                let at = this.place(unit, polynomial);
                divide(torus, body, &mut this.words[at..at + torus.len() + TAIL]);
            }
        }
        this
    }

    /// Words of a polynomial of all units of a group.
    pub(super) const fn row_len(&self) -> usize {
        self.lanes * (self.shape.polynomial_size + TAIL)
    }

    const fn group_len(&self) -> usize {
        (self.shape.glwe_dimension + 1) * self.row_len()
    }

    pub(super) fn groups_mut(&mut self) -> ChunksExactMut<'_, u32> {
        let len = self.group_len();
        self.words.chunks_exact_mut(len)
    }

    /// Gives units' accumulators back.
    pub(super) fn write(&self, accumulators: &mut [u64]) {
        let glwes = accumulators.chunks_exact_mut(self.shape.accumulator_len());
        for (unit, glwe) in glwes.enumerate() {
            let polynomials = glwe.chunks_exact_mut(self.shape.polynomial_size);
            for (polynomial, torus) in polynomials.enumerate() {
                let words = &self.words[self.place(unit, polynomial)..];
                for (torus, word) in torus.iter_mut().zip(words) {
                    *torus = u64::from(*word) << 32;
                }
            }
        }
    }

    const fn place(&self, unit: usize, polynomial: usize) -> usize {
        let (group, lane) = (unit / self.lanes, unit % self.lanes);
        let stride = self.shape.polynomial_size + TAIL;
        group * self.group_len() + polynomial * self.row_len() + lane * stride
    }
}

/// The polynomials of a row, one a unit, each with its tail.
#[inline(always)]
pub(super) fn of_units<const W: usize>(row: &[u32]) -> [&[u32]; W] {
    let mut polynomials: ChunksExact<'_, u32> = row.chunks_exact(row.len() / W);
    std::array::from_fn(|_| polynomials.next().unwrap_or_default())
}

/// The same, to be changed; [`renew_tail`] afterwards.
#[inline(always)]
pub(super) fn of_units_mut<const W: usize>(row: &mut [u32]) -> [&mut [u32]; W] {
    let mut polynomials = row.chunks_exact_mut(row.len() / W);
    std::array::from_fn(|_| polynomials.next().unwrap_or_default())
}

#[inline(always)]
pub(super) fn renew_tail(polynomial: &mut [u32]) {
    let (words, tail) = polynomial.split_at_mut(polynomial.len() - TAIL);
    for (tail, word) in tail.iter_mut().zip(words) {
        *tail = word.wrapping_neg();
    }
}

/// X^-degree * torus, of which the upper 32 bits stay, rounded.
fn divide(torus: &[u64], degree: usize, words: &mut [u32]) {
    let size = torus.len();
    for (i, word) in words.iter_mut().take(size).enumerate() {
        let from = (i + degree) % (2 * size);
        let element = torus[from % size].wrapping_add(1 << 31) >> 32;
        let element = u32::try_from(element).unwrap_or(0);
        *word = match from < size {
            true => element,
            false => element.wrapping_neg(),
        };
    }
    renew_tail(words);
}
