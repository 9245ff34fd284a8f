//! What an end of a link has done.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Messages and refusals, counted since the start.
#[derive(Debug, Default)]
pub struct Usage {
    sealed: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    shortages: AtomicU64,
    key_used: Mutex<Option<Instant>>,
}

impl Usage {
    /// Messages sealed here.
    pub fn sealed(&self) -> u64 {
        self.sealed.load(Ordering::Relaxed)
    }

    /// Messages whose opening was begun here.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Messages that were not in order.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Messages that were not sent or opened for lack of a key.
    pub fn shortages(&self) -> u64 {
        self.shortages.load(Ordering::Relaxed)
    }

    /// How long ago a key was used last.
    pub fn key_used(&self) -> Option<Duration> {
        let used = *self.key_used.lock().unwrap_or_else(PoisonError::into_inner);
        used.map(|at| at.elapsed())
    }

    pub(super) fn count_sealed(&self) {
        self.sealed.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    pub(super) fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_shortage(&self) {
        self.shortages.fetch_add(1, Ordering::Relaxed);
    }

    fn touch(&self) {
        let mut used = self.key_used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = Some(Instant::now());
    }
}
