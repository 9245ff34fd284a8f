//! Pixels become objects, and objects become pixels and answers.

use darkroom_api::header::{self, HEADER_BYTES, ObjectKind, ParameterSetId};
use darkroom_fhe::wire::{EncryptedImage, EncryptedResult};

use super::identity::Held;
use super::{picture, scope, trouble};
use crate::protocol::{Answer, Grey, Trouble};

/// Pixels become the object that is stored.
pub(super) fn encrypt(held: &Held, grey: &Grey) -> Result<Vec<u8>, Trouble> {
    let pixels = picture::to_pixels(grey)?;
    let image = held
        .key
        .encrypt_image(&pixels, &mut scope::randomness()?)
        .map_err(|error| trouble::core(&error))?;
    let parameters = ParameterSetId(image.parameters());
    Ok(header::seal(
        ObjectKind::Image,
        parameters,
        held.id(),
        &image.to_payload(),
    ))
}

/// A stored image becomes pixels again.
pub(super) fn decrypt_image(
    held: &Held,
    parameters: ParameterSetId,
    object: &[u8],
) -> Result<Grey, Trouble> {
    let core = |error| trouble::core(&error);
    let payload = object.get(HEADER_BYTES..).unwrap_or_default();
    let image = EncryptedImage::from_payload(parameters.0, payload).map_err(core)?;
    let pixels = held.key.decrypt_image(&image).map_err(core)?;
    Ok(picture::to_grey(&pixels))
}

/// What a result says.
pub(super) struct Read {
    pub(super) model: String,
    pub(super) notice: Option<String>,
    pub(super) answer: Answer,
}

/// A stored result is read.
pub(super) fn decrypt(
    held: &Held,
    parameters: ParameterSetId,
    object: &[u8],
) -> Result<Read, Trouble> {
    let core = |error| trouble::core(&error);
    let payload = object.get(HEADER_BYTES..).unwrap_or_default();
    let result = EncryptedResult::from_payload(parameters.0, payload).map_err(core)?;
    let answer = held.key.decrypt_result(&result).map_err(core)?;
    let reading = result.reading();
    Ok(Read {
        model: reading.model.clone(),
        notice: reading.notice.clone(),
        answer: Answer {
            class: answer.class,
            label: answer.label,
            classes: answer.classes,
            probabilities: answer.probabilities,
            scores: answer.scores,
        },
    })
}
