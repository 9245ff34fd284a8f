//! What is told of a model, its time measured.

use std::time::Instant;

use darkroom_api::compute::{Accuracy, InputCard, ModelCard};
use darkroom_api::header::{HEADER_BYTES, ParameterSetId};
use darkroom_api::ids::ModelId;
use darkroom_fhe::eval::{Control, cipher};
use darkroom_fhe::model::Model;
use darkroom_fhe::wire::EncryptedImage;

/// How often a model is run to measure it; the quickest run counts, the others met a busy machine.
const RUNS: usize = 3;

/// The model's card.
pub fn describe(id: ModelId, model: &Model) -> Result<ModelCard, String> {
    let (width, height) = model.input();
    Ok(ModelCard {
        id,
        digest: model.digest().to_owned(),
        title: model.title().to_owned(),
        purpose: model.purpose().to_owned(),
        classes: model.classes().to_vec(),
        input: InputCard { width, height },
        parameters: ParameterSetId(model.parameters()),
        accuracy: model.accuracy().map(|accuracy| Accuracy {
            value: accuracy.value,
            balanced: accuracy.balanced,
            images: accuracy.images,
            data: accuracy.data.clone(),
        }),
        notice: model.notice().map(str::to_owned),
        provenance: model.provenance().map(str::to_owned),
        licence: model.licence().map(str::to_owned),
        image_bytes: HEADER_BYTES as u64 + EncryptedImage::payload_bytes(width, height),
        result_bytes: HEADER_BYTES as u64 + model.result_payload_bytes(),
        evaluation_key: None,
        bootstraps: model.bootstraps(),
        expected_ms: measure(model)?,
    })
}

/// Runs the model on an image that is no secret: every body zero.
fn measure(model: &Model) -> Result<f64, String> {
    let (width, height) = model.input();
    let image = EncryptedImage::from_payload(model.parameters(), &blank(width, height)?)
        .map_err(|error| error.to_string())?;
    let mut quickest_ms = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = Instant::now();
        cipher::evaluate(model, &image, None, &Control::unattended()).map_err(|error| error.to_string())?;
        quickest_ms = quickest_ms.min(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(quickest_ms)
}

/// The payload of such an image.
fn blank(width: u32, height: u32) -> Result<Vec<u8>, String> {
    let too_large = |_| "its input is too large".to_owned();
    let bytes = EncryptedImage::payload_bytes(width, height)
        .try_into()
        .map_err(|_| "too large")?;
    let mut payload = vec![0; bytes];
    for (at, number) in [1, width, height].into_iter().enumerate() {
        let number = u16::try_from(number).map_err(too_large)?;
        payload[2 * at..2 * at + 2].copy_from_slice(&number.to_le_bytes());
    }
    Ok(payload)
}
