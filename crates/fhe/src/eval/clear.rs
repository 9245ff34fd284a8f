//! The twin: the same integers, not encrypted.

use super::{Evaluator, run};
use crate::model::{Linear, Model};
use crate::picture::Pixels;
use crate::{Answer, Error};

/// Evaluates pixels in the clear.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clear;

impl Evaluator for Clear {
    type Image = Pixels;
    type Score = u64;

    fn shape(image: &Pixels) -> (u32, u32) {
        (image.width(), image.height())
    }

    fn linear(&self, layer: &Linear, image: &Pixels) -> Result<Vec<u64>, Error> {
        let scale_log2 = layer.parameters().pixel_scale_log2;
        let score = |score: &crate::model::Score| {
            let pairs = score.weights().iter().zip(image.as_bytes());
            let sum: i64 = pairs.map(|(&w, &p)| i64::from(w) * i64::from(p)).sum();
            (sum.cast_unsigned() << scale_log2).wrapping_add(score.constant())
        };
        Ok(layer.scores().iter().map(score).collect())
    }
}

/// What the model says of pixels: what the owner of an encrypted image should read, but for noise.
///
/// # Errors
/// [`Error::ImageShape`].
pub fn evaluate(model: &Model, pixels: &Pixels) -> Result<Answer, Error> {
    let torus = run(&Clear, model, pixels)?;
    let scores = model.layer().scores().iter().zip(torus);
    Ok(model.answer(scores.map(|(score, torus)| score.read(torus)).collect()))
}
