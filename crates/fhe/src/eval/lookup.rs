//! A lookup layer on ciphertexts.

use std::ops::{ControlFlow, Range};

use super::EvaluationKey;
use super::cipher::{Sample, extract};
use super::control::Progress;
use super::rotate;
use crate::Error;
use crate::model::Lookup;

/// Units are divided over threads in multiples of this, so that the rotation's lanes are full.
const LANES: usize = 4;

/// The outputs of a lookup layer.
pub(super) fn evaluate(
    key: &EvaluationKey,
    progress: &Progress,
    layer: &Lookup,
    depth: usize,
    inputs: &[Sample],
) -> Result<Vec<Sample>, Error> {
    if inputs.len() != layer.units() {
        return Err(Error::internal("inputs of another layer"));
    }
    let keyswitch = match depth {
        0 => &key.of_images,
        _ => &key.of_layers,
    };
    let samples: Vec<&[u64]> = inputs.iter().map(|sample| sample.0.as_slice()).collect();
    let switched = keyswitch.switch(&samples, progress)?;
    let n = key.bootstrap.shape().small_dimension;
    let log2_modulus = key.bootstrap.shape().polynomial_size.ilog2() + 1;
    let exponents: Vec<u16> = switched
        .chunks_exact(n + 1)
        .flat_map(|sample| exponents(sample, log2_modulus))
        .collect();
    let sums = rotate_and_sum(key, progress, layer, &exponents)?;
    let size = key.bootstrap.shape().polynomial_size;
    let glwes = sums.chunks_exact(key.bootstrap.shape().accumulator_len());
    Ok(glwes
        .zip(layer.outputs())
        .map(|(glwe, output)| {
            let (mask, body) = glwe.split_at(glwe.len() - size);
            Sample(extract(mask, size, body[0].wrapping_add(output.constant())))
        })
        .collect())
}

/// An LWE sample of 2^32 switched to a smaller modulus: mask, then body.
///
/// What rounding a mask element leaves meets a key bit, whose mean is a half: the body makes up for
/// half of it. The body is cut to its slot, not rounded, as the clear twin does.
///
/// Source: `lwe_ciphertext_centered_binary_modulus_switch` of tfhe.
pub(super) fn exponents(sample: &[u32], log2_modulus: u32) -> impl Iterator<Item = u16> {
    let dropped = 32 - log2_modulus;
    let (mask, body) = sample.split_at(sample.len() - 1);
    let half = 1_u32 << (dropped - 1);
    let rounded = move |element: u32| element.wrapping_add(half) >> dropped;
    let remainder = |element: &u32| {
        let kept = rounded(*element) << dropped;
        i64::from(element.wrapping_sub(kept).cast_signed())
    };
    let remainders: i64 = mask.iter().map(remainder).sum();
    let body = i64::from(body[0]) - (remainders >> 1);
    let body = low(body.rem_euclid(1 << 32) >> dropped);
    let mask = mask
        .iter()
        .map(move |element| low(i64::from(rounded(*element))));
    mask.chain(std::iter::once(body))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most 11 bits
fn low(exponent: i64) -> u16 {
    exponent as u16
}

/// Rotates a constant for every unit, multiplies and sums: one GLWE an output.
fn rotate_and_sum(
    key: &EvaluationKey,
    progress: &Progress,
    layer: &Lookup,
    exponents: &[u16],
) -> Result<Vec<u64>, Error> {
    let exponents_len = key.bootstrap.shape().exponents_len();
    let units = exponents.len() / exponents_len;
    let work = |units: Range<usize>| {
        let exponents = &exponents[units.start * exponents_len..units.end * exponents_len];
        share_of(key, progress, layer, units.start, exponents)
    };
    let sums = progress.divide(units, LANES, work)?.into_iter();
    let add = |mut sums: Vec<u64>, others: Vec<u64>| {
        for (sum, other) in sums.iter_mut().zip(others) {
            *sum = sum.wrapping_add(other);
        }
        sums
    };
    let sums = sums.reduce(add);
    sums.ok_or_else(|| Error::internal("a layer without units"))
}

/// One thread's share of the units.
fn share_of(
    key: &EvaluationKey,
    progress: &Progress,
    layer: &Lookup,
    first_unit: usize,
    exponents: &[u16],
) -> Result<Vec<u64>, Error> {
    let shape = key.bootstrap.shape();
    let units = exponents.len() / shape.exponents_len();
    let mut accumulator = vec![0; shape.accumulator_len()];
    let body = shape.accumulator_len() - shape.polynomial_size;
    // The product with the differences gives the functions twice.
    accumulator[body..].fill(layer.step() / 2);
    let mut accumulators = accumulator.repeat(units);
    let mut on_bit = |_: usize| {
        progress.add(units, shape.small_dimension);
        match progress.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    if rotate::rotate(&key.bootstrap, &mut accumulators, exponents, &mut on_bit)?.is_break() {
        return Err(Error::Cancelled);
    }
    let mut sums = vec![0; layer.outputs().len() * shape.accumulator_len()];
    let differences = &layer.differences;
    differences.add_products(first_unit, &accumulators, &mut sums)?;
    Ok(sums)
}
