//! A model from its folder: `model.toml` and NumPy files, checked, quantised, its noise predicted.
//! `docs/MODELS.md` describes the form.

mod arrays;
mod form;
mod functions;
mod linear;
mod load;
mod lookup;
mod network;
mod places;
mod spread;
mod tables;
mod weights;

pub use form::Accuracy;
pub(crate) use functions::SLOTS;
pub use linear::{Linear, Score};
pub use lookup::{Lookup, Output, OutputNoise};
pub(crate) use network::switches;

use crate::params::{IMAGE, ParameterSet};
use crate::picture::Frame;
use crate::wire::Reading;
use crate::{Answer, Error, Head};

/// A model that can be evaluated right.
///
/// Security: public to all who may run it: whoever decrypts enough results can solve for the
/// weights.
#[derive(Clone)]
pub struct Model {
    purpose: String,
    provenance: Option<String>,
    licence: Option<String>,
    accuracy: Option<Accuracy>,
    frame: Frame,
    layer: Linear,
    lookups: Vec<Lookup>,
    reading: Reading,
    result_payload_bytes: u64,
    warnings: Vec<String>,
}

impl Model {
    /// Loads a model. `read` gives the bytes of a file of the model's folder; it is asked for plain
    /// names alone.
    ///
    /// Noise: refused if a score misses by more than the tolerance with a chance above 2^-40; of a
    /// linear model, that of the float weights on a picture of white noise; of a network, that of the
    /// clear twin on any picture.
    /// Cost: a few ms for 16384 weights; some 100 ms for a network.
    ///
    /// # Errors
    /// [`Error::Model`]: where, what is wrong, how to mend it.
    pub fn load(
        id: &str,
        model_toml: &str,
        read: &mut dyn FnMut(&str) -> std::io::Result<Vec<u8>>,
    ) -> Result<Self, Error> {
        load::load(id, model_toml, read)
    }

    /// The id that it was loaded under.
    pub fn id(&self) -> &str {
        &self.reading.model
    }

    /// Its name for people.
    pub fn title(&self) -> &str {
        &self.reading.title
    }

    /// One sentence of what it tells.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The classes in the order of the probabilities.
    pub fn classes(&self) -> &[String] {
        &self.reading.classes
    }

    /// How its scores become probabilities.
    pub fn head(&self) -> Head {
        self.reading.head
    }

    /// What it takes of a picture.
    pub fn input(&self) -> Frame {
        self.frame
    }

    /// What was measured, if anybody measured.
    pub fn accuracy(&self) -> Option<&Accuracy> {
        self.accuracy.as_ref()
    }

    /// A warning to show with every result.
    pub fn notice(&self) -> Option<&str> {
        self.reading.notice.as_deref()
    }

    /// Who made it, from what.
    pub fn provenance(&self) -> Option<&str> {
        self.provenance.as_deref()
    }

    /// Its licence.
    pub fn licence(&self) -> Option<&str> {
        self.licence.as_deref()
    }

    /// SHA-256 of `model.toml` and all files that it names, hexadecimal: another digest, another model.
    pub fn digest(&self) -> &str {
        &self.reading.digest
    }

    /// The number of the parameter set of its images.
    pub fn parameters(&self) -> u32 {
        self.parameter_set().id
    }

    pub(crate) fn parameter_set(&self) -> &'static ParameterSet {
        &IMAGE
    }

    /// Length of the payload of its results, in bytes, the header of the services not counted.
    pub fn result_payload_bytes(&self) -> u64 {
        self.result_payload_bytes
    }

    /// Programmable bootstraps for one image: none for a linear model.
    pub fn bootstraps(&self) -> u64 {
        let units = self.lookups.iter().map(Lookup::units);
        units.sum::<usize>() as u64
    }

    /// The number of the parameter set of the evaluation key that it needs, if it needs one.
    pub fn evaluation_key_parameters(&self) -> Option<u32> {
        self.lookups.last().map(|lookup| lookup.parameters().id)
    }

    /// The number of the parameter set of its results.
    pub fn result_parameters(&self) -> u32 {
        self.result_parameter_set().id
    }

    pub(crate) fn result_parameter_set(&self) -> &'static ParameterSet {
        self.lookups.last().map_or(&IMAGE, Lookup::parameters)
    }

    /// What its maker should know though it can be evaluated.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The lookup layers after the first.
    pub fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }

    /// Its first layer, over the pixels: of a linear model the scores, of a network the inputs of the
    /// first lookup layer.
    pub fn layer(&self) -> &Linear {
        &self.layer
    }

    /// How its results are read.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Refuses an image of another shape.
    pub(crate) fn check_shape(&self, (width, height): (u32, u32)) -> Result<(), Error> {
        if (width, height) == (self.frame.width, self.frame.height) {
            return Ok(());
        }
        Err(Error::ImageShape {
            expected_width: self.frame.width,
            expected_height: self.frame.height,
            found_width: width,
            found_height: height,
        })
    }

    /// The answer that these scores give.
    pub(crate) fn answer(&self, scores: Vec<f64>) -> Answer {
        Answer::from_scores(self.head(), self.classes(), scores)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({}, {})", self.id(), self.digest())
    }
}
