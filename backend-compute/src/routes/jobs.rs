//! Jobs: submit, list, look, cancel.

use std::collections::HashSet;

use actix_web::{HttpResponse, web};
use darkroom_api::compute::{
    EvaluationKeyCard, JOB_IMAGES_MAX, Job, JobList, ModelCard, SubmitJob,
};
use darkroom_api::ids::JobId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_openapi::problems;

use super::{OF_OWNER, Owner};
use crate::app::{Phase, State};
use crate::error::Error;
use crate::queue::{Holding, Pushed};

/// The longest grant.
const GRANT_MAX_BYTES: usize = 64 << 10;

problems! {
    Submitting: OF_OWNER, &[
        ProblemType::MalformedRequest,
        ProblemType::ModelNotFound,
        ProblemType::JobExists,
        ProblemType::TooLarge,
        ProblemType::EvaluationKeyNeeded,
        ProblemType::EvaluationKeyMissing,
        ProblemType::EvaluationKeyForeign,
        ProblemType::TooManyJobs,
        ProblemType::TooManyJobsToday,
        ProblemType::ShuttingDown,
    ];
    Listing: OF_OWNER;
    Finding: OF_OWNER, &[ProblemType::NotFound, ProblemType::JobNotFound];
}

/// Takes a job: 201 if it is new, 200 if the same request was made before.
///
/// # Errors
/// The request is malformed, the model is not there, too many jobs wait, the service stops.
#[utoipa::path(post, path = routes::JOBS, tag = "Jobs", operation_id = "submit_job",
    request_body = SubmitJob,
    responses(
        (status = 201, description = "The job.", body = Job,
            headers(("Location" = String, description = "Where the job is."))),
        (status = 200, description = "The job that the same request made before.", body = Job),
        Submitting,
    ))]
pub async fn submit(
    owner: Owner,
    state: web::Data<State>,
    job: web::Json<SubmitJob>,
) -> Result<HttpResponse, Error> {
    if *state.phase.borrow() > Phase::Serving {
        return Err(Error::ShuttingDown);
    }
    let job = job.into_inner();
    check(&job)?;
    // Before the model is looked up: a repeated request finds its job whatever became of the model.
    if let Some(known) = state.queue.known(owner.0, &job).await? {
        return Ok(HttpResponse::Ok().json(known));
    }
    let models = state.catalogue.current().await?;
    let model = models
        .model(&job.model)
        .ok_or_else(|| Error::ModelNotFound(job.model.to_string()))?;
    check_key(&job, &model.card)?;
    if state.queue.is_shared() {
        // A node that does not have the model yet must not take the job and find it gone.
        let model = Holding::Model(model.card.digest.clone());
        state.queue.hold([model]).await?;
    }
    let work_ms = work_ms(&job, &model.card);
    let pushed = state.queue.push(owner.0, &job, &model.card.digest, work_ms);
    match pushed.await? {
        Pushed::Known(known) => Ok(HttpResponse::Ok().json(known)),
        Pushed::New(new) => {
            tracing::info!(job = %new.id, model = %new.model, images = new.items.len(), "job taken");
            let place = ("Location", routes::job(new.id));
            Ok(HttpResponse::Created().insert_header(place).json(new))
        }
    }
}

fn check(job: &SubmitJob) -> Result<(), Error> {
    let refuse = |detail: String| Err(Error::Malformed { detail });
    if !(1..=JOB_IMAGES_MAX).contains(&job.items.len()) {
        let count = job.items.len();
        return refuse(format!(
            "a job has 1 to {JOB_IMAGES_MAX} images, this one has {count}"
        ));
    }
    let mut results = HashSet::new();
    if let Some(twice) = job.items.iter().find(|item| !results.insert(item.result)) {
        return refuse(format!("two images have the same result {}", twice.result));
    }
    let grant_of_key = job.evaluation_key.as_ref().map(|key| &key.grant);
    for grant in [Some(&job.grant), grant_of_key].into_iter().flatten() {
        let printable = grant.bytes().all(|byte| byte.is_ascii_graphic());
        if grant.is_empty() || grant.len() > GRANT_MAX_BYTES || !printable {
            return refuse("a grant is not one that storage made".to_owned());
        }
    }
    Ok(())
}

/// Whether the job brings the evaluation key that the model needs, and no other.
fn check_key(job: &SubmitJob, card: &ModelCard) -> Result<(), Error> {
    let (needed, brought) = match (card.evaluation_key, &job.evaluation_key) {
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            let model = &card.id;
            return Err(Error::Malformed {
                detail: format!("the model {model} needs no evaluation key; leave it out"),
            });
        }
        (Some(needed), None) => {
            return Err(Error::EvaluationKeyNeeded {
                model: card.id.to_string(),
                parameters: needed.parameters.0,
                parts: needed.parts,
            });
        }
        (Some(needed), Some(brought)) => (needed, brought),
    };
    let EvaluationKeyCard {
        parameters, parts, ..
    } = needed;
    if brought.parameters != parameters {
        return Err(Error::EvaluationKeyForeign {
            expected: parameters.0,
            found: brought.parameters.0,
        });
    }
    if brought.parts.len() != usize::from(parts) {
        return Err(Error::EvaluationKeyMissing {
            parameters: parameters.0,
            expected: parts,
            found: brought.parts.len(),
        });
    }
    Ok(())
}

/// How long the job would take alone, at least a millisecond an image.
fn work_ms(job: &SubmitJob, card: &ModelCard) -> u64 {
    let image = std::time::Duration::try_from_secs_f64(card.expected_ms / 1000.0);
    let image_ms = image.unwrap_or_default().as_millis().max(1);
    let images = job.items.len() as u128;
    u64::try_from(image_ms * images).unwrap_or(u64::MAX)
}

/// The owner's newest jobs.
///
/// # Errors
/// The database fails.
#[utoipa::path(get, path = routes::JOBS, tag = "Jobs", operation_id = "list_jobs",
    responses((status = 200, description = "The jobs, newest first.", body = JobList), Listing))]
pub async fn list(owner: Owner, state: web::Data<State>) -> Result<HttpResponse, Error> {
    let jobs = state.queue.list(owner.0).await?;
    Ok(HttpResponse::Ok().json(JobList { jobs }))
}

/// One job of the owner.
///
/// # Errors
/// There is none of this id.
#[utoipa::path(get, path = routes::JOB, tag = "Jobs", operation_id = "describe_job",
    params(("job" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job.", body = Job), Finding))]
pub async fn one(
    owner: Owner,
    state: web::Data<State>,
    path: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let job = state.queue.find(owner.0, id(&path)?).await?;
    Ok(HttpResponse::Ok().json(job))
}

/// Cancels one job of the owner and tells how it stands.
///
/// # Errors
/// There is none of this id.
#[utoipa::path(post, path = routes::JOB_CANCEL, tag = "Jobs", operation_id = "cancel_job",
    params(("job" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "How it stands now.", body = Job), Finding))]
pub async fn cancel(
    owner: Owner,
    state: web::Data<State>,
    path: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let job = state.queue.cancel(owner.0, id(&path)?).await?;
    Ok(HttpResponse::Ok().json(job))
}

/// What is no job's id is no job.
pub(super) fn id(path: &str) -> Result<JobId, Error> {
    path.parse().map_err(|_| Error::JobNotFound)
}
