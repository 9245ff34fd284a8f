//! The threads that compute: no web thread and no thread that waits for the network ever does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::Error;

type Work = Box<dyn FnOnce() + Send>;

/// A fixed number of threads that take work in the order in which it was given. They end when
/// this is dropped.
#[derive(Debug)]
pub struct Threads {
    queue: Sender<Work>,
    count: usize,
}

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(count: usize) -> Result<Self, Error> {
        let (queue, work) = channel();
        let work = Arc::new(Mutex::new(work));
        for index in 0..count {
            let work = Arc::clone(&work);
            let thread = std::thread::Builder::new().name(format!("compute-{index}"));
            thread.spawn(move || take_work(&work))?;
        }
        Ok(Self { queue, count })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Does the work on one of them. Nothing is interrupted if the caller stops waiting.
    ///
    /// # Errors
    /// [`Error::BrokenOff`] if the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move || {
            if let Ok(done) = catch_unwind(AssertUnwindSafe(work)) {
                // The caller may have stopped waiting.
                let _ = answer.send(done);
            }
        });
        self.queue.send(work).map_err(|_| Error::BrokenOff)?;
        answered.await.map_err(|_| Error::BrokenOff)
    }
}

fn take_work(queue: &Mutex<Receiver<Work>>) {
    loop {
        let work = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match work {
            Ok(work) => work(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_work_and_not_the_thread() {
        let threads = Threads::start(1).unwrap();
        let broken = threads.run(|| panic!("as this test wants it")).await;
        assert!(matches!(broken, Err::<(), _>(Error::BrokenOff)));
        assert_eq!(threads.run(|| 6 * 7).await.unwrap(), 42);
    }
}
