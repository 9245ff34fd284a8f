//! On ciphertexts: what compute does.

use std::ops::Range;

use super::control::Progress;
use super::{Control, EvaluationKey, Evaluator, lookup, run};
use crate::Error;
use crate::mask::Masks;
use crate::model::{Linear, Lookup, Model, Score};
use crate::params::ParameterSet;
use crate::product::{Residues, Transform};
use crate::wire::{EncryptedImage, EncryptedResult};

/// Scores that are worth a thread: each thread transforms the masks for itself.
const FEWEST_SCORES: usize = 8;

/// Evaluates encrypted images.
pub struct Cipher<'a> {
    transform: Transform,
    key: Option<&'a EvaluationKey>,
    progress: Progress<'a>,
}

impl<'a> Cipher<'a> {
    /// An evaluator. Linear models need no key.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn new(key: Option<&'a EvaluationKey>, control: &'a Control<'a>) -> Result<Self, Error> {
        Ok(Self {
            transform: Transform::new()?,
            key,
            progress: Progress::new(control),
        })
    }
}

impl std::fmt::Debug for Cipher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

/// An LWE ciphertext under the bits of a GLWE key: 2048 mask elements, then the body.
#[derive(Debug, Clone)]
pub struct Sample(pub(super) Vec<u64>);

impl Evaluator for Cipher<'_> {
    type Image = EncryptedImage;
    type Value = Sample;

    fn shape(image: &EncryptedImage) -> (u32, u32) {
        (image.width(), image.height())
    }

    /// Encrypted pixels become encrypted scores.
    ///
    /// Shapes: one sample a score, 2048 mask elements and a body.
    /// Units: as [`Score::read`] reads them.
    /// Noise: [`crate::noise`].
    /// Cost: no bootstrap; a transform a GLWE, one more a score. Each thread takes scores of its own.
    fn linear(&self, layer: &Linear, image: &EncryptedImage) -> Result<Vec<Sample>, Error> {
        let scores = layer.scores();
        let work = |share: Range<usize>| self.scores(layer, &scores[share], image);
        let shares = self.progress.divide(scores.len(), FEWEST_SCORES, work)?;
        Ok(shares.concat())
    }

    /// Encrypted inputs become encrypted sums of functions.
    ///
    /// Shapes: one sample a unit becomes one an output.
    /// Units: as [`Lookup`] has them.
    /// Noise: [`crate::noise::bootstrap`].
    /// Cost: one bootstrap a unit.
    fn lookup(
        &self,
        layer: &Lookup,
        depth: usize,
        inputs: Vec<Sample>,
    ) -> Result<Vec<Sample>, Error> {
        let key = self.key.ok_or(Error::EvaluationKeyMissing {
            parameters: layer.parameters().id,
        })?;
        lookup::evaluate(key, &self.progress, layer, depth, &inputs)
    }
}

impl Cipher<'_> {
    fn scores(
        &self,
        layer: &Linear,
        scores: &[Score],
        image: &EncryptedImage,
    ) -> Result<Vec<Sample>, Error> {
        let size = layer.parameters().polynomial_size;
        let mut masks = Masks::new(layer.parameters(), &image.seed);
        let mut mask = Residues::zero();
        let mut sums = vec![Residues::zero(); scores.len()];
        for glwe in 0..layer.parameters().glwes(image.bodies.len()) {
            self.progress.check()?;
            self.transform.forward(masks.next(), &mut mask);
            for (sum, score) in sums.iter_mut().zip(scores) {
                let factor = score.factors.get(glwe);
                let factor = factor.ok_or_else(|| Error::internal("a layer of another shape"))?;
                self.transform.multiply_add(sum, &mask, factor);
            }
        }
        let mut product = vec![0; size];
        let scores = sums.into_iter().zip(scores);
        Ok(scores
            .map(|(sum, score)| {
                self.transform.inverse(sum, &mut product);
                Sample(extract(&product, size, body(score, image)))
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

/// The LWE sample of coefficient 0 of a GLWE: k mask polynomials of `size` coefficients, and
/// coefficient 0 of the body.
///
/// Source: Chillotti et al., TFHE, section 4.2; `extract_lwe_sample_from_glwe_ciphertext` of tfhe.
pub(super) fn extract(mask: &[u64], size: usize, body: u64) -> Vec<u64> {
    let mut sample = Vec::with_capacity(mask.len() + 1);
    for polynomial in mask.chunks_exact(size) {
        let (first, rest) = polynomial.split_at(1);
        sample.extend_from_slice(first);
        sample.extend(rest.iter().rev().map(|element| element.wrapping_neg()));
    }
    sample.push(body);
    sample
}

/// Rounds torus elements to the bits that travel in a result.
fn switch(parameters: &ParameterSet, sample: Sample) -> Vec<u64> {
    let dropped = 64 - parameters.result_bits;
    let round = |element: u64| element.wrapping_add(1 << (dropped - 1)) >> dropped;
    sample.0.into_iter().map(round).collect()
}

/// What the model says of an encrypted image, encrypted.
///
/// Cost: 1 to 2 ms for 128x128 pixels and one score of a linear model; networks some ms a bootstrap.
/// Security: nothing here is secret. That `key` belongs to the image's owner cannot be seen here:
/// compare key ids before.
///
/// # Errors
/// [`Error::ImageShape`]; [`Error::WrongParameters`] of the image or the key;
/// [`Error::EvaluationKeyMissing`] if the model needs one; [`Error::Cancelled`].
pub fn evaluate(
    model: &Model,
    image: &EncryptedImage,
    key: Option<&EvaluationKey>,
    control: &Control,
) -> Result<EncryptedResult, Error> {
    let parameters = model.parameter_set();
    if image.parameters() != parameters.id {
        return Err(Error::WrongParameters {
            expected: parameters.id,
            found: image.parameters(),
        });
    }
    check_key(model, key)?;
    let samples = run(&Cipher::new(key, control)?, model, image)?;
    let results = model.result_parameter_set();
    let samples = samples.into_iter().map(|s| switch(results, s)).collect();
    EncryptedResult::new(results, model.reading().clone(), samples)
}

fn check_key(model: &Model, key: Option<&EvaluationKey>) -> Result<(), Error> {
    match (model.evaluation_key_parameters(), key) {
        (None, _) => Ok(()),
        (Some(parameters), None) => Err(Error::EvaluationKeyMissing { parameters }),
        (Some(expected), Some(key)) if key.parameters() == expected => Ok(()),
        (Some(expected), Some(key)) => Err(Error::WrongParameters {
            expected,
            found: key.parameters(),
        }),
    }
}
