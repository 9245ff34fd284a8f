//! A lookup layer with integer tables.

use std::sync::Arc;

use super::functions::{Functions, SLOTS};
use super::load::{LOG2_FAILURE_MAX, Range};
use super::places::Wanted;
use super::spread::{Moves, Spread};
use crate::Error;
use crate::eval::rotate::Differences;
use crate::noise::bootstrap::RotationNoise;
use crate::noise::{deviations_for, log2_failure};
use crate::params::{NETWORK, NETWORK_BOOTSTRAP, ParameterSet};
use crate::wire::ScoreReading;

/// Half the torus.
pub(super) const HALF: f64 = 9_223_372_036_854_775_808.0;

/// Sums of functions: of every unit's input, one function an output.
///
/// Shapes: `units` torus elements become `outputs`.
/// Units: the upper 10 bits of an input are its slot; of the 1024 around the torus one half are the
/// table, the other its negative. An output is `step` times the sum of entries, plus a constant.
#[derive(Clone)]
pub struct Lookup {
    name: String,
    units: usize,
    step: u64,
    /// units x slots x outputs.
    tables: Arc<Vec<i32>>,
    outputs: Vec<Output>,
    /// Variance of the noise of inputs as they are looked up, the mean over the units.
    input_variance: f64,
    pub(crate) differences: Arc<Differences>,
}

/// One output: its place on the torus, and its noise.
///
/// Units: value = centre + torus (signed) / torus per value.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub(super) constant: u64,
    pub(super) centre: f64,
    pub(super) torus_per_value: f64,
    pub(super) tolerance: f64,
    pub(super) noise: OutputNoise,
}

/// The predicted noise of an output: variances in units of the value, but for the shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputNoise {
    /// What the noise of the inputs does to the functions: the mean over inputs spread evenly.
    pub inputs: f64,
    /// From the rotations, after the product with the difference polynomials.
    pub rotation: f64,
    /// From the modulus switch of the result; zero between layers.
    pub result_switch: f64,
    /// Rounding the functions to steps: an error of the clear twin as well, but not the same one where
    /// noise moves an input to another slot.
    pub rounding: f64,
    /// Around its mean the output is no wilder than a Gaussian of this variance, whatever the inputs
    /// are; under a GLWE key that doubles the mean variance of the rotation.
    pub bound: f64,
    /// How far at most that mean lies from the twin's output.
    pub shift: f64,
}

impl OutputNoise {
    /// Variance of the distance from the clear twin, whose slots, and so roundings, are others.
    fn beside_twin(&self) -> f64 {
        self.inputs + self.rotation + self.result_switch + 2.0 * self.rounding
    }
}

/// What the outputs of a layer are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// Inputs of a lookup layer of this range.
    Inputs { range: f64 },
    /// Scores.
    Scores {
        names: &'a [String],
        stated: Option<Range>,
        tolerance: Option<f64>,
    },
}

impl Lookup {
    /// The parameter set of its outputs.
    pub fn parameters(&self) -> &'static ParameterSet {
        &NETWORK
    }

    /// Its bootstraps.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Its outputs.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// One step of the tables, in units of the torus.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The entries of a unit at a slot of half the torus, one an output.
    pub fn entries(&self, unit: usize, slot: usize) -> &[i32] {
        let outputs = self.outputs.len();
        &self.tables[(unit * SLOTS + slot) * outputs..][..outputs]
    }

    /// Standard deviation of the predicted noise of an input as it is looked up, the mean over the
    /// units, as part of half the torus.
    pub fn input_deviation(&self) -> f64 {
        self.input_variance.sqrt() / HALF
    }

    /// How far, as part of half the torus, noise moves an input with a chance of 2^-128.
    pub fn slip(&self) -> f64 {
        deviations_for(-128.0) * self.input_deviation()
    }

    /// Finds the integer tables of functions, given the variance of the noise of every input as it is
    /// looked up, in units of the torus.
    pub(super) fn quantise(
        functions: &Functions,
        inputs: &[f64],
        target: Target<'_>,
    ) -> Result<Self, Error> {
        let spreads = spreads(functions, inputs);
        let wanted = Wanted {
            functions,
            spreads: &spreads,
            target,
            rotation: RotationNoise::new(&NETWORK, &NETWORK_BOOTSTRAP),
        };
        let mut places = wanted.places()?;
        let tables = wanted.tables(&mut places)?;
        let count = functions.units.max(1) as f64;
        let lookup = Self {
            name: functions.name.clone(),
            units: functions.units,
            step: tables.step,
            differences: Arc::new(tables.differences(functions.units, functions.outputs)?),
            outputs: wanted.outputs(&places, &tables),
            tables: Arc::new(tables.entries),
            input_variance: inputs.iter().sum::<f64>() / count,
        };
        lookup.check(target)?;
        Ok(lookup)
    }

    fn check(&self, target: Target<'_>) -> Result<(), Error> {
        let Target::Scores { names, .. } = target else {
            return Ok(());
        };
        for (name, output) in names.iter().zip(&self.outputs) {
            if output.log2_failure() > LOG2_FAILURE_MAX {
                let noise = output.noise;
                let needed = deviations_for(LOG2_FAILURE_MAX) * noise.bound.sqrt() + noise.shift;
                return Err(Error::model(
                    format!("{}, score {name:?}", self.name),
                    format!(
                        "its score would miss by more than {:.1e} with a chance of 2^{:.0}",
                        output.tolerance,
                        output.log2_failure()
                    ),
                    format!(
                        "set [output] tolerance to {needed:.1e} or more, narrow [output] range, or \
                         train with noise and smoother functions"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The layer's name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Output {
    /// What is added to the body.
    pub fn constant(&self) -> u64 {
        self.constant
    }

    /// The value of a torus element.
    pub fn read(&self, torus: u64) -> f64 {
        self.centre + torus.cast_signed() as f64 / self.torus_per_value
    }

    /// The predicted noise.
    pub fn noise(&self) -> OutputNoise {
        self.noise
    }

    /// Standard deviation of the distance from the clear twin's output, in units of the value.
    pub fn noise_deviation(&self) -> f64 {
        self.noise.beside_twin().sqrt()
    }

    /// Variance of what is added after the lookups, in units of the torus.
    pub(crate) fn own_variance(&self) -> f64 {
        (self.noise.rotation + self.noise.result_switch) * self.torus_per_value.powi(2)
    }

    /// By how much an output may be off from the clear twin's.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Binary logarithm of the chance that it is off by more, wherever the inputs of this layer lie.
    pub fn log2_failure(&self) -> f64 {
        let left = self.tolerance - self.noise.shift;
        if left <= 0.0 {
            return 0.0;
        }
        log2_failure(self.noise.bound.sqrt(), left)
    }

    /// Variance of the noise of this output as an input of the next layer, before its keyswitch.
    pub(super) fn variance_as_input(&self) -> f64 {
        self.noise.beside_twin() * self.torus_per_value.powi(2)
    }

    pub(crate) fn reading(&self) -> ScoreReading {
        let lowest_bit = 2f64.powi(64 - NETWORK.result_bits.cast_signed());
        ScoreReading {
            centre: self.centre,
            unit: lowest_bit / self.torus_per_value,
        }
    }
}

/// Per output the sums over all units.
fn spreads(functions: &Functions, inputs: &[f64]) -> Vec<Spread> {
    let mut sums = vec![Spread::default(); functions.outputs];
    let mut last: Option<(f64, Moves)> = None;
    for (unit, &variance) in inputs.iter().enumerate() {
        // The units of the first layer differ by less than it could matter.
        let (_, moves) = match last.take() {
            Some(same) if (same.0 / variance - 1.0).abs() < 1e-6 => last.insert(same),
            _ => {
                let in_slots = variance.sqrt() / HALF * SLOTS as f64;
                last.insert((variance, Moves::new(in_slots, SLOTS)))
            }
        };
        for (output, sum) in sums.iter_mut().enumerate() {
            let spread = moves.spread(functions.of(unit, output), functions.around());
            sum.average += spread.average;
            sum.bound += spread.bound;
            sum.shift += spread.shift;
        }
    }
    sums
}
