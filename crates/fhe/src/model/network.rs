//! From the layers of a network to one that can be evaluated right.

use super::arrays::Files;
use super::form::{Form, Layer};
use super::functions::{self, Functions};
use super::linear::{Linear, Score, Wanted};
use super::load::{FORM, Layers, Range, rare_failures, score_class, stated_range, tolerance};
use super::lookup::{Lookup, Output, Target};
use super::weights::{Weights, biases};
use crate::noise::bootstrap::{keyswitch, modulus_switch};
use crate::noise::deviations_for;
use crate::params::{IMAGE, NETWORK, NETWORK_BOOTSTRAP};
use crate::product::Transform;
use crate::{Error, Head};

/// Loads the layers of a network: `first` with its file of weights, and those after it.
pub(super) fn load(form: &Form, first: (&Layer, &str), files: &mut Files) -> Result<Layers, Error> {
    let functions = functions::read(form, files)?;
    let (Some(start), Some(last)) = (functions.first(), functions.last()) else {
        return Err(Error::internal("a network without lookups"));
    };
    let head = head(form, last)?;
    let names: Vec<String> = (0..last.outputs)
        .map(|score| score_class(form, head, score).to_owned())
        .collect();
    let (units, worst) = units(form, first, start, files)?;
    let mut warnings = Vec::new();
    let mut noise: Vec<f64> = units.iter().map(|unit| unit.noise().variance()).collect();
    let mut reach = worst;
    let mut lookups: Vec<Lookup> = Vec::new();
    for (index, layer) in functions.iter().enumerate() {
        noise
            .iter_mut()
            .for_each(|variance| *variance += switches());
        warnings.extend(check_reach(layer, &reach, &noise)?);
        let target = match functions.get(index + 1) {
            Some(next) => Target::Inputs { range: next.range },
            None => Target::Scores {
                names: &names,
                stated: stated_range(form)?,
                tolerance: tolerance(form)?,
            },
        };
        let lookup = Lookup::quantise(layer, &noise, target)?;
        noise = lookup
            .outputs()
            .iter()
            .map(Output::variance_as_input)
            .collect();
        reach = (0..layer.outputs)
            .map(|output| layer.reachable(output))
            .collect();
        lookups.push(lookup);
    }
    if let Some(last) = lookups.last() {
        let chances = last
            .outputs()
            .iter()
            .map(|o| (o.log2_failure(), o.tolerance()));
        warnings.extend(rare_failures(last.name(), chances));
    }
    Ok(Layers {
        head,
        first: Linear::new(&IMAGE, units),
        lookups,
        warnings,
    })
}

/// One score for two classes, or one a class.
fn head(form: &Form, last: &Functions) -> Result<Head, Error> {
    let classes = form.classes.len();
    match last.outputs {
        1 if classes == 2 => Ok(Head::Logistic),
        outputs if outputs == classes => Ok(Head::Softmax),
        outputs => {
            let mend = match classes {
                2 => "let it have one output, or two".to_owned(),
                n => format!("let it have {n}"),
            };
            let reason = format!("the last layer has {outputs} outputs for {classes} classes");
            Err(Error::model(format!("{FORM}, [[layers]]"), reason, mend))
        }
    }
}

/// The units of the first layer, and the inputs of lookups that they can make.
fn units(
    form: &Form,
    (layer, place): (&Layer, &str),
    next: &Functions,
    files: &mut Files,
) -> Result<(Vec<Score>, Vec<Range>), Error> {
    let weights = Weights::of_units(form, place, next.units, files)?;
    let biases = biases(layer, next.units, files)?;
    let transform = Transform::new()?;
    let mut units = Vec::with_capacity(next.units);
    let mut worst = Vec::with_capacity(next.units);
    for (index, &bias) in biases.iter().enumerate() {
        let wanted = Wanted {
            name: format!("layer 1, unit {}", index + 1),
            weights: &weights.unpooled(index, &form.input),
            bias,
            width: form.input.width as usize,
            scale: form.input.scale,
            range: None,
            tolerance: None,
        };
        worst.push(wanted.worst());
        units.push(Score::unit(&IMAGE, transform, &wanted, next.range)?);
    }
    Ok((units, worst))
}

/// Variance of what a keyswitch and a modulus switch add.
pub(crate) fn switches() -> f64 {
    keyswitch(&NETWORK_BOOTSTRAP) + modulus_switch(&NETWORK, &NETWORK_BOOTSTRAP)
}

/// Refuses inputs that a function does not tell right, unless the maker has measured that there are
/// none; a warning then.
fn check_reach(
    layer: &Functions,
    inputs: &[Range],
    noise: &[f64],
) -> Result<Option<String>, Error> {
    let Some(reach) = layer.reach else {
        return Ok(None);
    };
    let mut needed: f64 = 0.0;
    for (input, noise) in inputs.iter().zip(noise) {
        let slip = deviations_for(-128.0) * noise.sqrt() / 2f64.powi(62) * layer.range;
        needed = needed.max(input.low.abs().max(input.high.abs()) + slip);
    }
    if needed <= reach {
        return Ok(None);
    }
    let reason = format!(
        "inputs can lie as far as {needed:.2} from zero, noise included, and are told right up to \
         {reach:.2}"
    );
    if layer.measured {
        return Ok(Some(format!(
            "{}: {reason}, as measured = true allows",
            layer.name
        )));
    }
    let mend = format!(
        "set range to {:.2}; or, if real inputs keep to the range you set, say so: measured = true",
        layer.range * needed / reach * 1.2
    );
    Err(Error::model(&layer.name, reason, mend))
}
