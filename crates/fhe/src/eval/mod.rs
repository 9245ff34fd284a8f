//! One walk through a model: on ciphertexts, or in the clear.
//!
//! Both evaluators compute the same integers modulo 2^64: [`clear`] is the exact twin of [`cipher`]
//! without noise, and the oracle of its tests.
//!
//! A lookup layer, on ciphertexts: keyswitch of every unit's sample to the small key, centred modulus
//! switch to 2N, blind rotation of a constant accumulator, product with the difference polynomials of
//! the unit's functions, sum over the units, sample extraction.

pub mod cipher;
pub mod clear;
mod control;
mod key;
mod keyswitch;
mod lookup;
pub mod rotate;
// Thousands of bootstraps: natively alone.
#[cfg(all(test, feature = "client", not(target_arch = "wasm32")))]
mod stages;

pub use control::Control;
pub use key::{EvaluationKey, EvaluationKeyBuilder};

use crate::Error;
use crate::model::{Linear, Lookup, Model};

/// What can be done with pictures on the way through a model.
pub trait Evaluator {
    /// A picture.
    type Image;
    /// A score or the input of a lookup, in units of the torus.
    type Value;

    /// Pixels across and down.
    fn shape(image: &Self::Image) -> (u32, u32);

    /// The values of a linear layer.
    ///
    /// # Errors
    /// [`Error::Internal`], [`Error::Cancelled`].
    fn linear(&self, layer: &Linear, image: &Self::Image) -> Result<Vec<Self::Value>, Error>;

    /// The values of a lookup layer, which has so many lookup layers before it.
    ///
    /// # Errors
    /// [`Error::Internal`], [`Error::Cancelled`].
    fn lookup(
        &self,
        layer: &Lookup,
        depth: usize,
        inputs: Vec<Self::Value>,
    ) -> Result<Vec<Self::Value>, Error>;
}

/// Walks a picture through a model.
///
/// # Errors
/// [`Error::ImageShape`] if the model takes another one; what the evaluator meets.
pub fn run<E: Evaluator>(
    evaluator: &E,
    model: &Model,
    image: &E::Image,
) -> Result<Vec<E::Value>, Error> {
    model.check_shape(E::shape(image))?;
    let mut values = evaluator.linear(model.layer(), image)?;
    for (depth, layer) in model.lookups().iter().enumerate() {
        values = evaluator.lookup(layer, depth, values)?;
    }
    Ok(values)
}
