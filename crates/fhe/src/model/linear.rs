//! A linear layer with integer weights, and how they are found.

use super::load::Range;
use crate::noise::{self, Noise};
use crate::params::{PIXELS, ParameterSet};
use crate::product::{Residues, Transform};
use crate::wire::ScoreReading;
use crate::{Error, noise::log2_failure};

/// Half a circle of the torus, with room for the rounding of the scale itself.
const TORUS: f64 = 18_446_744_073_709_551_616.0 * (1.0 - 1e-6);
/// The largest integer weight.
const WEIGHT_MAX: f64 = (1_u32 << 30) as f64;
/// The standard deviation of an evenly distributed pixel.
const PIXEL_DEVIATION: f64 = 73.9;

/// Scores as weighted sums of all pixels.
///
/// Shapes: `width * height` pixels become one torus element a score.
#[derive(Clone)]
pub struct Linear {
    parameters: &'static ParameterSet,
    scores: Vec<Score>,
}

/// One score: integer weights and the place of its range on the torus.
///
/// Units: torus = 2^32 times the sum of weights times pixels, plus the constant;
/// score = centre + torus (signed) / torus per score.
#[derive(Clone)]
pub struct Score {
    weights: Vec<i32>,
    constant: u64,
    centre: f64,
    torus_per_score: f64,
    tolerance: f64,
    noise: Noise,
    rounding: f64,
    pub(crate) factors: Vec<Residues>,
}

/// What a score is made of: float weights of all pixels of the frame, and its place.
pub(super) struct Wanted<'a> {
    pub(super) name: String,
    pub(super) weights: &'a [f64],
    pub(super) bias: f64,
    pub(super) width: usize,
    pub(super) scale: f64,
    pub(super) range: Option<Range>,
    pub(super) tolerance: Option<f64>,
}

impl Linear {
    pub(super) fn new(parameters: &'static ParameterSet, scores: Vec<Score>) -> Self {
        Self { parameters, scores }
    }

    /// The parameter set of its input.
    pub fn parameters(&self) -> &'static ParameterSet {
        self.parameters
    }

    /// Its scores.
    pub fn scores(&self) -> &[Score] {
        &self.scores
    }
}

impl Score {
    /// One integer a pixel.
    pub fn weights(&self) -> &[i32] {
        &self.weights
    }

    /// What is added to the body: bias and the shift of the range to the middle of the torus.
    pub fn constant(&self) -> u64 {
        self.constant
    }

    /// The score of a torus element.
    pub fn read(&self, torus: u64) -> f64 {
        self.centre + torus.cast_signed() as f64 / self.torus_per_score
    }

    /// The predicted noise, variance in units of the torus.
    pub fn noise(&self) -> Noise {
        self.noise
    }

    /// Standard deviation of the noise, in units of the score.
    pub fn noise_deviation(&self) -> f64 {
        self.noise.variance().sqrt() / self.torus_per_score
    }

    /// Standard deviation, in units of the score, of what rounding the weights does to the score of
    /// white noise; pictures of things come out far better, because neighbouring errors cancel.
    pub fn rounding_deviation(&self) -> f64 {
        self.rounding
    }

    /// By how much a score may be wrong: infinite for a unit of a network, where what it does to the
    /// scores counts.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Binary logarithm of the chance that it is wrong by more.
    pub fn log2_failure(&self) -> f64 {
        log2_failure(self.deviation(), self.tolerance)
    }

    fn deviation(&self) -> f64 {
        self.noise_deviation().hypot(self.rounding)
    }

    pub(crate) fn reading(&self, parameters: &ParameterSet) -> ScoreReading {
        let lowest_bit = 2f64.powi(64 - parameters.result_bits.cast_signed());
        ScoreReading {
            centre: self.centre,
            unit: lowest_bit / self.torus_per_score,
        }
    }

    /// Quantises a score: the finest scale at which its range, and the tolerance on both sides, fits on
    /// the torus.
    pub(super) fn quantise(
        parameters: &ParameterSet,
        transform: Transform,
        wanted: &Wanted,
    ) -> Result<Self, Error> {
        let range = wanted.reachable()?;
        let tolerance = wanted.tolerance.unwrap_or(range.width() / 16384.0);
        let pixel_scale = 2f64.powi(PIXELS.scale_log2.cast_signed());
        let largest = wanted
            .weights
            .iter()
            .fold(0.0, |top: f64, w| top.max(w.abs()));
        let mut torus_per_score = (TORUS / (range.width() + 2.0 * tolerance))
            .min(WEIGHT_MAX / largest * pixel_scale * wanted.scale);
        let centre = range.middle();
        for _ in 0..100 {
            let weight_scale = torus_per_score / pixel_scale / wanted.scale;
            let weights = diffuse(wanted.weights, wanted.width, weight_scale);
            let constant = ((wanted.bias - centre) * torus_per_score).round();
            if wanted.range.is_some()
                || fits(&weights, constant, pixel_scale, tolerance * torus_per_score)
            {
                let mut score = Self {
                    constant: wrap(constant),
                    centre,
                    torus_per_score,
                    tolerance,
                    noise: Noise::of_linear(parameters, squares(&weights)),
                    rounding: rounding(wanted, &weights, weight_scale),
                    factors: vec![],
                    weights,
                };
                score.check(wanted)?;
                let glwes = score.weights.chunks(parameters.polynomial_size);
                score.factors = glwes.map(|weights| transform.factor(weights)).collect();
                return Ok(score);
            }
            torus_per_score *= 0.99;
        }
        let mend = "train it with weights of more even size";
        Err(Error::model(
            &wanted.name,
            "rounding its weights widens its range",
            mend,
        ))
    }

    /// Quantises the input of a lookup: its range is half the torus and begins where the torus does.
    pub(super) fn unit(
        parameters: &ParameterSet,
        transform: Transform,
        wanted: &Wanted,
        range: f64,
    ) -> Result<Self, Error> {
        let pixel_scale = 2f64.powi(PIXELS.scale_log2.cast_signed());
        let torus_per_score = 2f64.powi(62) / range;
        let weight_scale = torus_per_score / pixel_scale / wanted.scale;
        let largest = wanted
            .weights
            .iter()
            .fold(0.0, |top: f64, w| top.max(w.abs()));
        if largest == 0.0 {
            let mend = "leave the unit out";
            return Err(Error::model(&wanted.name, "all its weights are zero", mend));
        }
        if largest * weight_scale > WEIGHT_MAX {
            let needed = range * largest * weight_scale / WEIGHT_MAX;
            let mend = format!("set the next layer's range to {needed:.1e} or more");
            let reason = format!("a weight of {largest:.1e} turns around the range too often");
            return Err(Error::model(&wanted.name, reason, mend));
        }
        let weights = diffuse(wanted.weights, wanted.width, weight_scale);
        let glwes = weights.chunks(parameters.polynomial_size);
        Ok(Self {
            constant: wrap(((wanted.bias + range) * torus_per_score).round()),
            centre: -range,
            torus_per_score,
            tolerance: f64::INFINITY,
            noise: Noise::of_unit(parameters, squares(&weights)),
            rounding: rounding(wanted, &weights, weight_scale),
            factors: glwes.map(|weights| transform.factor(weights)).collect(),
            weights,
        })
    }

    fn check(&self, wanted: &Wanted) -> Result<(), Error> {
        if self.weights.iter().all(|&weight| weight == 0) {
            let mend = "narrow [output] range to the scores that occur, or leave it out";
            let reason = "all its weights round to zero: the range is too wide for them";
            return Err(Error::model(&wanted.name, reason, mend));
        }
        if self.log2_failure() > super::load::LOG2_FAILURE_MAX {
            let needed = noise::deviations_for(super::load::LOG2_FAILURE_MAX) * self.deviation();
            return Err(Error::model(
                &wanted.name,
                format!(
                    "its score would miss by more than {:.1e} with a chance of 2^{:.0}",
                    self.tolerance,
                    self.log2_failure()
                ),
                format!("set [output] tolerance to {needed:.1e} or more, or shrink the weights"),
            ));
        }
        Ok(())
    }
}

impl Wanted<'_> {
    /// The worst case of the weights.
    pub(super) fn worst(&self) -> Range {
        let (mut low, mut high) = (self.bias, self.bias);
        for &weight in self.weights {
            let white = weight * 255.0 / self.scale;
            low += white.min(0.0);
            high += white.max(0.0);
        }
        Range { low, high }
    }

    /// The scores that can occur: the worst case of the weights, within what the model states.
    fn reachable(&self) -> Result<Range, Error> {
        let Range { low, high } = self.worst();
        if low == high {
            let mend = "train it again: no pixel counts";
            return Err(Error::model(&self.name, "all its weights are zero", mend));
        }
        let Some(stated) = self.range else {
            return Ok(Range { low, high });
        };
        let range = Range {
            low: low.max(stated.low),
            high: high.min(stated.high),
        };
        if range.low >= range.high {
            return Err(Error::model(
                &self.name,
                format!("its scores lie between {low:.3} and {high:.3}, outside [output] range"),
                "correct the bias or the range",
            ));
        }
        Ok(range)
    }
}

/// Rounds weights so that errors cancel over neighbouring pixels: Floyd-Steinberg, line by line, there
/// and back. At the frame's border the neighbours that there are share the whole error, so that the sum
/// of the weights is kept.
fn diffuse(weights: &[f64], width: usize, scale: f64) -> Vec<i32> {
    let mut rounded = vec![0; weights.len()];
    let mut errors = vec![0.0; weights.len()];
    let lines = weights.len() / width;
    for y in 0..lines {
        for step in 0..width {
            let there = y % 2 == 0;
            let x = if there { step } else { width - 1 - step };
            let (right, left) = ((x + 1 < width).then_some(x + 1), x.checked_sub(1));
            let (ahead, behind) = if there { (right, left) } else { (left, right) };
            let pixel = y * width + x;
            let exact = weights[pixel] * scale + errors[pixel];
            let near = exact.round();
            rounded[pixel] = to_i32(near);
            let below = y + 1 < lines;
            let neighbours = [
                (ahead, 0, 7.0),
                (behind.filter(|_| below), width, 3.0),
                (Some(x).filter(|_| below), width, 5.0),
                (ahead.filter(|_| below), width, 1.0),
            ];
            let all: f64 = neighbours
                .iter()
                .map(|(x, _, part)| x.map_or(0.0, |_| *part))
                .sum();
            for (x, down, part) in neighbours {
                if let Some(x) = x {
                    errors[y * width + down + x] += (exact - near) * part / all;
                }
            }
        }
    }
    rounded
}

/// Whether the worst case of integer weights stays on the torus.
fn fits(weights: &[i32], constant: f64, pixel_scale: f64, guard: f64) -> bool {
    let half = TORUS / 2.0;
    let sum = |sign: f64| -> f64 {
        let sided = weights.iter().map(|&w| (f64::from(w) * sign).max(0.0));
        sided.sum::<f64>() * 255.0 * pixel_scale
    };
    // The factor gives back what TORUS holds in reserve, for sums of rounded numbers.
    let limit = half * (1.0 + 5e-7);
    constant + sum(1.0) + guard <= limit && constant - sum(-1.0) - guard >= -limit
}

fn squares(weights: &[i32]) -> f64 {
    weights.iter().map(|&w| f64::from(w) * f64::from(w)).sum()
}

fn rounding(wanted: &Wanted, weights: &[i32], weight_scale: f64) -> f64 {
    let pairs = weights.iter().zip(wanted.weights);
    let squares: f64 = pairs
        .map(|(&w, exact)| (f64::from(w) - exact * weight_scale).powi(2))
        .sum();
    squares.sqrt() * PIXEL_DEVIATION / weight_scale / wanted.scale
}

/// A number on the torus. Far ones wrap: the range alone has to lie right.
#[allow(clippy::cast_possible_truncation)] // wrapping is meant
pub(super) fn wrap(number: f64) -> u64 {
    (number as i128).cast_unsigned() as u64
}

#[allow(clippy::cast_possible_truncation)] // whole and within WEIGHT_MAX
fn to_i32(number: f64) -> i32 {
    number as i32
}
