//! Tells those who wait in this process what changed in the queue, here or elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use darkroom_api::ids::JobId;
use tokio::sync::{Notify, broadcast, watch};

/// Where changes are announced. Nothing is lost if nobody listens: the table is the truth.
#[derive(Debug)]
pub struct Changes {
    watched: Mutex<HashMap<JobId, watch::Sender<()>>>,
    /// `None`: any job may have been.
    cancelled: broadcast::Sender<Option<JobId>>,
    due: Notify,
}

impl Default for Changes {
    fn default() -> Self {
        let (cancelled, _) = broadcast::channel(64);
        Self {
            watched: Mutex::default(),
            cancelled,
            due: Notify::new(),
        }
    }
}

impl Changes {
    /// Hears of every change of one job from now on.
    pub fn of(&self, job: JobId) -> watch::Receiver<()> {
        let mut watched = self.watched();
        watched.retain(|_, sender| sender.receiver_count() > 0);
        watched.entry(job).or_default().subscribe()
    }

    /// Hears of jobs that were cancelled; `None` if any of them may have been.
    pub fn cancellations(&self) -> broadcast::Receiver<Option<JobId>> {
        self.cancelled.subscribe()
    }

    /// Waits until there may be a job to claim.
    pub async fn due(&self) {
        self.due.notified().await;
    }

    pub(super) fn pushed(&self) {
        self.due.notify_one();
    }

    pub(super) fn cancelled(&self, job: JobId) {
        // No receiver means no worker.
        let _ = self.cancelled.send(Some(job));
        self.changed(job);
    }

    pub(super) fn changed(&self, job: JobId) {
        if let Some(sender) = self.watched().get(&job) {
            sender.send_replace(());
        }
    }

    /// Has everybody look, since something may have happened that nobody was told of.
    pub(super) fn missed(&self) {
        self.pushed();
        let _ = self.cancelled.send(None);
        for sender in self.watched().values() {
            sender.send_replace(());
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<()>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
