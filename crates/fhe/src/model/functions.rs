//! The functions of a lookup layer: a value per unit, slot and output.

use std::f64::consts::PI;

use super::arrays::{Array, Files};
use super::form::{Form, Layer};
use super::load::Range;
use super::spread::Around;
use super::weights::{biases, check_size};
use crate::Error;
use crate::params::NETWORK;

/// Slots of half the torus: what a function is told apart by.
pub(crate) const SLOTS: usize = NETWORK.polynomial_size;

/// The most units of one layer.
const UNITS_MAX: usize = 1024;
/// The most functions of one layer: units times outputs.
const FUNCTIONS_MAX: usize = 1 << 13;
/// The most points of a table.
const POINTS_MAX: usize = 1 << 12;
const RANGE: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// What a lookup layer computes, before it has a scale: output `o` = bias `o` + the sum over its units
/// `u` of f_uo(z_u).
pub(super) struct Functions {
    /// Such as "layer 2", for messages.
    pub(super) name: String,
    pub(super) units: usize,
    pub(super) outputs: usize,
    /// Half the torus are the inputs from -range to range.
    pub(super) range: f64,
    /// The value at the middle of every slot: units x outputs x [`SLOTS`].
    pub(super) values: Vec<f64>,
    /// One an output.
    pub(super) bias: Vec<f64>,
    /// Up to which distance from zero an input is told right; `None` if any is.
    pub(super) reach: Option<f64>,
    /// Whether the maker measured that inputs keep to the reach.
    pub(super) measured: bool,
}

/// Functions with a name: one for all units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shared {
    Sine,
    Sign,
    Tanh,
    Relu,
}

impl Shared {
    const ALL: [(&'static str, Self); 4] = [
        ("sine", Self::Sine),
        ("sign", Self::Sign),
        ("tanh", Self::Tanh),
        ("relu", Self::Relu),
    ];

    fn parse(name: &str, place: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, shared)| shared).ok_or_else(|| {
            let names = Self::ALL.map(|(known, _)| known).join("\", \"");
            let mend = format!("\"{names}\" are known");
            Error::model(place, format!("no function {name:?} is known here"), mend)
        })
    }

    fn at(self, z: f64, range: f64) -> f64 {
        match self {
            Self::Sine => (PI * z / (2.0 * range)).sin(),
            Self::Sign => z.signum(),
            Self::Tanh => z.tanh(),
            Self::Relu => z.max(0.0),
        }
    }

    /// The first three are odd, so beyond the range they come back as in a mirror: sine is meant so,
    /// sign is right up to twice the range and tanh, flat there, nearly as far.
    fn reach(self, range: f64) -> Option<f64> {
        match self {
            Self::Sine => None,
            Self::Sign => Some(2.0 * range),
            Self::Tanh => Some((2.0 * range - 4.0).max(range)),
            Self::Relu => Some(range),
        }
    }
}

/// The layers of a form after the first; linear layers that follow shared functions are taken in.
pub(super) fn read(form: &Form, files: &mut Files) -> Result<Vec<Functions>, Error> {
    let mut layers = form.layers.iter().zip(1..).skip(1).peekable();
    let mut all: Vec<Functions> = Vec::new();
    while let Some((layer, number)) = layers.next() {
        let name = format!("layer {number}");
        if layer.kind != "lookup" {
            let reason = format!("{:?} after {:?}", layer.kind, form.layers[number - 2].kind);
            let mend = match layer.kind.as_str() {
                "linear" => {
                    "multiply the matrices of linear layers in a row, and those after \
                             coefficients or tables into them"
                }
                _ => "\"linear\" and \"lookup\" are known",
            };
            return Err(Error::model(name, reason, mend));
        }
        layer.check_lookup(&name)?;
        let units = all.last().map(|before| before.outputs);
        let next = match &layer.function {
            Some(function) => {
                let Some((linear, number)) = layers.next_if(|(next, _)| next.kind == "linear")
                else {
                    let mend = "let a layer of kind \"linear\" follow it, (units, outputs)";
                    return Err(Error::model(name, "a shared function at the end", mend));
                };
                let weights = linear.linear_weights(&format!("layer {number}"))?;
                shared(name, layer, function, (linear, weights), files)?
            }
            None => of_their_own(name, layer, files)?,
        };
        next.check(units)?;
        all.push(next);
    }
    Ok(all)
}

/// A function for all units, and a linear layer over it.
fn shared(
    name: String,
    layer: &Layer,
    function: &str,
    (linear, place): (&Layer, &str),
    files: &mut Files,
) -> Result<Functions, Error> {
    if layer.bias.is_some() || layer.coefficients.is_some() || layer.tables.is_some() {
        let reason = "a shared function with bias, coefficients or tables";
        let mend = "take them out; a bias belongs to the linear layer before or after";
        return Err(Error::model(name, reason, mend));
    }
    let range = range(layer, &name)?;
    let shared = Shared::parse(function, &name)?;
    let weights = files.array(place)?;
    check_size(place, &weights)?;
    let [units, outputs] = *weights.shape.as_slice() else {
        return Err(wrong_shape(place, &weights, "(units, outputs)"));
    };
    check_count(&name, units, outputs)?;
    let function: Vec<f64> = middles(range).map(|z| shared.at(z, range)).collect();
    let of_weight = |weight: &f64| {
        let weight = *weight;
        function.iter().map(move |value| weight * value)
    };
    Ok(Functions {
        units,
        outputs,
        range,
        values: weights.numbers.iter().flat_map(of_weight).collect(),
        bias: biases(linear, outputs, files)?,
        reach: shared.reach(range),
        measured: layer.measured.unwrap_or(false),
        name,
    })
}

/// A function per unit and output, from harmonics or a table.
fn of_their_own(name: String, layer: &Layer, files: &mut Files) -> Result<Functions, Error> {
    let range = range(layer, &name)?;
    let (place, harmonics) = match (&layer.coefficients, &layer.tables) {
        (Some(place), None) => (place, true),
        (None, Some(place)) => (place, false),
        _ => {
            let reason = "not one of coefficients, tables and function";
            return Err(Error::model(name, reason, "give one of them"));
        }
    };
    let array = files.array(place)?;
    check_size(place, &array)?;
    let axes = if harmonics {
        "(units, features, outputs)"
    } else {
        "(units, points, outputs)"
    };
    let [units, points, outputs] = *array.shape.as_slice() else {
        return Err(wrong_shape(place, &array, axes));
    };
    check_count(&name, units, outputs)?;
    let basis = if harmonics {
        if points == 0 || !points.is_multiple_of(2) || points > SLOTS / 2 {
            let mend = "two features a harmonic: sine and cosine of odd multiples, in turn";
            return Err(Error::model(place, format!("{points} features"), mend));
        }
        harmonic_basis(points)
    } else {
        if !(2..=POINTS_MAX).contains(&points) {
            let mend = format!("2 to {POINTS_MAX} points, evenly spaced over the range");
            return Err(Error::model(place, format!("{points} points"), mend));
        }
        table_basis(points)
    };
    Ok(Functions {
        units,
        outputs,
        range,
        values: combine(&array.numbers, &basis, (units, points, outputs)),
        bias: biases(layer, outputs, files)?,
        // Whoever gives coefficients or a table knows what comes after the end of the range.
        reach: None,
        measured: true,
        name,
    })
}

/// The middles of the slots.
fn middles(range: f64) -> impl Iterator<Item = f64> {
    (0..SLOTS).map(move |slot| ((slot as f64 + 0.5) / SLOTS as f64 * 2.0 - 1.0) * range)
}

/// Features at the middle of every slot: [`SLOTS`] a feature.
fn harmonic_basis(features: usize) -> Vec<f64> {
    let at = |feature: usize| {
        let multiple = (feature / 2 * 2 + 1) as f64;
        middles(1.0).map(move |z| {
            let angle = multiple * PI * z / 2.0;
            if feature.is_multiple_of(2) {
                angle.sin()
            } else {
                angle.cos()
            }
        })
    };
    (0..features).flat_map(at).collect()
}

/// How much each point of a table, the middle of a cell of its own, counts at every slot: linear
/// between points, level beyond the outer ones.
fn table_basis(points: usize) -> Vec<f64> {
    let mut basis = vec![0.0; points * SLOTS];
    for slot in 0..SLOTS {
        let at = (slot as f64 + 0.5) / SLOTS as f64 * points as f64 - 0.5;
        let at = at.clamp(0.0, (points - 1) as f64);
        for point in 0..points {
            basis[point * SLOTS + slot] = (1.0 - (at - point as f64).abs()).max(0.0);
        }
    }
    basis
}

/// From (units, features, outputs) and a basis to (units, outputs, slots).
fn combine(
    numbers: &[f64],
    basis: &[f64],
    (units, features, outputs): (usize, usize, usize),
) -> Vec<f64> {
    let mut values = vec![0.0; units * outputs * SLOTS];
    for (of_unit, values) in numbers
        .chunks_exact(features * outputs)
        .zip(values.chunks_exact_mut(outputs * SLOTS))
    {
        for (coefficients, basis) in of_unit.chunks_exact(outputs).zip(basis.chunks_exact(SLOTS)) {
            for (coefficient, values) in coefficients.iter().zip(values.chunks_exact_mut(SLOTS)) {
                if *coefficient != 0.0 {
                    for (value, basis) in values.iter_mut().zip(basis) {
                        *value += coefficient * basis;
                    }
                }
            }
        }
    }
    values
}

fn range(layer: &Layer, name: &str) -> Result<f64, Error> {
    let range = layer.range.unwrap_or(1.0);
    if RANGE.contains(&range) {
        return Ok(range);
    }
    let mend = "give the input at which half the torus ends, such as 1";
    Err(Error::model(name, format!("range = {range}"), mend))
}

fn check_count(name: &str, units: usize, outputs: usize) -> Result<(), Error> {
    let fits = (1..=UNITS_MAX).contains(&units) && (1..=FUNCTIONS_MAX / units).contains(&outputs);
    if fits {
        return Ok(());
    }
    let mend = format!("at most {UNITS_MAX} units and {FUNCTIONS_MAX} functions are possible");
    Err(Error::model(
        name,
        format!("{units} units of {outputs} outputs"),
        mend,
    ))
}

fn wrong_shape(place: &str, array: &Array, axes: &str) -> Error {
    let reason = format!("an array of shape {:?}", array.shape);
    Error::model(place, reason, format!("it has to be {axes}"))
}

impl Functions {
    fn check(&self, units: Option<usize>) -> Result<(), Error> {
        if let Some(units) = units.filter(|units| *units != self.units) {
            let reason = format!("{} units over a layer of {units} outputs", self.units);
            let mend = "make the two fit; of the shape the first axis counts units";
            return Err(Error::model(&self.name, reason, mend));
        }
        if self.values.iter().all(|value| *value == 0.0) {
            let mend = "train it again: the layer tells nothing";
            return Err(Error::model(&self.name, "all its functions are zero", mend));
        }
        Ok(())
    }

    /// What comes beyond the ends of the range.
    pub(super) fn around(&self) -> Around {
        match self.reach {
            Some(reach) if reach <= self.range => Around::Level,
            _ => Around::Negative,
        }
    }

    /// The values of a unit's function for an output.
    pub(super) fn of(&self, unit: usize, output: usize) -> &[f64] {
        &self.values[(unit * self.outputs + output) * SLOTS..][..SLOTS]
    }

    /// The values that an output can have: all that its functions can sum up to.
    pub(super) fn reachable(&self, output: usize) -> Range {
        let largest = |unit| {
            let values = self.of(unit, output).iter();
            values.fold(0.0, |top: f64, value| top.max(value.abs()))
        };
        let most: f64 = (0..self.units).map(largest).sum();
        let bias = self.bias[output];
        Range {
            low: bias - most,
            high: bias + most,
        }
    }
}
