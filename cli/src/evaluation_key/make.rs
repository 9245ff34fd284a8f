//! The parts of a key, one by one.

use darkroom_api::header::{self, HEADER_BYTES, ObjectKind, ParameterSetId};
use darkroom_api::ids::KeyId;
use darkroom_fhe::keys::{ClientKey, EvaluationSecret};
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::evaluation_key;

use crate::error::Error;

/// Makes parts of one owner's evaluation key. Any thread may make any of them.
pub struct Maker {
    secret: EvaluationSecret,
    owner: KeyId,
    parts: u16,
}

impl Maker {
    /// For a model that needs a key of these parameters.
    pub fn new(key: &ClientKey, parameters: u32) -> Result<Self, Error> {
        let secret = key.evaluation_secret();
        if secret.parameters() != parameters {
            return Err(Error::TooNew(format!(
                "it needs an evaluation key of parameter set {parameters}"
            )));
        }
        Ok(Self {
            secret,
            owner: KeyId(key.key_id()),
            parts: evaluation_key::parts(parameters)?,
        })
    }

    /// How many parts there are.
    pub fn parts(&self) -> u16 {
        self.parts
    }

    /// Makes a part, as the object that is stored and sent.
    pub fn part(&self, index: u16, randomness: &mut Randomness) -> Result<Vec<u8>, Error> {
        let payload = self.secret.part(index, randomness)?;
        let parameters = ParameterSetId(self.secret.parameters());
        let kind = ObjectKind::EvaluationKey;
        Ok(header::seal(kind, parameters, self.owner, &payload))
    }
}

/// Bytes of a part, header included.
pub fn part_bytes(parameters: u32, index: u16) -> Result<u64, Error> {
    let payload = evaluation_key::part_payload_bytes(parameters, index)?;
    Ok(payload + HEADER_BYTES as u64)
}
