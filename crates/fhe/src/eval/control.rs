//! How an evaluation runs and is watched.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// Threads, progress and an end before the end.
pub struct Control<'a> {
    /// How many threads one evaluation may take. With one it spawns none.
    pub threads: usize,
    /// Told of the bootstraps done so far.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Asked often whether to stop.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Control<'static> {
    /// One thread, unwatched, to the end.
    pub fn unattended() -> Self {
        Self {
            threads: 1,
            progress: &|_| {},
            cancelled: &|| false,
        }
    }
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let threads = self.threads;
        f.debug_struct("Control")
            .field("threads", &threads)
            .finish_non_exhaustive()
    }
}

/// What has been done under a control, shared by the threads.
pub(super) struct Progress<'a> {
    control: &'a Control<'a>,
    /// External products: parts of bootstraps.
    products: AtomicU64,
    /// Told last, in bootstraps.
    told: AtomicU64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(control: &'a Control<'a>) -> Self {
        Self {
            control,
            products: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }

    pub(super) fn threads(&self) -> usize {
        self.control.threads.max(1)
    }

    /// Works on a share of the items on each thread, in multiples of `unit` items; what came out, in
    /// order.
    ///
    /// # Errors
    /// What `work` says, of the first share that says it.
    pub(super) fn divide<T: Send>(
        &self,
        items: usize,
        unit: usize,
        work: impl Fn(Range<usize>) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let share = items.div_ceil(self.threads()).next_multiple_of(unit);
        let work = |start: usize| work(start..items.min(start + share));
        std::thread::scope(|scope| {
            let others: Vec<_> = (share..items)
                .step_by(share.max(1))
                .map(|start| scope.spawn(move || work(start)))
                .collect();
            let first = work(0);
            let others = others.into_iter().map(|other| {
                let other = other.join();
                other.unwrap_or_else(|_| Err(Error::internal("a thread broke off")))
            });
            std::iter::once(first).chain(others).collect()
        })
    }

    /// Whether to go on.
    pub(super) fn check(&self) -> Result<(), Error> {
        if (self.control.cancelled)() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Counts external products, of which a bootstrap takes so many.
    pub(super) fn add(&self, products: usize, of_one: usize) {
        let products = products as u64;
        let before = self.products.fetch_add(products, Ordering::Relaxed);
        let done = (before + products) / (of_one as u64).max(1);
        if self.told.fetch_max(done, Ordering::Relaxed) < done {
            (self.control.progress)(done);
        }
    }
}
