//! From the files of a folder to a model that can be evaluated right.

use super::arrays::Files;
use super::form::Form;
use super::linear::{Linear, Score, Wanted};
use super::lookup::{Lookup, Output};
use super::weights::{NUMBER_MAX, Weights, biases, number};
use super::{Model, network};
use crate::params::{IMAGE, NETWORK};
use crate::product::Transform;
use crate::wire::{EncryptedResult, Reading};
use crate::{Error, Head};

/// The file that describes a model.
pub(super) const FORM: &str = "model.toml";
/// The largest chance of a wrong score that is accepted, as its binary logarithm.
pub(super) const LOG2_FAILURE_MAX: f64 = -40.0;

/// Above this a model loads with a warning; the models that the project ships stay below.
const LOG2_FAILURE_WARNED: f64 = -128.0;

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
    let layers = layers(&form, &mut files)?;
    let set = if layers.lookups.is_empty() {
        &IMAGE
    } else {
        &NETWORK
    };
    let reading = Reading {
        model: id.to_owned(),
        digest: files.digest(model_toml),
        title: form.title,
        classes: form.classes,
        head: layers.head,
        scores: match layers.lookups.last() {
            None => layers
                .first
                .scores()
                .iter()
                .map(|score| score.reading(set))
                .collect(),
            Some(last) => last.outputs().iter().map(Output::reading).collect(),
        },
        notice: form.notice,
    };
    Ok(Model {
        purpose: form.purpose,
        provenance: form.provenance,
        licence: form.licence,
        accuracy: form.accuracy,
        frame: form.input.frame(),
        layer: layers.first,
        lookups: layers.lookups,
        warnings: layers.warnings,
        result_payload_bytes: EncryptedResult::payload_bytes(set, &reading)?,
        reading,
    })
}

/// What a form's layers become.
pub(super) struct Layers {
    pub(super) head: Head,
    pub(super) first: Linear,
    pub(super) lookups: Vec<Lookup>,
    pub(super) warnings: Vec<String>,
}

fn layers(form: &Form, files: &mut Files) -> Result<Layers, Error> {
    let Some((first, others)) = form.layers.split_first() else {
        let place = format!("{FORM}, [[layers]]");
        return Err(Error::model(place, "no layer", "begin with a linear one"));
    };
    if first.kind != "linear" {
        let reason = format!("the first is of kind {:?}", first.kind);
        let mend = "begin with \"linear\", over the pixels";
        return Err(Error::model(format!("{FORM}, [[layers]]"), reason, mend));
    }
    let place = first.linear_weights("layer 1")?;
    if !others.is_empty() {
        return network::load(form, (first, place), files);
    }
    let (head, weights) = Weights::of_scores(form, place, files)?;
    let biases = biases(first, weights.rows, files)?;
    let scores = quantise(form, head, &weights, &biases)?;
    Ok(Layers {
        head,
        warnings: warnings(&scores),
        first: Linear::new(&IMAGE, scores),
        lookups: vec![],
    })
}

fn warnings(scores: &[Score]) -> Vec<String> {
    let chances = scores
        .iter()
        .map(|score| (score.log2_failure(), score.tolerance()));
    rare_failures("layer 1", chances)
}

/// Warnings of scores that fail rarely, but not rarely enough to be passed over.
pub(super) fn rare_failures(layer: &str, chances: impl Iterator<Item = (f64, f64)>) -> Vec<String> {
    let warning = |(index, (chance, tolerance)): (usize, (f64, f64))| {
        (chance > LOG2_FAILURE_WARNED).then(|| {
            format!(
                "{layer}, score {}: misses its tolerance of {tolerance:.1e} with a chance of \
                 2^{chance:.0}; a wider tolerance or smaller weights make that rarer",
                index + 1,
            )
        })
    };
    chances.enumerate().filter_map(warning).collect()
}

fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.len() > 64 || id.chars().any(char::is_control) {
        let mend = "give its folder a name of 1 to 64 bytes";
        return Err(Error::model(FORM, "the model has no usable id", mend));
    }
    Ok(())
}

/// The range that the model states: `[low, high]`, or one number for both sides of zero.
pub(super) fn stated_range(form: &Form) -> Result<Option<Range>, Error> {
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

pub(super) fn tolerance(form: &Form) -> Result<Option<f64>, Error> {
    match form.output.tolerance {
        Some(tolerance) if !(tolerance > 0.0 && tolerance <= NUMBER_MAX) => Err(Error::model(
            format!("{FORM}, [output] tolerance"),
            format!("{tolerance}"),
            "give by how much a score may be wrong, above zero",
        )),
        tolerance => Ok(tolerance),
    }
}

fn quantise(
    form: &Form,
    head: Head,
    weights: &Weights,
    biases: &[f64],
) -> Result<Vec<Score>, Error> {
    let transform = Transform::new()?;
    let (range, tolerance) = (stated_range(form)?, tolerance(form)?);
    let mut scores = Vec::with_capacity(weights.rows);
    for (index, &bias) in biases.iter().enumerate() {
        let wanted = Wanted {
            name: format!("layer 1, score {:?}", score_class(form, head, index)),
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

/// The class that a score speaks for.
pub(super) fn score_class(form: &Form, head: Head, score: usize) -> &str {
    match head {
        Head::Logistic => &form.classes[1],
        Head::Softmax => &form.classes[score],
    }
}
