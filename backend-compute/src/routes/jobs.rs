//! Jobs: submit, list, look, cancel.

use std::collections::HashSet;

use actix_web::{HttpResponse, web};
use darkroom_api::compute::{JOB_IMAGES_MAX, JobList, SubmitJob};
use darkroom_api::ids::JobId;
use darkroom_api::routes;

use super::Owner;
use crate::app::{Phase, State};
use crate::error::Error;
use crate::queue::Pushed;

/// The longest grant.
const GRANT_MAX_BYTES: usize = 64 << 10;

/// Takes a job: 201 if it is new, 200 if the same request was made before.
///
/// # Errors
/// The request is malformed, the model is not there, too many jobs wait, the service stops.
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
    match state.queue.push(owner.0, &job, &model.card.digest).await? {
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
    let printable = job.grant.bytes().all(|byte| byte.is_ascii_graphic());
    if job.grant.is_empty() || job.grant.len() > GRANT_MAX_BYTES || !printable {
        return refuse("the grant is not one that storage made".to_owned());
    }
    Ok(())
}

/// The owner's newest jobs.
///
/// # Errors
/// The database fails.
pub async fn list(owner: Owner, state: web::Data<State>) -> Result<HttpResponse, Error> {
    let jobs = state.queue.list(owner.0).await?;
    Ok(HttpResponse::Ok().json(JobList { jobs }))
}

/// One job of the owner.
///
/// # Errors
/// There is none of this id.
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
