//! One image of a job: fetch, check, evaluate, store.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use darkroom_api::compute::Timings;
use darkroom_api::header::{self, HeaderError, ObjectKind};
use darkroom_api::ids::KeyId;
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_fhe::eval::{Control, cipher};
use darkroom_fhe::wire::EncryptedImage;
use tokio::sync::watch;

use super::Context;
use crate::models::Loaded;
use crate::queue::Claimed;
use crate::storage::{Scope, Trouble};

/// What became of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its result is in storage.
    Done(Timings),
    /// There will be no result.
    Failed(Problem),
    /// Storage is away.
    Away(Problem),
    /// The job was to stop before it was done.
    Halted,
}

/// Works on one image of the job.
pub async fn run(
    context: &Context,
    job: &Claimed,
    model: Arc<Loaded>,
    index: usize,
    mut halt: watch::Receiver<bool>,
) -> Outcome {
    match steps(context, job, model, index, &mut halt).await {
        Ok(timings) => Outcome::Done(timings),
        Err(Trouble::Refused(problem)) => Outcome::Failed(problem),
        Err(Trouble::Away(problem)) => Outcome::Away(problem),
        Err(Trouble::Halted) => Outcome::Halted,
    }
}

async fn steps(
    context: &Context,
    job: &Claimed,
    model: Arc<Loaded>,
    index: usize,
    halt: &mut watch::Receiver<bool>,
) -> Result<Timings, Trouble> {
    let item = job.items[index];
    let scope = Scope {
        vault: job.vault,
        grant: &job.grant,
    };

    let begun = Instant::now();
    let object = context.storage.image(scope, item.image, halt).await?;
    let fetch_ms = milliseconds(begun);

    let key = job.key;
    let work = move || {
        let begun = Instant::now();
        evaluate(&model, key, &object).map(|result| (result, milliseconds(begun)))
    };
    let (result, compute_ms) = match context.threads.run(work).await {
        Ok(evaluated) => evaluated.map_err(Trouble::Refused)?,
        Err(error) => {
            tracing::error!(job = %job.id, index, model = %job.model, "the evaluation broke off");
            return Err(Trouble::Refused(error.problem()));
        }
    };

    let begun = Instant::now();
    let put = context
        .storage
        .put_result(scope, item.result, result, halt)
        .await;
    // An earlier attempt may have written it and died before it could say so; rounding may differ.
    let earlier = |problem: &Problem| job.attempts > 1 && problem.kind == ProblemType::ObjectExists;
    match put {
        Err(Trouble::Refused(problem)) if earlier(&problem) => {}
        put => put?,
    }
    Ok(Timings {
        fetch_ms,
        compute_ms,
        store_ms: milliseconds(begun),
    })
}

/// From the image's object to the result's.
fn evaluate(model: &Loaded, key: KeyId, object: &[u8]) -> Result<Bytes, Problem> {
    let (header, payload) =
        header::open(object, ObjectKind::Image).map_err(|error| not_an_object(&error))?;
    let parameters = model.card.parameters;
    if header.parameters != parameters {
        let detail = format!(
            "the image has parameter set {}, the model takes {}; encrypt it again",
            header.parameters.0, parameters.0
        );
        return Err(Problem::new(ProblemType::WrongParameters, detail));
    }
    if header.key != key {
        let detail = format!(
            "the image was encrypted under key {}, not {key}",
            header.key
        );
        return Err(Problem::new(ProblemType::ForeignKey, detail));
    }
    let image = EncryptedImage::from_payload(parameters.0, payload)
        .map_err(|error| Problem::new(ProblemType::ObjectMalformed, error.to_string()))?;
    let input = model.card.input;
    if (image.width(), image.height()) != (input.width, input.height) {
        let detail = format!(
            "the image has {} x {} pixels, the model takes {} x {}; encrypt it for this model",
            image.width(),
            image.height(),
            input.width,
            input.height
        );
        return Err(Problem::new(ProblemType::ImageShape, detail));
    }
    let result = cipher::evaluate(&model.model, &image, None, &Control::unattended()).map_err(|error| {
        tracing::error!(%error, model = %model.card.id, "the evaluation failed");
        Problem::new(
            ProblemType::Internal,
            "the model could not be evaluated on this image",
        )
    })?;
    Ok(header::seal(ObjectKind::Result, parameters, key, &result.to_payload()).into())
}

fn not_an_object(error: &HeaderError) -> Problem {
    let kind = match error {
        HeaderError::WrongKind { .. } => ProblemType::KindMismatch,
        HeaderError::Length { .. } => ProblemType::LengthMismatch,
        HeaderError::Digest => ProblemType::DigestMismatch,
        // Too short, no magic, a version or kind from the future.
        _ => ProblemType::ObjectMalformed,
    };
    Problem::new(kind, error.to_string())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
