//! An encrypted result and how to read it.

use serde::{Deserialize, Serialize};

use super::{CLASSES_MAX, bits};
use crate::params::ParameterSet;
use crate::{Error, Head};

const VERSION: u16 = 1;
const HEAD_BYTES: usize = 8;
const READING_BYTES_MAX: usize = 1 << 16;

/// What the owner must know to read a result: it travels with it, so that no model is needed.
///
/// Security: public, and written by whoever evaluated. Show it as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The id of the model.
    pub model: String,
    /// SHA-256 of the model's files, hexadecimal.
    pub digest: String,
    /// The model's name for people.
    pub title: String,
    /// The classes in the order of the probabilities.
    pub classes: Vec<String>,
    /// How the scores become probabilities.
    pub head: Head,
    /// How each sample becomes a score.
    pub scores: Vec<ScoreReading>,
    /// A warning to show with the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// Score = `centre` + `unit` times the decrypted number, which is signed and has 28 bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreReading {
    /// The score at the middle of the range.
    pub centre: f64,
    /// The score of the lowest bit.
    pub unit: f64,
}

impl Reading {
    fn check(&self) -> Result<(), Error> {
        let classes = self.classes.len();
        if !(2..=CLASSES_MAX).contains(&classes) {
            return Err(malformed(format!("{classes} classes")));
        }
        if self.head == Head::Logistic && classes != 2 {
            return Err(malformed(format!("one score for {classes} classes")));
        }
        let scores = self.scores.len();
        if scores != self.head.scores(classes) {
            return Err(malformed(format!("{scores} scores for {classes} classes")));
        }
        let sound = |s: &ScoreReading| {
            let end = s.unit * 2f64.powi(32) + s.centre.abs();
            s.centre.is_finite() && s.unit > 0.0 && end.is_finite()
        };
        if !self.scores.iter().all(sound) {
            return Err(malformed("a score's scale is not a sensible number"));
        }
        Ok(())
    }
}

/// A result as the servers see it: one LWE ciphertext a score, modulus-switched to 28 bits.
///
/// Shapes: per score 2048 mask elements, then the body.
/// Security: anyone may hold it; its mask follows from the image's public seed and the weights.
#[derive(Clone, PartialEq)]
pub struct EncryptedResult {
    pub(crate) parameters: &'static ParameterSet,
    reading: Reading,
    /// Per score mask and body, `result_bits` bits each.
    pub(crate) samples: Vec<Vec<u64>>,
}

impl EncryptedResult {
    /// Puts samples and their reading together.
    ///
    /// # Errors
    /// [`Error::Internal`] if they do not fit each other.
    pub(crate) fn new(
        parameters: &'static ParameterSet,
        reading: Reading,
        samples: Vec<Vec<u64>>,
    ) -> Result<Self, Error> {
        let elements = parameters.key_bits() + 1;
        if samples.len() != reading.scores.len() || samples.iter().any(|s| s.len() != elements) {
            return Err(Error::internal("samples and reading do not fit"));
        }
        Ok(Self {
            parameters,
            reading,
            samples,
        })
    }

    /// The number of its parameter set.
    pub fn parameters(&self) -> u32 {
        self.parameters.id
    }

    /// How to read it.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Length of the payload of such a result, in bytes, the header of the services not counted.
    ///
    /// # Errors
    /// [`Error::Internal`] if the reading cannot be written.
    pub(crate) fn payload_bytes(
        parameters: &ParameterSet,
        reading: &Reading,
    ) -> Result<u64, Error> {
        let samples = reading.scores.len() * sample_bytes(parameters);
        Ok((HEAD_BYTES + json(reading)?.len() + samples) as u64)
    }

    /// The result as bytes. See the module's table.
    pub fn to_payload(&self) -> Vec<u8> {
        // Numbers, texts and a fieldless enum: writing them cannot fail, and `from_payload` would
        // refuse what came out if it did.
        let reading = json(&self.reading).unwrap_or_default();
        let mut out = Vec::new();
        out.reserve_exact(
            HEAD_BYTES + reading.len() + self.samples.len() * sample_bytes(self.parameters),
        );
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.samples.len().to_le_bytes()[..2]);
        out.extend_from_slice(&reading.len().to_le_bytes()[..4]);
        out.extend_from_slice(&reading);
        for sample in &self.samples {
            bits::pack(
                &mut out,
                sample.iter().copied(),
                self.parameters.result_bits,
            );
        }
        out
    }

    /// Reads a result.
    ///
    /// # Errors
    /// [`Error::UnknownParameters`]; [`Error::Payload`] for anything but a whole result with a sensible
    /// reading and nothing after it.
    pub fn from_payload(parameters: u32, payload: &[u8]) -> Result<Self, Error> {
        let set = ParameterSet::by_id(parameters)
            .ok_or(Error::UnknownParameters { found: parameters })?;
        let (head, rest) = payload
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or_else(|| malformed("it ends within its head"))?;
        let version = u16::from_le_bytes([head[0], head[1]]);
        if version != VERSION {
            return Err(malformed(format!("version {version} is not known here")));
        }
        let count = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let reading_bytes = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if count == 0 || count > CLASSES_MAX || reading_bytes > READING_BYTES_MAX {
            return Err(malformed(format!(
                "{count} scores, {reading_bytes} bytes to read them"
            )));
        }
        let expected = reading_bytes + count * sample_bytes(set);
        if rest.len() != expected {
            let found = rest.len();
            return Err(malformed(format!(
                "{found} bytes after its head, expected {expected}"
            )));
        }
        let (reading, packed) = rest.split_at(reading_bytes);
        let reading: Reading = serde_json::from_slice(reading)
            .map_err(|error| malformed(format!("its reading: {error}")))?;
        reading.check()?;
        if reading.scores.len() != count {
            return Err(malformed(format!(
                "{count} samples for {} scores",
                reading.scores.len()
            )));
        }
        let samples: Option<Vec<_>> = packed
            .chunks(sample_bytes(set))
            .map(|sample| bits::unpack(sample, set.key_bits() + 1, set.result_bits))
            .collect();
        let samples = samples.ok_or_else(|| malformed("bits are set after the end of a sample"))?;
        Ok(Self {
            parameters: set,
            reading,
            samples,
        })
    }
}

fn sample_bytes(parameters: &ParameterSet) -> usize {
    bits::packed_bytes(parameters.key_bits() + 1, parameters.result_bits)
}

fn json(reading: &Reading) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(reading).map_err(|error| Error::internal(error.to_string()))
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Payload {
        what: "encrypted result",
        reason: reason.into(),
    }
}

impl std::fmt::Debug for EncryptedResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let model = &self.reading.model;
        write!(f, "EncryptedResult({model}, {} scores)", self.samples.len())
    }
}
