//! A job's changes as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use darkroom_api::compute::Job;
use darkroom_api::ids::JobId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_openapi::problems;
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{OF_OWNER, Owner, jobs};
use crate::app::{Phase, State};
use crate::error::Error;

problems! {
    Refusals: OF_OWNER, &[ProblemType::NotFound, ProblemType::JobNotFound];
}

/// An event of the stream; read by the description alone.
#[derive(utoipa::ToSchema)]
#[expect(dead_code)]
struct JobEvent {
    /// Always `job`.
    event: String,
    /// A `Job` as JSON.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Where one stream is.
struct Follower {
    state: web::Data<State>,
    owner: Owner,
    /// The state to send first.
    first: Option<Job>,
    /// The state sent last.
    last: Job,
    changed: watch::Receiver<()>,
    phase: watch::Receiver<Phase>,
    spoke_at: Instant,
}

/// The job as it stands, then each change, until it has ended. Event `job`, data a [`Job`];
/// comments in between keep the connection alive. Quick changes may be told together.
///
/// # Errors
/// The owner has no such job.
#[utoipa::path(get, path = routes::JOB_EVENTS, tag = "Jobs", operation_id = "follow_job",
    params(("job" = JobId, Path, description = "The job.")),
    responses(
        (status = 200, description = "Server-sent events until the job has ended.", body = inline(JobEvent), content_type = "text/event-stream",
            headers(("Cache-Control" = String, description = "`no-store`"))),
        Refusals,
    ))]
pub async fn follow(
    owner: Owner,
    state: web::Data<State>,
    path: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let id = jobs::id(&path)?;
    // Before the job is read, so that no change falls in between.
    let changed = state.queue.changes().of(id);
    let job = state.queue.find(owner.0, id).await?;
    let follower = Follower {
        owner,
        first: Some(job.clone()),
        last: job,
        changed,
        phase: state.phase.clone(),
        spoke_at: Instant::now(),
        state,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events))
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return event(&first);
        }
        let comment_at = self.spoke_at + Duration::from_millis(self.state.limits.keep_alive_ms);
        while !self.last.state.is_final() && *self.phase.borrow() < Phase::Closing {
            if comment_at <= Instant::now() {
                self.spoke_at = Instant::now();
                return Some(Bytes::from_static(b": still here\n\n"));
            }
            self.wait(comment_at).await;
            match self.state.queue.find(self.owner.0, self.last.id).await {
                Ok(job) if job == self.last => {}
                Ok(job) => {
                    self.last = job;
                    self.spoke_at = Instant::now();
                    return event(&self.last);
                }
                Err(error) if error.is_outage() => {}
                Err(error) => {
                    tracing::warn!(%error, "an event stream was broken off");
                    return None;
                }
            }
        }
        None
    }

    /// Waits for a change; looks now and then on its own, as not every change is told.
    async fn wait(&mut self, comment_at: Instant) {
        let look_at = comment_at.min(Instant::now() + self.state.poll);
        tokio::select! {
            _ = timeout_at(look_at, self.changed.changed()) => {}
            _ = self.phase.wait_for(|phase| *phase == Phase::Closing) => {}
        }
        // A job of many images changes often and is long to tell: a millisecond for each image.
        let images = u32::try_from(self.last.items.len()).unwrap_or(u32::MAX);
        sleep_until((self.spoke_at + Duration::from_millis(1) * images).min(comment_at)).await;
    }
}

fn event(job: &Job) -> Option<Bytes> {
    let data = serde_json::to_string(job).ok()?;
    Some(Bytes::from(format!("event: job\ndata: {data}\n\n")))
}
