//! Functions rounded to integer tables.

use super::functions::{Functions, SLOTS};
use crate::Error;
use crate::eval::rotate::Differences;

/// The largest entry of a table.
const ENTRY_MAX: f64 = (1_u32 << 24) as f64;
/// Added and taken away again it leaves the nearest integer.
const TO_WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;

/// Integer tables of all functions, one step for all.
pub(super) struct Tables {
    /// Units of the torus of one step. Even: the accumulators hold half of it.
    pub(super) step: u64,
    /// units x slots x outputs.
    pub(super) entries: Vec<i32>,
    /// One an output.
    pub(super) squares: Vec<Squares>,
    /// Whether all entries are as large as they should.
    pub(super) sound: bool,
}

/// Sums over the units of an output.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Squares {
    /// Of the squares of the entries.
    pub(super) entries: f64,
    /// Of the squares of the difference polynomial's coefficients.
    pub(super) differences: f64,
    /// Of the largest entries.
    pub(super) largest: f64,
}

impl Tables {
    /// Rounds functions, given how many units of the torus a unit of each output's value is.
    pub(super) fn round(functions: &Functions, torus_per_value: &[f64], step: u64) -> Self {
        let outputs = functions.outputs;
        let mut tables = Self {
            step,
            entries: vec![0; functions.units * SLOTS * outputs],
            squares: vec![Squares::default(); outputs],
            sound: true,
        };
        let of_units = tables.entries.chunks_exact_mut(SLOTS * outputs);
        for (unit, entries) in of_units.enumerate() {
            for (output, sums) in tables.squares.iter_mut().enumerate() {
                let scale = torus_per_value[output] / step as f64;
                let whole = |value: &f64| (value * scale + TO_WHOLE) - TO_WHOLE;
                let values = functions.of(unit, output);
                let mut before = values.last().map_or(0.0, |last| -whole(last));
                let mut largest = 0.0_f64;
                for (slot, value) in values.iter().enumerate() {
                    let entry = whole(value);
                    let difference = entry - before;
                    sums.entries += entry * entry;
                    sums.differences += difference * difference;
                    largest = largest.max(entry.abs());
                    entries[slot * outputs + output] = to_i32(entry);
                    before = entry;
                }
                sums.largest += largest;
                tables.sound &= largest <= ENTRY_MAX;
            }
        }
        tables
    }

    /// Variance of what the rounding does to an output, in units of the torus.
    pub(super) fn rounding(&self, units: usize) -> f64 {
        (self.step as f64).powi(2) / 12.0 * units as f64
    }

    /// The difference polynomials: entry 0 plus the last one, and every entry less the one before.
    pub(super) fn differences(&self, units: usize, outputs: usize) -> Result<Differences, Error> {
        let mut differences = Differences::new(SLOTS, units, outputs)?;
        let mut polynomial = vec![0; SLOTS];
        for (unit, entries) in self.entries.chunks_exact(SLOTS * outputs).enumerate() {
            for output in 0..outputs {
                let column = || entries.iter().skip(output).step_by(outputs);
                let mut before = column().next_back().map_or(0, |last| -last);
                for (difference, entry) in polynomial.iter_mut().zip(column()) {
                    *difference = entry - before;
                    before = *entry;
                }
                differences.set(unit, output, &polynomial)?;
            }
        }
        Ok(differences)
    }
}

#[allow(clippy::cast_possible_truncation)] // whole, and sound tables keep to ENTRY_MAX
fn to_i32(number: f64) -> i32 {
    number as i32
}
