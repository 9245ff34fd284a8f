//! What is told of a model, its time measured.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use darkroom_api::compute::{Accuracy, EvaluationKeyCard, InputCard, ModelCard};
use darkroom_api::header::{HEADER_BYTES, ParameterSetId};
use darkroom_api::ids::ModelId;
use darkroom_fhe::Error;
use darkroom_fhe::eval::{Control, EvaluationKey, EvaluationKeyBuilder, cipher};
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Frame;
use darkroom_fhe::wire::{EncryptedImage, KeyPart, evaluation_key};

/// How often a linear model is run to measure it; the quickest run counts, the others met a busy
/// machine.
const RUNS: usize = 3;
/// How long bootstraps are done to measure them.
const BOOTSTRAPS_FOR: Duration = Duration::from_millis(400);

/// The model's card. `bootstrap_ms` is asked for what a bootstrap takes here, if the model has any.
pub fn describe(
    id: ModelId,
    model: &Model,
    bootstrap_ms: impl FnOnce() -> Result<f64, String>,
) -> Result<ModelCard, String> {
    let Frame {
        width,
        height,
        straighten,
    } = model.input();
    let told = |error: Error| error.to_string();
    let expected_ms = match model.bootstraps() {
        0 => quickest_ms(model).map_err(told)?,
        bootstraps => bootstraps as f64 * bootstrap_ms()?,
    };
    let evaluation_key = model.evaluation_key_parameters().map(key_card).transpose();
    Ok(ModelCard {
        id,
        digest: model.digest().to_owned(),
        title: model.title().to_owned(),
        purpose: model.purpose().to_owned(),
        classes: model.classes().to_vec(),
        input: InputCard {
            width,
            height,
            straighten,
        },
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
        evaluation_key: evaluation_key.map_err(told)?,
        bootstraps: model.bootstraps(),
        expected_ms,
    })
}

fn key_card(parameters: u32) -> Result<EvaluationKeyCard, Error> {
    let parts = evaluation_key::parts(parameters)?;
    let headers = u64::from(parts) * HEADER_BYTES as u64;
    Ok(EvaluationKeyCard {
        parameters: ParameterSetId(parameters),
        parts,
        bytes: headers + evaluation_key::total_payload_bytes(parameters)?,
    })
}

/// What a bootstrap of this model takes when all threads work on one image, measured with a key that
/// is nobody's. About a second, most of it for the key, and the memory of a key meanwhile.
pub fn bootstrap_ms(model: &Model, threads: usize) -> Result<f64, Error> {
    let key = model.evaluation_key_parameters();
    let key = key.map(nobodys_key).transpose()?;
    let image = blank_image(model)?;
    let (begun, done) = (Instant::now(), AtomicU64::new(0));
    // Before the first is done: the linear layer and the keyswitch of all units.
    let first: OnceLock<(Duration, u64)> = OnceLock::new();
    let control = Control {
        threads,
        progress: &|now| {
            first.get_or_init(|| (begun.elapsed(), now));
            done.fetch_max(now, Ordering::Relaxed);
        },
        cancelled: &|| {
            let since = first
                .get()
                .map(|(at, _)| begun.elapsed().saturating_sub(*at));
            since.is_some_and(|since| since >= BOOTSTRAPS_FOR)
        },
    };
    let outcome = cipher::evaluate(model, &image, key.as_ref(), &control);
    let (all, elapsed) = (model.bootstraps() as f64, begun.elapsed());
    match (outcome, first.get()) {
        (Err(Error::Cancelled), Some((at, before))) => {
            let done = done.load(Ordering::Relaxed).saturating_sub(*before).max(1);
            let each_ms = milliseconds(elapsed.saturating_sub(*at)) / done as f64;
            Ok(milliseconds(*at) / all + each_ms)
        }
        (outcome, _) => outcome.map(|_| milliseconds(elapsed) / all),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// An evaluation key with every body zero: useless, and as slow as any.
fn nobodys_key(parameters: u32) -> Result<EvaluationKey, Error> {
    let mut builder = EvaluationKeyBuilder::new(parameters)?;
    let parts = evaluation_key::parts(parameters)?;
    for index in 0..parts {
        let bytes = evaluation_key::part_payload_bytes(parameters, index)?;
        let payload = blank(bytes, [1, index, parts]);
        builder.add(&KeyPart::from_payload(parameters, &payload)?)?;
    }
    builder.finish()
}

/// What a linear model takes.
fn quickest_ms(model: &Model) -> Result<f64, Error> {
    let image = blank_image(model)?;
    let mut quickest_ms = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = Instant::now();
        cipher::evaluate(model, &image, None, &Control::unattended())?;
        quickest_ms = quickest_ms.min(milliseconds(begun.elapsed()));
    }
    Ok(quickest_ms)
}

/// An image that is no secret: every body zero.
fn blank_image(model: &Model) -> Result<EncryptedImage, Error> {
    let Frame { width, height, .. } = model.input();
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    let bytes = EncryptedImage::payload_bytes(width, height);
    let payload = blank(bytes, [1, side(width), side(height)]);
    EncryptedImage::from_payload(model.parameters(), &payload)
}

/// A payload of zeros after these numbers, of 16 bits each.
fn blank(bytes: u64, numbers: [u16; 3]) -> Vec<u8> {
    let mut payload: Vec<u8> = numbers.into_iter().flat_map(u16::to_le_bytes).collect();
    payload.resize(usize::try_from(bytes).unwrap_or(payload.len()), 0);
    payload
}
