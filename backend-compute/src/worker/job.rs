//! One job under its lease: starts its images, keeps the lease, writes progress, ends it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use darkroom_api::ids::JobId;
use darkroom_api::problem::{Problem, ProblemType};
use tokio::sync::{OnceCell, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{Instrument, Span, field};

use super::image::{self, Outcome, Watch};
use super::{AHEAD, Context, Deadline};
use crate::error::Error;
use crate::models::Loaded;
use crate::queue::{Claimed, End, Progress, Renewed};

/// An image that takes longer is shown as running; for a shorter one the write is not worth it.
const WORTH_SHOWING: Duration = Duration::from_millis(200);
/// The longest pause between two tries to reach the database.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often it is shown how many bootstraps are done.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// Why no further image is begun.
#[derive(Debug)]
enum Halt {
    /// The owner wants it.
    Cancelled,
    /// The service stops.
    Draining,
    /// Storage is away.
    Away(Problem),
    /// No image of it can be done.
    Hopeless(Problem),
    /// Another worker has the job.
    Lost,
}

struct Run {
    context: Arc<Context>,
    claimed: Arc<Claimed>,
    progress: Vec<Progress>,
    images: JoinSet<(usize, Outcome)>,
    /// Bootstraps done by each image in work.
    bootstraps_done: HashMap<usize, Arc<AtomicU64>>,
    halt: Option<Halt>,
    /// Tells the images that wait for storage to give up.
    halting: watch::Sender<bool>,
    /// Tells the images that are evaluated to stop.
    cancelled: Arc<AtomicBool>,
    /// Set by the first image that storage gave.
    charged: Arc<OnceCell<()>>,
    renewed_at: Instant,
    renew_at: Instant,
    show_at: Instant,
}

impl Drop for Run {
    /// An evaluation does not end by itself when nobody waits for it any more.
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// The target of the spans of jobs.
pub(super) const JOBS: &str = "darkroom::job";

/// The span that all work on a job is in: a child of the request that submitted it. An error span, so
/// that a line of any level has it.
pub fn span(claimed: &Claimed) -> Span {
    let (request_id, job, model) = (&claimed.origin.request, claimed.id, &claimed.model);
    let (trace_id, attempt) = (field::Empty, claimed.attempts);
    let span = tracing::error_span!(
        target: JOBS, "job", %request_id, trace_id, %job, %model, attempt
    );
    claimed.origin.adopt(&span);
    span
}

/// Works a job off, or as much of it as is possible now.
pub async fn run(context: Arc<Context>, claimed: Claimed, stop: watch::Receiver<Deadline>) {
    let begun = Instant::now();
    let figures = Arc::clone(&context.metrics);
    if claimed.attempts == 1 {
        figures
            .work
            .begun_after(Duration::from_millis(claimed.age_ms));
    }
    let mut run = Run::new(context, claimed);
    let end = match run.model().await {
        Ok(model) => {
            run.images(&model, stop.clone()).await;
            run.end()
        }
        Err(problem) => Some(End::Failed(problem)),
    };
    let how = match end {
        Some(end) => run.write(end, &stop).await,
        None => "lost",
    };
    figures.work.left(how, begun.elapsed());
    let elapsed_ms = begun.elapsed().as_millis();
    tracing::info!(images = run.progress.len(), elapsed_ms, how, "job left");
}

impl Run {
    fn new(context: Arc<Context>, claimed: Claimed) -> Self {
        let now = Instant::now();
        Self {
            progress: claimed.progress.clone(),
            claimed: Arc::new(claimed),
            images: JoinSet::new(),
            bootstraps_done: HashMap::new(),
            halt: None,
            halting: watch::Sender::new(false),
            cancelled: Arc::default(),
            charged: Arc::default(),
            renewed_at: now,
            renew_at: now + context.lease / 4,
            show_at: now + SHOW_EVERY,
            context,
        }
    }

    /// The model that the job was submitted for, and no other of the same name.
    async fn model(&self) -> Result<Arc<Loaded>, Problem> {
        let gone = |how: &str| {
            let detail = format!("the model {} was {how} after submit", self.claimed.model);
            Problem::new(ProblemType::ModelGone, detail)
        };
        let catalogue = self
            .context
            .catalogue
            .current()
            .await
            .map_err(|error| error.problem())?;
        let model = catalogue
            .model(&self.claimed.model)
            .ok_or_else(|| gone("removed"))?;
        if model.card.digest == self.claimed.model_digest {
            Ok(model)
        } else {
            Err(gone("replaced"))
        }
    }

    async fn images(&mut self, model: &Arc<Loaded>, mut stop: watch::Receiver<Deadline>) {
        let mut cancellations = self.context.queue.changes().cancellations();
        let (deadline, mut draining) = (stop.clone(), false);
        let at_once = self.context.threads.count() * AHEAD;
        loop {
            let may_begin = self.halt.is_none() && !self.is_overdue();
            while may_begin && self.images.len() < at_once {
                if !self.begin_one(model) {
                    break;
                }
            }
            let must_wait = self.halt.is_none() && self.progress.contains(&Progress::QUEUED);
            if self.images.is_empty() && !must_wait {
                return;
            }
            tokio::select! {
                Some(ended) = self.images.join_next() => match ended {
                    Ok((index, outcome)) => self.record(index, outcome),
                    Err(error) => tracing::error!(%error, "an image's task broke"),
                },
                () = sleep_until(self.renew_at) => self.renew().await,
                () = sleep_until(self.show_at), if model.card.bootstraps > 0 => self.show().await,
                () = told(&mut cancellations, &self.claimed) => self.renew().await,
                halt = wanted(&mut stop), if !draining => {
                    draining = true;
                    self.stop(halt);
                }
                () = over(&deadline) => return self.images.abort_all(),
            }
            if matches!(self.halt, Some(Halt::Lost)) {
                return self.images.abort_all();
            }
        }
    }

    /// Begins the next image that was not begun; false if there is none.
    fn begin_one(&mut self, model: &Arc<Loaded>) -> bool {
        let mut progress = self.progress.iter();
        let waiting = progress.position(|image| *image == Progress::QUEUED);
        let Some(index) = waiting else {
            return false;
        };
        self.progress[index] = Progress::RUNNING;
        self.renew_at = self.renew_at.min(Instant::now() + WORTH_SHOWING);
        let (context, claimed) = (Arc::clone(&self.context), Arc::clone(&self.claimed));
        let model = Arc::clone(model);
        let watch = Watch {
            halting: self.halting.subscribe(),
            cancelled: Arc::clone(&self.cancelled),
            bootstraps_done: Arc::default(),
            charged: Arc::clone(&self.charged),
        };
        let done = Arc::clone(&watch.bootstraps_done);
        self.bootstraps_done.insert(index, done);
        let origin = claimed.origin.clone();
        let work = async move {
            let outcome = image::run(&context, &claimed, model, index, watch).await;
            (index, outcome)
        };
        let span = tracing::error_span!(target: JOBS, "image", index);
        self.images.spawn(origin.scope(work).instrument(span));
        true
    }

    fn record(&mut self, index: usize, outcome: Outcome) {
        let bootstraps_done = self.bootstraps_done.remove(&index).unwrap_or_default();
        let work = &self.context.metrics.work;
        work.image(&self.claimed.model, outcome.end());
        if let Outcome::Done(timings) = &outcome {
            work.timings(timings);
        }
        self.progress[index] = match outcome {
            Outcome::Done(timings) => {
                Progress::done(timings, bootstraps_done.load(Ordering::Relaxed))
            }
            Outcome::Failed(problem) => Progress::failed(problem),
            Outcome::Halted => Progress::QUEUED,
            Outcome::Away(problem) => {
                self.stop(Halt::Away(problem));
                Progress::QUEUED
            }
            Outcome::Hopeless(problem) => {
                self.stop(Halt::Hopeless(problem));
                Progress::QUEUED
            }
        };
        // So that a crash does not do it again. The last one is written with the job's end.
        if !self.images.is_empty() || self.progress.contains(&Progress::QUEUED) {
            self.renew_at = Instant::now();
        }
    }

    fn stop(&mut self, halt: Halt) {
        self.halting.send_replace(true);
        if matches!(halt, Halt::Cancelled | Halt::Lost) {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        if self.halt.is_none() || matches!(halt, Halt::Lost) {
            self.halt = Some(halt);
        }
    }

    /// Writes down how many bootstraps are done, if there are more than at the last time.
    async fn show(&mut self) {
        self.show_at = Instant::now() + SHOW_EVERY;
        let mut more = false;
        for (&index, done) in &self.bootstraps_done {
            let done = done.load(Ordering::Relaxed);
            let shown = &mut self.progress[index].bootstraps_done;
            more |= std::mem::replace(shown, done) != done;
        }
        if more {
            self.renew().await;
        }
    }

    /// Whether the database was not reached for as long as the lease. If it is away from here alone,
    /// another worker may have the job by now: what is in work is finished all the same, as its result
    /// can only be the one that the other has, but nothing is begun.
    fn is_overdue(&self) -> bool {
        self.renewed_at.elapsed() >= self.context.lease
    }

    async fn renew(&mut self) {
        let asked = Instant::now();
        let Claimed { id, lease, .. } = &*self.claimed;
        match self.context.queue.renew(*id, lease, &self.progress).await {
            Ok(Renewed::Held) => {}
            Ok(Renewed::Cancelled) => self.stop(Halt::Cancelled),
            Ok(Renewed::Lost) => return self.stop(Halt::Lost),
            Err(error) => {
                tracing::error!(%error, "the lease cannot be renewed");
                if self.is_overdue() && !error.is_outage() {
                    self.stop(Halt::Lost);
                }
                self.renew_at = Instant::now() + (self.context.lease / 16).min(PAUSE_MAX);
                return;
            }
        }
        self.renewed_at = asked;
        self.renew_at = asked + self.context.lease / 4;
    }

    /// How the job is to be left; `None` if it is ours no more.
    fn end(&self) -> Option<End> {
        let finished = self.progress.iter().all(|image| image.state.is_final());
        match &self.halt {
            Some(Halt::Lost) => None,
            _ if finished => Some(End::Done),
            Some(Halt::Cancelled) => Some(End::Cancelled),
            Some(Halt::Away(problem)) if self.claimed.attempts >= self.claimed.attempts_max => {
                Some(End::Failed(problem.clone()))
            }
            Some(Halt::Away(_)) => Some(End::Postponed),
            Some(Halt::Hopeless(problem)) => Some(End::Failed(problem.clone())),
            Some(Halt::Draining) => Some(End::Released),
            None => Some(End::Failed(Error::BrokenOff.problem())),
        }
    }

    /// Writes the end, for as long as the lease lasts or the database is away. Returns what to tell
    /// the log.
    async fn write(&mut self, end: End, stop: &watch::Receiver<Deadline>) -> &'static str {
        for image in self
            .progress
            .iter_mut()
            .filter(|image| !image.state.is_final())
        {
            *image = Progress::QUEUED;
        }
        let mut pause = Duration::from_millis(50);
        loop {
            match self
                .context
                .queue
                .end(&self.claimed, &end, &self.progress)
                .await
            {
                Ok(false) => return "lost",
                Ok(true) => break,
                Err(error) => {
                    tracing::error!(%error, "no end written");
                    let in_time = self.renewed_at.elapsed() + pause <= self.context.lease;
                    if !in_time && !error.is_outage() {
                        return "lost";
                    }
                }
            }
            let deadline = *stop.borrow();
            if stop.has_changed().is_err() || deadline.is_some_and(|at| at <= Instant::now()) {
                return "lost";
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        match end {
            End::Done => "done",
            End::Failed(_) => "failed",
            End::Cancelled => "cancelled",
            End::Released => "released",
            End::Postponed => "postponed",
        }
    }
}

/// Waits until somebody cancels this job, or may have.
async fn told(cancellations: &mut broadcast::Receiver<Option<JobId>>, job: &Claimed) {
    loop {
        match cancellations.recv().await {
            Ok(Some(id)) if id != job.id => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => pending().await,
        }
    }
}

/// Waits until the worker is to stop, or was dropped.
async fn wanted(stop: &mut watch::Receiver<Deadline>) -> Halt {
    match stop.wait_for(Option::is_some).await {
        Ok(_) => Halt::Draining,
        Err(_) => Halt::Lost,
    }
}

/// Waits until the time for draining is over.
async fn over(stop: &watch::Receiver<Deadline>) {
    let deadline = *stop.borrow();
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
