//! The twin: the same integers, not encrypted.

use std::cell::RefCell;
use std::f64::consts::PI;

use super::{Evaluator, run};
use crate::model::{Linear, Lookup, Model, SLOTS, switches};
use crate::params::PIXELS;
use crate::picture::Pixels;
use crate::seed::Randomness;
use crate::{Answer, Error};

/// Evaluates pixels in the clear.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clear;

impl Evaluator for Clear {
    type Image = Pixels;
    type Value = u64;

    fn shape(image: &Pixels) -> (u32, u32) {
        (image.width(), image.height())
    }

    fn linear(&self, layer: &Linear, image: &Pixels) -> Result<Vec<u64>, Error> {
        let score = |score: &crate::model::Score| {
            let pairs = score.weights().iter().zip(image.as_bytes());
            let sum: i64 = pairs.map(|(&w, &p)| i64::from(w) * i64::from(p)).sum();
            (sum.cast_unsigned() << PIXELS.scale_log2).wrapping_add(score.constant())
        };
        Ok(layer.scores().iter().map(score).collect())
    }

    fn lookup(&self, layer: &Lookup, _: usize, inputs: Vec<u64>) -> Result<Vec<u64>, Error> {
        let mut sums = vec![0_i64; layer.outputs().len()];
        for (unit, &input) in inputs.iter().enumerate() {
            let (slot, negative) = slot(input);
            for (sum, &entry) in sums.iter_mut().zip(layer.entries(unit, slot)) {
                *sum += i64::from(if negative { -entry } else { entry });
            }
        }
        let outputs = layer.outputs().iter().zip(sums);
        let output = outputs.map(|(output, sum)| {
            let torus = sum.cast_unsigned().wrapping_mul(layer.step());
            torus.wrapping_add(output.constant())
        });
        Ok(output.collect())
    }
}

/// The slot of an input on its half of the torus, and whether that is the negative one.
fn slot(input: u64) -> (usize, bool) {
    let bits = SLOTS.ilog2() + 1;
    let slot = usize::try_from(input >> (64 - bits)).unwrap_or(0);
    (slot % SLOTS, slot >= SLOTS)
}

/// The same with the noise of ciphertexts, drawn as it is predicted.
struct Noisy<'a> {
    randomness: RefCell<&'a mut Randomness>,
}

impl Noisy<'_> {
    /// A torus element with Gaussian noise of this variance.
    fn noisy(&self, exact: u64, variance: f64) -> u64 {
        let mut randomness = self.randomness.borrow_mut();
        let [a, b] = [(); 2].map(|()| {
            let drawn = u64::from_le_bytes(randomness.bytes()) >> 11;
            (drawn as f64 + 0.5) / 2f64.powi(53)
        });
        let normal = (-2.0 * a.ln()).sqrt() * (2.0 * PI * b).cos();
        exact.wrapping_add(whole(normal * variance.sqrt()))
    }
}

impl Evaluator for Noisy<'_> {
    type Image = Pixels;
    type Value = u64;

    fn shape(image: &Pixels) -> (u32, u32) {
        Clear::shape(image)
    }

    fn linear(&self, layer: &Linear, image: &Pixels) -> Result<Vec<u64>, Error> {
        let exact = Clear.linear(layer, image)?;
        let pairs = exact.into_iter().zip(layer.scores());
        Ok(pairs
            .map(|(exact, score)| self.noisy(exact, score.noise().variance()))
            .collect())
    }

    fn lookup(&self, layer: &Lookup, depth: usize, inputs: Vec<u64>) -> Result<Vec<u64>, Error> {
        let added = switches();
        let inputs = inputs.into_iter().map(|input| self.noisy(input, added));
        let exact = Clear.lookup(layer, depth, inputs.collect())?;
        let pairs = exact.into_iter().zip(layer.outputs());
        Ok(pairs
            .map(|(exact, output)| self.noisy(exact, output.own_variance()))
            .collect())
    }
}

/// The nearest integer on the torus.
#[allow(clippy::cast_possible_truncation)] // wrapping is meant
fn whole(number: f64) -> u64 {
    (number.round() as i128).cast_unsigned() as u64
}

/// What the model says of pixels: what the owner of an encrypted image should read, but for noise.
///
/// # Errors
/// [`Error::ImageShape`].
pub fn evaluate(model: &Model, pixels: &Pixels) -> Result<Answer, Error> {
    Ok(answer(model, run(&Clear, model, pixels)?))
}

/// As [`evaluate`], with noise as evaluation on ciphertexts is predicted to add it.
///
/// # Errors
/// [`Error::ImageShape`].
pub fn simulate(
    model: &Model,
    pixels: &Pixels,
    randomness: &mut Randomness,
) -> Result<Answer, Error> {
    let randomness = RefCell::new(randomness);
    Ok(answer(model, run(&Noisy { randomness }, model, pixels)?))
}

fn answer(model: &Model, torus: Vec<u64>) -> Answer {
    let scores = match model.lookups().last() {
        None => {
            let scores = model.layer().scores().iter().zip(torus);
            scores.map(|(score, torus)| score.read(torus)).collect()
        }
        Some(last) => {
            let outputs = last.outputs().iter().zip(torus);
            outputs.map(|(output, torus)| output.read(torus)).collect()
        }
    };
    model.answer(scores)
}
