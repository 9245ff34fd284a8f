//! One walk through a model: on ciphertexts, or in the clear.
//!
//! Both evaluators compute the same integers modulo 2^64: [`clear`] is the exact twin of [`cipher`]
//! without noise, and the oracle of its tests.

pub mod cipher;
pub mod clear;

use crate::Error;
use crate::model::{Linear, Model};

/// What can be done with pictures on the way through a model.
pub trait Evaluator {
    /// A picture.
    type Image;
    /// A score, in units of the torus.
    type Score;

    /// Pixels across and down.
    fn shape(image: &Self::Image) -> (u32, u32);

    /// The scores of a linear layer.
    ///
    /// # Errors
    /// [`Error::Internal`].
    fn linear(&self, layer: &Linear, image: &Self::Image) -> Result<Vec<Self::Score>, Error>;
}

/// Walks a picture through a model.
///
/// # Errors
/// [`Error::ImageShape`] if the model takes another one.
pub fn run<E: Evaluator>(
    evaluator: &E,
    model: &Model,
    image: &E::Image,
) -> Result<Vec<E::Score>, Error> {
    model.check_shape(E::shape(image))?;
    evaluator.linear(model.layer(), image)
}
