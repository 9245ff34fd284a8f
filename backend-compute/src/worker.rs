//! Takes jobs from the queue and works them off, on a thread of its own beside the web threads.
//!
//! That thread only waits: for the database, for storage, for the threads that compute. A job is
//! claimed when there is room for it and not before, so that no job waits under a lease.

mod evaluation_key;
mod image;
mod job;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use darkroom_api::compute::State;
use darkroom_fhe::eval::EvaluationKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use crate::config::Config;
use crate::error::Error;
use crate::key_cache::{KeyCache, RESIDENCE};
use crate::metrics::Metrics;
use crate::models::Catalogue;
use crate::queue::{Claimable, Claimed, Holding, Queue};
use crate::storage::Storage;
use crate::threads::Threads;

/// Jobs, and images of each job, that are in work for every thread that computes: while one is
/// computed, another is on its way from or to storage.
const AHEAD: usize = 2;
/// Jobs in work beyond that, of vaults that have none in work: so that a vault need not wait until
/// another's long jobs are done.
const OTHERS: usize = 16;
/// How often to look for finished jobs that are old enough to forget.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often others that share the queue are told what is here.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// What every job needs.
#[derive(Debug)]
pub struct Context {
    /// Where jobs come from.
    pub queue: Arc<Queue>,
    /// The models.
    pub catalogue: Arc<Catalogue>,
    /// Where images come from and results go.
    pub storage: Arc<Storage>,
    /// Where they are computed.
    pub threads: Threads,
    /// The evaluation keys that it takes.
    pub keys: KeyCache<EvaluationKey>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The lease of a job.
    pub lease: Duration,
    /// How often to look for jobs that nobody announced.
    pub poll: Duration,
}

/// When running images have to be given up; `None` while nobody wants the worker to stop.
type Deadline = Option<Instant>;

/// The running worker. If it is dropped without [`Worker::drain`], it stops as after a kill.
#[derive(Debug)]
pub struct Worker {
    deadline: watch::Sender<Deadline>,
    ended: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(
        config: &Config,
        queue: Arc<Queue>,
        catalogue: Arc<Catalogue>,
        storage: Arc<Storage>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        let context = Context {
            queue,
            catalogue,
            storage,
            threads: Threads::start(config.thread_count())?,
            keys: KeyCache::new(config.key_cache_bytes, RESIDENCE, Arc::clone(&metrics)),
            metrics,
            lease: Duration::from_millis(config.queue.lease_ms),
            poll: Duration::from_millis(config.queue.poll_ms),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (deadline, stop) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || {
                runtime.block_on(work(Arc::new(context), stop));
                let _ = end.send(());
            })?;
        Ok(Self { deadline, ended })
    }

    /// Claims nothing more, finishes the images in work within `patience`, gives the rest back to
    /// the queue.
    pub async fn drain(self, patience: Duration) {
        self.deadline.send_replace(Some(Instant::now() + patience));
        // An error means that it ended already.
        let _ = self.ended.await;
    }
}

async fn work(context: Arc<Context>, mut stop: watch::Receiver<Deadline>) {
    let room = Room {
        any: Arc::new(Semaphore::new(context.threads.count() * AHEAD)),
        others: Arc::new(Semaphore::new(OTHERS)),
        at_stake: Arc::new(Semaphore::new(1)),
    };
    let mut jobs = JoinSet::new();
    let tidying = tokio::spawn(tidy(Arc::clone(&context)));
    // Before the first claim, as others would take what they have no model for.
    tell(&context).await;
    let telling = tokio::spawn(keep_telling(Arc::clone(&context)));
    while let Some((claimed, permits)) = next(&context, &room, &mut stop).await {
        let (context, stop) = (Arc::clone(&context), stop.clone());
        let (origin, span) = (claimed.origin.clone(), job::span(&claimed));
        let work = async move {
            let in_work = &context.metrics.work.in_work;
            in_work.inc();
            job::run(Arc::clone(&context), claimed, stop).await;
            in_work.dec();
            drop(permits);
        };
        jobs.spawn(origin.scope(work).instrument(span));
        while jobs.try_join_next().is_some() {}
    }
    tidying.abort();
    telling.abort();
    if stop.has_changed().is_ok() {
        if context.queue.is_shared()
            && let Err(error) = context.queue.hold_nothing().await
        {
            tracing::warn!(%error, "others are not told that nothing is here any more");
        }
        // Every job watches the deadline itself.
        while jobs.join_next().await.is_some() {}
    }
}

/// Room for jobs.
struct Room {
    any: Arc<Semaphore>,
    others: Arc<Semaphore>,
    /// For one job in its last attempt. One that brings the process down takes an attempt from all that
    /// are in work beside it, but not the last: when that is left to them, it is in its own last one.
    at_stake: Arc<Semaphore>,
}

/// What a job in work holds of the room.
type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Room {
    /// Waits for room, and says for which jobs it is.
    async fn wait(&self) -> Option<(Claimable, OwnedSemaphorePermit)> {
        let (any, others) = (Arc::clone(&self.any), Arc::clone(&self.others));
        tokio::select! {
            biased;
            permit = any.acquire_owned() => Some((Claimable::Any, permit.ok()?)),
            permit = others.acquire_owned() => Some((Claimable::OfIdleVaults, permit.ok()?)),
        }
    }

    /// Waits until there is room for more jobs than those.
    async fn for_more_than(&self, which: Claimable, at_stake: bool) {
        tokio::select! {
            _ = self.any.acquire(), if which == Claimable::OfIdleVaults => {}
            _ = self.at_stake.acquire(), if !at_stake => {}
            else => pending().await,
        }
    }
}

/// Waits for room and a job that fits in; `None` when the worker is to stop.
async fn next(
    context: &Context,
    room: &Room,
    stop: &mut watch::Receiver<Deadline>,
) -> Option<(Claimed, Permits)> {
    loop {
        let (which, permit) = tokio::select! {
            _ = stop.wait_for(Option::is_some) => return None,
            permit = room.wait() => permit?,
        };
        let last = Arc::clone(&room.at_stake).try_acquire_owned().ok();
        let at_stake = last.is_some();
        let claimed = match at_stake {
            true => context.queue.claim(which).await,
            false => context.queue.claim_but_last(which).await,
        };
        match claimed {
            Ok(Some(claimed)) => {
                let last = last.filter(|_| claimed.is_at_stake());
                return Some((claimed, (permit, last)));
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "no job can be claimed"),
        }
        drop((permit, last));
        tokio::select! {
            _ = stop.wait_for(Option::is_some) => return None,
            () = context.queue.changes().due() => {}
            () = room.for_more_than(which, at_stake) => {}
            () = tokio::time::sleep(context.poll) => {}
        }
    }
}

/// Buries and forgets.
async fn tidy(context: Arc<Context>) {
    let mut sweep_at = Instant::now();
    loop {
        if let Err(error) = context.queue.pull_back().await {
            tracing::error!(%error, "jobs that are due far ahead cannot be looked for");
        }
        match context.queue.bury().await {
            Ok(ends) => {
                let failed = ends.iter().filter(|&&end| end == State::Failed).count();
                context.metrics.jobs_exhausted.inc_by(failed as u64);
            }
            Err(error) => tracing::error!(%error, "jobs without attempts left cannot be ended"),
        }
        if sweep_at <= Instant::now() {
            sweep_at += SWEEP_EVERY;
            match context.queue.sweep().await {
                Ok(0) => {}
                Ok(jobs) => tracing::info!(jobs, "forgot finished jobs"),
                Err(error) => tracing::error!(%error, "finished jobs cannot be deleted"),
            }
        }
        tokio::time::sleep(context.poll).await;
    }
}

async fn keep_telling(context: Arc<Context>) {
    while context.queue.is_shared() {
        tokio::time::sleep(TELL_EVERY).await;
        tell(&context).await;
    }
}

/// Draws jobs that need what is here.
async fn tell(context: &Context) {
    if !context.queue.is_shared() {
        return;
    }
    let keys = context.keys.names().into_iter();
    let mut here: Vec<_> = keys
        .map(|name| Holding::Key(name.vault, name.key))
        .collect();
    match context.catalogue.current().await {
        Ok(models) => here.extend(models.digests().map(Holding::Model)),
        Err(error) => tracing::warn!(%error, "the models cannot be read"),
    }
    if let Err(error) = context.queue.hold(here).await {
        tracing::warn!(%error, "others are not told what is here");
    }
}
