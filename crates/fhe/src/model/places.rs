//! Where on the torus the outputs of a lookup layer lie, and the step of its tables: as fine as they fit.

use super::functions::Functions;
use super::linear::wrap;
use super::load::{LOG2_FAILURE_MAX, Range};
use super::lookup::{HALF, Output, OutputNoise, Target};
use super::spread::Spread;
use super::tables::{Squares, Tables};
use crate::Error;
use crate::noise::bootstrap::RotationNoise;
use crate::noise::{deviations_for, result_switch};
use crate::params::NETWORK;

/// The steps that are tried, as twice their binary logarithms.
const HALF_STEPS: std::ops::RangeInclusive<i32> = 70..=122;

/// What tables are wanted for.
pub(super) struct Wanted<'a> {
    pub(super) functions: &'a Functions,
    pub(super) spreads: &'a [Spread],
    pub(super) target: Target<'a>,
    pub(super) rotation: RotationNoise,
}

/// Where the values of an output lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    centre: f64,
    torus_per_value: f64,
    tolerance: f64,
    /// Room beyond the largest value, in units of the value.
    guard: f64,
    /// Whether all that the tables can sum up to has to have room.
    all: bool,
}

impl Wanted<'_> {
    /// The finest places that hold the outputs.
    pub(super) fn places(&self) -> Result<Vec<Place>, Error> {
        let (names, stated, tolerance) = match self.target {
            Target::Inputs { range } => {
                let place = Place {
                    // The range begins where the torus does.
                    centre: -range,
                    torus_per_value: HALF / (2.0 * range),
                    tolerance: f64::INFINITY,
                    guard: 0.0,
                    all: false,
                };
                return Ok(vec![place; self.functions.outputs]);
            }
            Target::Scores {
                names,
                stated,
                tolerance,
            } => (names, stated, tolerance),
        };
        let mut places = Vec::with_capacity(self.functions.outputs);
        for (output, name) in names.iter().enumerate() {
            let range = self.reachable(output, name, stated)?;
            places.push(Place {
                centre: range.middle(),
                torus_per_value: HALF / (range.width() / 2.0),
                tolerance: tolerance.unwrap_or(range.width() / 4.0),
                guard: 0.0,
                all: stated.is_none(),
            });
        }
        // Room for the noise, which can be known only when there is a step.
        let rough = self.outputs(&places, &self.choose(&places));
        for (place, output) in places.iter_mut().zip(&rough) {
            let deviation = output.noise.bound.sqrt() * 1.2;
            let needed = deviations_for(LOG2_FAILURE_MAX) * deviation + output.noise.shift;
            place.guard = needed.min(place.tolerance);
            let half_width = HALF / place.torus_per_value + place.guard;
            place.torus_per_value = HALF / half_width;
        }
        Ok(places)
    }

    /// The values that can occur: all that the functions can sum up to, within what the model states.
    fn reachable(&self, output: usize, name: &str, stated: Option<Range>) -> Result<Range, Error> {
        let reachable = self.functions.reachable(output);
        let name = || format!("{}, score {name:?}", self.functions.name);
        if reachable.width() == 0.0 {
            let mend = "train it again: it tells nothing";
            return Err(Error::model(name(), "all its functions are zero", mend));
        }
        let range = stated.map_or(reachable, |stated| Range {
            low: reachable.low.max(stated.low),
            high: reachable.high.min(stated.high),
        });
        if range.low >= range.high {
            let Range { low, high } = reachable;
            return Err(Error::model(
                name(),
                format!("its scores lie between {low:.3} and {high:.3}, outside [output] range"),
                "correct the bias or the range",
            ));
        }
        Ok(range)
    }

    /// The step at which rounding the functions, and the noise of the rotations, which weighs the more
    /// the finer the step is, together do the least.
    fn choose(&self, places: &[Place]) -> Tables {
        let scales: Vec<f64> = places.iter().map(|place| place.torus_per_value).collect();
        let round = |half_log2| Tables::round(self.functions, &scales, step(half_log2));
        let mut best = round(*HALF_STEPS.end());
        let mut least = self.cost(places, &best);
        // From the coarsest on. Once much worse than the best, it stays worse.
        for half_log2 in HALF_STEPS.rev().skip(1) {
            let tables = round(half_log2);
            let cost = self.cost(places, &tables);
            if cost < least {
                (best, least) = (tables, cost);
            } else if cost > 4.0 * least {
                break;
            }
        }
        best
    }

    fn cost(&self, places: &[Place], tables: &Tables) -> f64 {
        if !tables.sound {
            return f64::INFINITY;
        }
        let noises = self.outputs(places, tables);
        noises
            .iter()
            .map(|output| output.noise.rounding + output.noise.rotation)
            .sum()
    }

    /// Tables that fit.
    pub(super) fn tables(&self, places: &mut [Place]) -> Result<Tables, Error> {
        for _ in 0..100 {
            let tables = self.choose(places);
            if !tables.sound {
                let mend = "train it again: its functions differ too much in size";
                let reason = "its tables would need too large numbers";
                return Err(Error::model(&self.functions.name, reason, mend));
            }
            let fits = |(place, sums): (&Place, &Squares)| {
                let largest = sums.largest * tables.step as f64;
                !place.all || largest + place.guard * place.torus_per_value <= HALF
            };
            if places.iter().zip(&tables.squares).all(fits) {
                return Ok(tables);
            }
            places
                .iter_mut()
                .for_each(|place| place.torus_per_value *= 0.99);
        }
        let mend = "train it with functions of more even size";
        let reason = "rounding its functions widens their range";
        Err(Error::model(&self.functions.name, reason, mend))
    }

    pub(super) fn outputs(&self, places: &[Place], tables: &Tables) -> Vec<Output> {
        let last = matches!(self.target, Target::Scores { .. });
        let switch = if last { result_switch(&NETWORK) } else { 0.0 };
        let of_output = |(index, place): (usize, &Place)| {
            let (spread, squares) = (&self.spreads[index], &tables.squares[index]);
            let scale = place.torus_per_value.powi(2);
            let rotation = self.rotation.product(squares.differences, squares.entries) / scale;
            let rounding = tables.rounding(self.functions.units) / scale;
            let bias = self.functions.bias[index] - place.centre;
            Output {
                constant: wrap((bias * place.torus_per_value).round()),
                centre: place.centre,
                torus_per_value: place.torus_per_value,
                tolerance: place.tolerance,
                noise: OutputNoise {
                    inputs: spread.average,
                    rotation,
                    result_switch: switch / scale,
                    rounding,
                    // A noisy input meets another rounding of the function: half a step either way.
                    bound: spread.bound + 3.0 * rounding + 2.0 * rotation + switch / scale,
                    shift: spread.shift,
                },
            }
        };
        places.iter().enumerate().map(of_output).collect()
    }
}

/// A step, even: accumulators hold half of it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below 2^63, positive
fn step(half_log2: i32) -> u64 {
    (2f64.powf(f64::from(half_log2) / 2.0) as u64) & !1
}
