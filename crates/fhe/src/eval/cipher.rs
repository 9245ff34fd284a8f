//! On ciphertexts: what compute does.

use super::{Evaluator, run};
use crate::Error;
use crate::mask::Masks;
use crate::model::{Linear, Model, Score};
use crate::params::ParameterSet;
use crate::product::{Residues, Transform};
use crate::wire::{EncryptedImage, EncryptedResult};

/// Evaluates encrypted images.
#[derive(Clone, Copy)]
pub struct Cipher {
    transform: Transform,
}

impl Cipher {
    /// An evaluator.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn new() -> Result<Self, Error> {
        let transform = Transform::new()?;
        Ok(Self { transform })
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

/// An LWE ciphertext under the bits of the GLWE key: mask elements, then the body.
#[derive(Debug, Clone)]
pub struct Sample(Vec<u64>);

impl Evaluator for Cipher {
    type Image = EncryptedImage;
    type Score = Sample;

    fn shape(image: &EncryptedImage) -> (u32, u32) {
        (image.width(), image.height())
    }

    /// Encrypted pixels become encrypted scores.
    ///
    /// Shapes: one sample a score, 2048 mask elements and a body.
    /// Units: as [`Score::read`] reads them.
    /// Noise: [`crate::noise`].
    /// Cost: no bootstrap; a transform a GLWE, one more a score.
    fn linear(&self, layer: &Linear, image: &EncryptedImage) -> Result<Vec<Sample>, Error> {
        let size = layer.parameters().polynomial_size;
        let mut masks = Masks::new(layer.parameters(), &image.seed);
        let mut mask = Residues::zero();
        let mut sums = vec![Residues::zero(); layer.scores().len()];
        for glwe in 0..layer.parameters().glwes(image.bodies.len()) {
            self.transform.forward(masks.next(), &mut mask);
            for (sum, score) in sums.iter_mut().zip(layer.scores()) {
                let factor = score.factors.get(glwe);
                let factor = factor.ok_or_else(|| Error::internal("a layer of another shape"))?;
                self.transform.multiply_add(sum, &mask, factor);
            }
        }
        let mut product = vec![0; size];
        let scores = sums.into_iter().zip(layer.scores());
        Ok(scores
            .map(|(sum, score)| {
                self.transform.inverse(sum, &mut product);
                extract(&product, body(score, image))
            })
            .collect())
    }
}

/// The body's half of the score: an exact wrapping dot product, and the constant.
fn body(score: &Score, image: &EncryptedImage) -> u64 {
    let pairs = score.weights().iter().zip(&image.bodies);
    pairs.fold(score.constant(), |sum, (&weight, &body)| {
        sum.wrapping_add(body.wrapping_mul(i64::from(weight).cast_unsigned()))
    })
}

/// The LWE sample of coefficient 0 of a GLWE, k = 1.
///
/// Source: Chillotti et al., TFHE, section 4.2; `extract_lwe_sample_from_glwe_ciphertext` of tfhe.
fn extract(mask: &[u64], body: u64) -> Sample {
    let (first, rest) = mask.split_at(1);
    let turned = rest.iter().rev().map(|element| element.wrapping_neg());
    let mask = first.iter().copied().chain(turned);
    Sample(mask.chain([body]).collect())
}

/// Rounds torus elements to the bits that travel in a result.
fn switch(parameters: &ParameterSet, sample: Sample) -> Vec<u64> {
    let dropped = 64 - parameters.result_bits;
    let round = |element: u64| element.wrapping_add(1 << (dropped - 1)) >> dropped;
    sample.0.into_iter().map(round).collect()
}

/// What the model says of an encrypted image, encrypted.
///
/// Cost: 1 to 2 ms for 128x128 pixels and one score.
/// Security: nothing here is secret.
///
/// # Errors
/// [`Error::ImageShape`], [`Error::WrongParameters`].
pub fn evaluate(model: &Model, image: &EncryptedImage) -> Result<EncryptedResult, Error> {
    let parameters = model.parameter_set();
    if image.parameters() != parameters.id {
        return Err(Error::WrongParameters {
            expected: parameters.id,
            found: image.parameters(),
        });
    }
    let samples = run(&Cipher::new()?, model, image)?;
    let samples = samples.into_iter().map(|s| switch(parameters, s)).collect();
    EncryptedResult::new(parameters, model.reading().clone(), samples)
}
