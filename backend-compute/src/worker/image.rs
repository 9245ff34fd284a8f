//! One image of a job: fetch, check, evaluate, store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use darkroom_api::compute::Timings;
use darkroom_api::header::{self, HeaderError, ObjectKind, ParameterSetId};
use darkroom_api::ids::KeyId;
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_fhe::eval::{Control, EvaluationKey, cipher};
use darkroom_fhe::wire::EncryptedImage;
use tokio::sync::{OnceCell, watch};
use tracing::Instrument;

use super::job::JOBS;
use super::{Context, evaluation_key};
use crate::key_cache::Lent;
use crate::metrics::{ImageEnd, Metrics, Step};
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
    /// There will be no result of any image of this job.
    Hopeless(Problem),
    /// Storage is away.
    Away(Problem),
    /// The job was to stop before it was done.
    Halted,
}

impl Outcome {
    /// As it is counted.
    pub fn end(&self) -> ImageEnd {
        match self {
            Self::Done(_) => ImageEnd::Done,
            Self::Failed(problem) | Self::Hopeless(problem) => ImageEnd::Failed(problem.kind),
            Self::Away(_) => ImageEnd::StorageAway,
            Self::Halted => ImageEnd::Halted,
        }
    }
}

/// How an image in work and its job hear of each other.
#[derive(Debug, Clone)]
pub struct Watch {
    /// True when what waits, for storage or for a key, is to give up.
    pub halting: watch::Receiver<bool>,
    /// True when the evaluation itself is to stop.
    pub cancelled: Arc<AtomicBool>,
    /// Bootstraps done so far.
    pub bootstraps_done: Arc<AtomicU64>,
    /// Set when the job was counted for its vault.
    pub charged: Arc<OnceCell<()>>,
}

/// Works on one image of the job.
pub async fn run(
    context: &Arc<Context>,
    job: &Arc<Claimed>,
    model: Arc<Loaded>,
    index: usize,
    mut watch: Watch,
) -> Outcome {
    let (halt, begun) = (&mut watch.halting, Instant::now());
    let key = match (&model.card.evaluation_key, &job.evaluation_key) {
        (Some(_), Some(at)) => match evaluation_key::lend(context, job, at, halt).await {
            Ok(key) => {
                let waited = begun.elapsed().as_secs_f64();
                context.metrics.work.step(Step::Key, waited);
                Some(key)
            }
            Err(Trouble::Refused(problem)) => return Outcome::Hopeless(problem),
            Err(Trouble::Away(problem)) => return Outcome::Away(problem),
            Err(Trouble::Halted) => return Outcome::Halted,
        },
        // A model that needs a key and got none says so when it is evaluated.
        _ => None,
    };
    match steps(context, job, model, key, index, watch).await {
        Ok(timings) => Outcome::Done(timings),
        Err(Trouble::Refused(problem)) if problem.kind == ProblemType::TooManyJobsToday => {
            Outcome::Hopeless(problem)
        }
        Err(Trouble::Refused(problem)) => Outcome::Failed(problem),
        Err(Trouble::Away(problem)) => Outcome::Away(problem),
        Err(Trouble::Halted) => Outcome::Halted,
    }
}

async fn steps(
    context: &Context,
    job: &Claimed,
    model: Arc<Loaded>,
    key: Option<Lent<EvaluationKey>>,
    index: usize,
    mut watch: Watch,
) -> Result<Timings, Trouble> {
    let item = job.items[index];
    let scope = Scope {
        vault: job.vault,
        grant: &job.grant,
    };
    let announced = key.is_some().then(|| context.threads.announce());

    let begun = Instant::now();
    let halt = &mut watch.halting;
    let fetch = context.storage.image(scope, item.image, halt);
    let fetch = fetch.instrument(tracing::error_span!(target: JOBS, "fetch"));
    let object = fetch.await?;
    let fetch_ms = milliseconds(begun);
    let charge = || charge(context, job);
    watch.charged.get_or_try_init(charge).await?;

    let evaluation = Evaluation {
        model,
        key_id: job.key,
        key,
        cancelled: watch.cancelled,
        bootstraps_done: watch.bootstraps_done,
        metrics: Arc::clone(&context.metrics),
    };
    let span = tracing::error_span!(target: JOBS, "evaluate");
    let work = move |threads| {
        let _in = span.enter();
        let begun = Instant::now();
        let result = evaluation.run(&object, threads);
        result.map(|result| (result, milliseconds(begun)))
    };
    let evaluated = match announced {
        Some(announced) => {
            context
                .threads
                .run_divided(job.vault, announced, work)
                .await
        }
        None => context.threads.run(job.vault, move || work(1)).await,
    };
    let (result, compute_ms) = match evaluated {
        Ok(evaluated) => evaluated?,
        Err(error) => {
            tracing::error!("the evaluation broke off");
            return Err(Trouble::Refused(error.problem()));
        }
    };

    let begun = Instant::now();
    let halt = &mut watch.halting;
    let put = context.storage.put_result(scope, item.result, result, halt);
    let put = put.instrument(tracing::error_span!(target: JOBS, "put"));
    // An earlier attempt may have written it and died or stopped before it could say so; rounding may
    // differ. In the first one it is another job's: owners choose the ids, and may use one twice.
    let earlier = |problem: &Problem| job.begun_before && problem.kind == ProblemType::ObjectExists;
    match put.await {
        Err(Trouble::Refused(problem)) if earlier(&problem) => {}
        put => put?,
    }
    Ok(Timings {
        fetch_ms,
        compute_ms,
        store_ms: milliseconds(begun),
    })
}

/// Counts the job for its vault, which it has just read from.
async fn charge(context: &Context, job: &Claimed) -> Result<(), Trouble> {
    match context.queue.charge(job).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Trouble::Refused(Problem::new(
            ProblemType::TooManyJobsToday,
            "as many jobs of this vault's day were run as are allowed; submit it again after midnight \
             UTC",
        ))),
        Err(error) if error.is_outage() => Err(Trouble::Away(error.problem())),
        Err(error) => {
            tracing::error!(job = %job.id, %error, "the job cannot be counted");
            Err(Trouble::Refused(error.problem()))
        }
    }
}

/// All that it takes to evaluate an image on another thread.
struct Evaluation {
    model: Arc<Loaded>,
    key_id: KeyId,
    key: Option<Lent<EvaluationKey>>,
    cancelled: Arc<AtomicBool>,
    bootstraps_done: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

impl Evaluation {
    /// From the image's object to the result's.
    fn run(&self, object: &[u8], threads: usize) -> Result<Bytes, Trouble> {
        let image = image(&self.model, self.key_id, object).map_err(Trouble::Refused)?;
        let control = Control {
            threads,
            progress: &|done| self.note(done),
            cancelled: &|| self.cancelled.load(Ordering::Relaxed),
        };
        let result = cipher::evaluate(&self.model.model, &image, self.key.as_deref(), &control);
        let result = result.map_err(|error| match error {
            darkroom_fhe::Error::Cancelled => Trouble::Halted,
            error => {
                tracing::error!(%error, "the evaluation failed");
                Trouble::Refused(Problem::new(
                    ProblemType::Internal,
                    "the model could not be evaluated on this image",
                ))
            }
        })?;
        let parameters = ParameterSetId(result.parameters());
        let payload = result.to_payload();
        Ok(header::seal(ObjectKind::Result, parameters, self.key_id, &payload).into())
    }

    fn note(&self, done: u64) {
        let before = self.bootstraps_done.fetch_max(done, Ordering::Relaxed);
        self.metrics.bootstraps.inc_by(done.saturating_sub(before));
    }
}

/// The encrypted image in an object, if it is one for this model and under this key.
fn image(model: &Loaded, key: KeyId, object: &[u8]) -> Result<EncryptedImage, Problem> {
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
    Ok(image)
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
