//! From the files of a folder to a model that can be evaluated right.

use super::Model;
use super::arrays::{Array, Files};
use super::form::{Form, Input, Layer};
use super::linear::{Linear, Score, Wanted};
use crate::params::IMAGE;
use crate::product::Transform;
use crate::wire::{EncryptedResult, Reading};
use crate::{Error, Head};

/// The file that describes a model.
pub(super) const FORM: &str = "model.toml";
/// The largest chance of a wrong score that is accepted, as its binary logarithm.
pub(super) const LOG2_FAILURE_MAX: f64 = -40.0;

/// Above this a model loads with a warning; the models that the project ships stay below.
const LOG2_FAILURE_WARNED: f64 = -128.0;

/// The most weights of all scores of a model, at full resolution.
const WEIGHTS_MAX: usize = 1 << 22;
/// The largest weight and bias.
const NUMBER_MAX: f64 = 1e9;

/// Scores from `low` to `high`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    pub(super) fn width(self) -> f64 {
        self.high - self.low
    }

    pub(super) fn middle(self) -> f64 {
        f64::midpoint(self.low, self.high)
    }
}

pub(super) fn load(
    id: &str,
    model_toml: &str,
    read: &mut dyn FnMut(&str) -> std::io::Result<Vec<u8>>,
) -> Result<Model, Error> {
    check_id(id)?;
    let form = Form::parse(model_toml)?;
    let mut files = Files::new(read);
    let layer = only_layer(&form)?;
    let weights = Weights::read(&form, layer, &mut files)?;
    let biases = biases(layer, weights.scores, &mut files)?;
    let scores = quantise(&form, &weights, &biases)?;
    let reading = Reading {
        model: id.to_owned(),
        digest: files.digest(model_toml),
        title: form.title,
        classes: form.classes,
        head: weights.head,
        scores: scores.iter().map(|score| score.reading(&IMAGE)).collect(),
        notice: form.notice,
    };
    Ok(Model {
        purpose: form.purpose,
        provenance: form.provenance,
        licence: form.licence,
        accuracy: form.accuracy,
        width: form.input.width,
        height: form.input.height,
        warnings: warnings(&scores),
        layer: Linear::new(&IMAGE, scores),
        result_payload_bytes: EncryptedResult::payload_bytes(&IMAGE, &reading)?,
        reading,
    })
}

fn warnings(scores: &[Score]) -> Vec<String> {
    let warning = |(index, score): (usize, &Score)| {
        let chance = score.log2_failure();
        (chance > LOG2_FAILURE_WARNED).then(|| {
            format!(
                "layer 1, score {}: misses its tolerance of {:.1e} with a chance of 2^{chance:.0}; \
                 a wider tolerance or smaller weights make that rarer",
                index + 1,
                score.tolerance(),
            )
        })
    };
    scores.iter().enumerate().filter_map(warning).collect()
}

fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.len() > 64 || id.chars().any(char::is_control) {
        let mend = "give its folder a name of 1 to 64 bytes";
        return Err(Error::model(FORM, "the model has no usable id", mend));
    }
    Ok(())
}

fn only_layer(form: &Form) -> Result<&Layer, Error> {
    let place = format!("{FORM}, [[layers]]");
    let [layer] = form.layers.as_slice() else {
        let reason = format!("{} layers", form.layers.len());
        let mend = "give one; linear layers in a row are one: multiply their matrices";
        return Err(Error::model(place, reason, mend));
    };
    if layer.kind != "linear" {
        let reason = format!("kind {:?} is not known here", layer.kind);
        return Err(Error::model(
            place,
            reason,
            "\"linear\" is the one that can be evaluated",
        ));
    }
    Ok(layer)
}

/// Float weights, score by score, at the resolution of the file.
struct Weights {
    head: Head,
    scores: usize,
    /// `scores` times `inputs`.
    numbers: Vec<f64>,
    inputs: usize,
}

impl Weights {
    fn read(form: &Form, layer: &Layer, files: &mut Files) -> Result<Self, Error> {
        let place = &layer.weights;
        let (width, height) = pooled(&form.input);
        let inputs = width * height;
        let classes = form.classes.len();
        let array = files.array(place)?;
        let (head, outputs_first) = orientation(place, &array.shape, inputs, classes)?;
        let scores = head.scores(classes);
        let pixels = form.input.width as usize * form.input.height as usize;
        if pixels * scores > WEIGHTS_MAX {
            let reason = format!("{scores} scores of {pixels} pixels");
            let mend = format!("at most {WEIGHTS_MAX} weights at full resolution are possible");
            return Err(Error::model(place, reason, mend));
        }
        check_size(place, &array)?;
        let numbers = if outputs_first {
            array.numbers
        } else {
            let at = |i: usize| array.numbers[i % inputs * scores + i / inputs];
            (0..scores * inputs).map(at).collect()
        };
        Ok(Self {
            head,
            scores,
            numbers,
            inputs,
        })
    }

    /// The weights of a score for every pixel of the frame: each pixel has its share of its box.
    fn unpooled(&self, score: usize, input: &Input) -> Vec<f64> {
        let (boxes, _) = pooled(input);
        let (width, height) = (input.width as usize, input.height as usize);
        let pooling = input.pooling as usize;
        let share = 1.0 / (pooling * pooling) as f64;
        let weights = &self.numbers[score * self.inputs..][..self.inputs];
        let at = |pixel: usize| {
            let (x, y) = (pixel % width, pixel / width);
            weights[y / pooling * boxes + x / pooling] * share
        };
        (0..width * height).map(at).collect()
    }
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

fn check_size(place: &str, array: &Array) -> Result<(), Error> {
    if let Some(number) = array.numbers.iter().find(|n| n.abs() > NUMBER_MAX) {
        let mend = "train again, or scale the input";
        return Err(Error::model(place, format!("it holds {number:e}"), mend));
    }
    Ok(())
}

/// One bias a score: from a number, a list, or a file; zeros where none is given.
fn biases(layer: &Layer, scores: usize, files: &mut Files) -> Result<Vec<f64>, Error> {
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

fn number(value: &toml::Value, place: &str) -> Result<f64, Error> {
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

/// The range that the model states: `[low, high]`, or one number for both sides of zero.
fn stated_range(form: &Form) -> Result<Option<Range>, Error> {
    let place = format!("{FORM}, [output] range");
    let range = match &form.output.range {
        None => return Ok(None),
        Some(toml::Value::Array(ends)) => match ends.as_slice() {
            [low, high] => Range {
                low: number(low, &place)?,
                high: number(high, &place)?,
            },
            _ => return Err(Error::model(place, "not two numbers", "write [low, high]")),
        },
        Some(value) => {
            let end = number(value, &place)?;
            Range {
                low: -end,
                high: end,
            }
        }
    };
    if !(range.low.abs() <= NUMBER_MAX && range.high.abs() <= NUMBER_MAX && range.low < range.high)
    {
        let reason = format!("from {} to {}", range.low, range.high);
        return Err(Error::model(
            place,
            reason,
            "let it run from a lower to a higher score",
        ));
    }
    Ok(Some(range))
}

fn tolerance(form: &Form) -> Result<Option<f64>, Error> {
    match form.output.tolerance {
        Some(tolerance) if !(tolerance > 0.0 && tolerance <= NUMBER_MAX) => Err(Error::model(
            format!("{FORM}, [output] tolerance"),
            format!("{tolerance}"),
            "give by how much a score may be wrong, above zero",
        )),
        tolerance => Ok(tolerance),
    }
}

fn quantise(form: &Form, weights: &Weights, biases: &[f64]) -> Result<Vec<Score>, Error> {
    let transform = Transform::new()?;
    let (range, tolerance) = (stated_range(form)?, tolerance(form)?);
    let mut scores = Vec::with_capacity(weights.scores);
    for (index, &bias) in biases.iter().enumerate() {
        let class = match weights.head {
            Head::Logistic => 1,
            Head::Softmax => index,
        };
        let wanted = Wanted {
            name: format!("layer 1, score {:?}", form.classes[class]),
            weights: &weights.unpooled(index, &form.input),
            bias,
            width: form.input.width as usize,
            scale: form.input.scale,
            range,
            tolerance,
        };
        scores.push(Score::quantise(&IMAGE, transform, &wanted)?);
    }
    Ok(scores)
}
