//! The float weights of a model's first layer, and the biases of any.

use super::arrays::{Array, Files};
use super::form::{Form, Input, Layer};
use super::load::FORM;
use crate::{Error, Head};

/// The most weights of all scores or units of a layer, at full resolution.
const WEIGHTS_MAX: usize = 1 << 22;
/// The largest weight and bias.
pub(super) const NUMBER_MAX: f64 = 1e9;

/// Float weights, score by score or unit by unit, at the resolution of the file.
pub(super) struct Weights {
    pub(super) rows: usize,
    /// `rows` times `inputs`.
    numbers: Vec<f64>,
    inputs: usize,
}

impl Weights {
    /// Of the scores of a linear model.
    pub(super) fn of_scores(
        form: &Form,
        place: &str,
        files: &mut Files,
    ) -> Result<(Head, Self), Error> {
        let inputs = inputs(&form.input);
        let classes = form.classes.len();
        let array = files.array(place)?;
        let (head, rows_first) = orientation(place, &array.shape, inputs, classes)?;
        let rows = head.scores(classes);
        let weights = Self::new(form, place, array, (rows, rows_first))?;
        Ok((head, weights))
    }

    /// Of the units of a network.
    pub(super) fn of_units(
        form: &Form,
        place: &str,
        units: usize,
        files: &mut Files,
    ) -> Result<Self, Error> {
        let inputs = inputs(&form.input);
        let array = files.array(place)?;
        let rows_first = match *array.shape.as_slice() {
            [n, m] if n == m && n == units && n == inputs => {
                let reason =
                    format!("{n} inputs and {n} units: which axis is which cannot be told");
                return Err(Error::model(place, reason, "take another pooling"));
            }
            [n, m] if n == units && m == inputs => true,
            [n, m] if n == inputs && m == units => false,
            _ => {
                let reason = format!("an array of shape {:?}", array.shape);
                let mend = format!(
                    "for this input and the {units} units of the next layer it has to be \
                     ({inputs}, {units}) or ({units}, {inputs})"
                );
                return Err(Error::model(place, reason, mend));
            }
        };
        Self::new(form, place, array, (units, rows_first))
    }

    fn new(
        form: &Form,
        place: &str,
        array: Array,
        (rows, rows_first): (usize, bool),
    ) -> Result<Self, Error> {
        let inputs = inputs(&form.input);
        let pixels = form.input.width as usize * form.input.height as usize;
        if pixels * rows > WEIGHTS_MAX {
            let reason = format!("{rows} scores or units of {pixels} pixels");
            let mend = format!("at most {WEIGHTS_MAX} weights at full resolution are possible");
            return Err(Error::model(place, reason, mend));
        }
        check_size(place, &array)?;
        let numbers = if rows_first {
            array.numbers
        } else {
            let at = |i: usize| array.numbers[i % inputs * rows + i / inputs];
            (0..rows * inputs).map(at).collect()
        };
        Ok(Self {
            rows,
            numbers,
            inputs,
        })
    }

    /// The weights of a row for every pixel of the frame: each pixel has its share of its box.
    pub(super) fn unpooled(&self, row: usize, input: &Input) -> Vec<f64> {
        let (boxes, _) = pooled(input);
        let (width, height) = (input.width as usize, input.height as usize);
        let pooling = input.pooling as usize;
        let share = 1.0 / (pooling * pooling) as f64;
        let weights = &self.numbers[row * self.inputs..][..self.inputs];
        let at = |pixel: usize| {
            let (x, y) = (pixel % width, pixel / width);
            weights[y / pooling * boxes + x / pooling] * share
        };
        (0..width * height).map(at).collect()
    }
}

fn inputs(input: &Input) -> usize {
    let (width, height) = pooled(input);
    width * height
}

fn pooled(input: &Input) -> (usize, usize) {
    let pooled = |side: u32| (side / input.pooling) as usize;
    (pooled(input.width), pooled(input.height))
}

/// One score or one a class, and whether the axis of the scores comes first.
fn orientation(
    place: &str,
    shape: &[usize],
    inputs: usize,
    classes: usize,
) -> Result<(Head, bool), Error> {
    let mend = match classes {
        2 => format!("({inputs},), ({inputs}, 1), (1, {inputs}), ({inputs}, 2) or (2, {inputs})"),
        n => format!("({inputs}, {n}) or ({n}, {inputs})"),
    };
    let mend = format!("for this input and these classes it has to be {mend}");
    let reason = format!("an array of shape {shape:?}");
    let one = |outputs_first| {
        if classes == 2 {
            return Ok((Head::Logistic, outputs_first));
        }
        let reason = format!("one score for {classes} classes");
        Err(Error::model(place, reason, mend.clone()))
    };
    match *shape {
        [n] if n == inputs => one(true),
        [n, m] if n == m && n == classes && n == inputs => {
            let reason = format!("{n} inputs and {n} scores: which axis is which cannot be told");
            Err(Error::model(place, reason, "take another pooling"))
        }
        [n, m] if n == classes && m == inputs => Ok((Head::Softmax, true)),
        [n, m] if n == inputs && m == classes => Ok((Head::Softmax, false)),
        [1, n] if n == inputs => one(true),
        [n, 1] if n == inputs => one(false),
        _ => Err(Error::model(place, reason, mend)),
    }
}

pub(super) fn check_size(place: &str, array: &Array) -> Result<(), Error> {
    if let Some(number) = array.numbers.iter().find(|n| n.abs() > NUMBER_MAX) {
        let mend = "train again, or scale the input";
        return Err(Error::model(place, format!("it holds {number:e}"), mend));
    }
    Ok(())
}

/// One bias a score: from a number, a list, or a file; zeros where none is given.
pub(super) fn biases(layer: &Layer, scores: usize, files: &mut Files) -> Result<Vec<f64>, Error> {
    let place = format!("{FORM}, bias");
    let biases = match &layer.bias {
        None => vec![0.0; scores],
        Some(toml::Value::String(file)) => files.array(file)?.numbers,
        Some(toml::Value::Array(list)) => list
            .iter()
            .map(|value| number(value, &place))
            .collect::<Result<_, _>>()?,
        Some(value) => vec![number(value, &place)?],
    };
    if biases.len() != scores {
        let reason = format!("{} numbers for {scores} scores", biases.len());
        return Err(Error::model(place, reason, "give one a score"));
    }
    if let Some(bias) = biases.iter().find(|b| b.is_nan() || b.abs() > NUMBER_MAX) {
        return Err(Error::model(
            place,
            format!("a bias of {bias}"),
            "train again",
        ));
    }
    Ok(biases)
}

pub(super) fn number(value: &toml::Value, place: &str) -> Result<f64, Error> {
    match value {
        toml::Value::Float(number) => Ok(*number),
        toml::Value::Integer(number) => Ok(*number as f64),
        other => Err(Error::model(
            place,
            format!("a {}", other.type_str()),
            "give a number, a list of numbers, or the name of a NumPy file",
        )),
    }
}
