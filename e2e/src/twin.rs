//! Answers beside those of the clear twin.

use anyhow::{Result, ensure};
use darkroom_fhe::Answer;
use darkroom_fhe::model::Model;

/// Checks that they are equal up to the noise that the model itself predicts.
///
/// # Errors
/// They are not.
pub fn check_same(model: &Model, found: &Answer, expected: &Answer) -> Result<()> {
    ensure!(
        found.classes == expected.classes,
        "{:?} for {:?}",
        found.classes,
        expected.classes
    );
    let noise = deviations(model);
    let allowed: Vec<f64> = match model.lookups().last() {
        // Missed with a chance of 2^-40.
        Some(layer) => layer.outputs().iter().map(|o| o.tolerance()).collect(),
        None => noise.iter().map(|deviation| 8.0 * deviation).collect(),
    };
    let pairs = found.scores.iter().zip(&expected.scores);
    for (allowed, (found, expected)) in allowed.iter().copied().zip(pairs) {
        ensure!(
            (found - expected).abs() <= allowed,
            "{found} for {expected}, allowed {allowed}"
        );
    }
    if found.label != expected.label {
        // Two classes as good as equal may change places; others may not.
        let (lead, deviation) = lead(expected, found.class, &noise);
        ensure!(
            lead <= 6.0 * deviation,
            "{} for {}, which led by {lead}, {deviation} being one deviation of noise",
            found.label,
            expected.label
        );
    }
    Ok(())
}

/// The standard deviation of each score's noise.
fn deviations(model: &Model) -> Vec<f64> {
    match model.lookups().last() {
        Some(layer) => layer
            .outputs()
            .iter()
            .map(|o| o.noise_deviation())
            .collect(),
        None => {
            let scores = model.layer().scores().iter();
            scores.map(|score| score.noise_deviation()).collect()
        }
    }
}

/// By how much the label leads another class, and the standard deviation of that lead.
fn lead(answer: &Answer, other: usize, noise: &[f64]) -> (f64, f64) {
    match (&answer.scores[..], noise) {
        ([score], [noise]) => (score.abs(), *noise),
        (scores, noise) => (
            scores[answer.class] - scores[other],
            noise[answer.class].hypot(noise[other]),
        ),
    }
}
