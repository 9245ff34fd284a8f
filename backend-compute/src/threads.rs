//! The threads that compute: no web thread and no thread that waits for the network ever does.
//!
//! Vaults take turns, one piece of work each. Work that can be divided, such as a network on one
//! image, gets the threads that would have nothing to do otherwise: all of them if it is alone, one
//! if there is as much other work as there are threads: side by side, threads do not wait for each
//! other at the end of every stage of an image.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use darkroom_api::ids::VaultId;
use tokio::sync::oneshot;

use crate::error::Error;

type Work = Box<dyn FnOnce(usize) + Send>;

/// A fixed number of threads. They end when this is dropped.
#[derive(Debug)]
pub struct Threads(Arc<Shared>);

struct Shared {
    count: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// One line for each vault that has work; the first is next.
    lines: VecDeque<(VaultId, VecDeque<Piece>)>,
    /// Threads that are free, also those that work is divided among.
    free: usize,
    /// Work that can be divided and is waiting or on its way.
    announced: usize,
    closed: bool,
}

struct Piece {
    work: Work,
    /// If it can be divided.
    announced: Option<Announced>,
}

/// Says that work that can be divided will come soon, so that other such work leaves room for it.
pub struct Announced(Option<Arc<Shared>>);

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(count: usize) -> Result<Self, Error> {
        let state = State {
            lines: VecDeque::new(),
            free: count,
            announced: 0,
            closed: false,
        };
        let shared = Arc::new(Shared {
            count,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        for index in 0..count {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("compute-{index}"));
            thread.spawn(move || shared.take_work())?;
        }
        Ok(Self(shared))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.count
    }

    /// Announces work for [`Threads::run_divided`].
    pub fn announce(&self) -> Announced {
        self.0.state().announced += 1;
        Announced(Some(Arc::clone(&self.0)))
    }

    /// Does a vault's work on one of them. Nothing is interrupted if the caller stops waiting.
    ///
    /// # Errors
    /// [`Error::BrokenOff`] if the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        vault: VaultId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.push(vault, None, move |_| work()).await
    }

    /// Does a vault's work, which is told how many threads it may use.
    ///
    /// # Errors
    /// [`Error::BrokenOff`] if the work panicked.
    pub async fn run_divided<T: Send + 'static>(
        &self,
        vault: VaultId,
        announced: Announced,
        work: impl FnOnce(usize) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.push(vault, Some(announced), work).await
    }

    async fn push<T: Send + 'static>(
        &self,
        vault: VaultId,
        announced: Option<Announced>,
        work: impl FnOnce(usize) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |threads| {
            if let Ok(done) = catch_unwind(AssertUnwindSafe(|| work(threads))) {
                // The caller may have stopped waiting.
                let _ = answer.send(done);
            }
        });
        self.0.push(vault, Piece { work, announced });
        answered.await.map_err(|_| Error::BrokenOff)
    }
}

impl Shared {
    fn push(&self, vault: VaultId, piece: Piece) {
        let mut state = self.state();
        match state.lines.iter_mut().find(|(other, _)| *other == vault) {
            Some((_, line)) => line.push_back(piece),
            None => state.lines.push_back((vault, VecDeque::from([piece]))),
        }
        drop(state);
        self.changed.notify_one();
    }

    fn take_work(&self) {
        while let Some((work, threads)) = self.next() {
            work(threads);
            self.state().free += threads;
            // Several may have waited for so many threads.
            self.changed.notify_all();
        }
    }

    /// Waits for work; `None` when there will be no more.
    fn next(&self) -> Option<(Work, usize)> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if state.free > 0
                && let Some(piece) = state.next()
            {
                let threads = match piece.announced {
                    Some(announced) => {
                        let share = state.free / state.announced.max(1);
                        announced.arrive(&mut state);
                        share.max(1)
                    }
                    None => 1,
                };
                state.free -= threads;
                return Some((piece.work, threads));
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next vault's next piece; the vault goes to the end of the row.
    fn next(&mut self) -> Option<Piece> {
        let (vault, mut line) = self.lines.pop_front()?;
        let piece = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((vault, line));
        }
        piece
    }
}

impl Announced {
    fn arrive(mut self, state: &mut State) {
        if self.0.take().is_some() {
            state.announced -= 1;
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.state().announced -= 1;
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Whoever waits for what was not begun is told by the dropped work.
        let mut state = self.0.state();
        state.closed = true;
        let unbegun = std::mem::take(&mut state.lines);
        drop(state);
        self.0.changed.notify_all();
        drop(unbegun);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.count;
        f.debug_struct("Shared")
            .field("count", &count)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Announced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announced")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const A: VaultId = VaultId([1; 16]);
    const B: VaultId = VaultId([2; 16]);

    /// Work that goes on until it is let go.
    fn held(threads: &Threads, count: usize) -> Vec<Sender<()>> {
        let hold = |_| {
            let (let_go, held) = channel::<()>();
            let (begin, begun) = channel();
            let piece = Piece {
                work: Box::new(move |_| {
                    begin.send(()).unwrap();
                    let _ = held.recv();
                }),
                announced: None,
            };
            threads.0.push(A, piece);
            begun.recv().unwrap();
            let_go
        };
        (0..count).map(hold).collect()
    }

    fn noting(threads: &Threads, note: &Sender<(VaultId, usize)>, vault: VaultId, divided: bool) {
        let note = note.clone();
        let piece = Piece {
            work: Box::new(move |threads| note.send((vault, threads)).unwrap()),
            announced: divided.then(|| threads.announce()),
        };
        threads.0.push(vault, piece);
    }

    fn noted(notes: &Receiver<(VaultId, usize)>, count: usize) -> Vec<(VaultId, usize)> {
        notes.iter().take(count).collect()
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_and_not_the_thread() {
        let threads = Threads::start(1).unwrap();
        let broken = threads.run(A, || panic!("as this test wants it")).await;
        assert!(matches!(broken, Err::<(), _>(Error::BrokenOff)));
        assert_eq!(threads.run(A, || 6 * 7).await.unwrap(), 42);
    }

    #[test]
    fn vaults_take_turns() {
        let threads = Threads::start(1).unwrap();
        let (note, notes) = channel();
        let busy = held(&threads, 1);
        for _ in 0..100 {
            noting(&threads, &note, A, false);
        }
        noting(&threads, &note, B, false);
        noting(&threads, &note, B, false);
        drop(busy);
        let order: Vec<_> = noted(&notes, 102)
            .into_iter()
            .map(|(vault, _)| vault)
            .collect();
        assert_eq!(order[..5], [A, B, A, B, A]);
    }

    #[test]
    fn work_that_is_alone_gets_all_threads_and_much_work_one_each() {
        let threads = Threads::start(4).unwrap();
        let (note, notes) = channel();
        noting(&threads, &note, A, true);
        assert_eq!(noted(&notes, 1), [(A, 4)]);

        let two = [threads.announce(), threads.announce()];
        let busy = held(&threads, 1);
        noting(&threads, &note, A, true);
        // Three free, three announced.
        assert_eq!(noted(&notes, 1), [(A, 1)]);
        drop((two, busy));

        // What cannot be divided gets one.
        noting(&threads, &note, A, false);
        assert_eq!(noted(&notes, 1), [(A, 1)]);
    }

    #[tokio::test]
    async fn what_was_not_begun_is_broken_off_when_the_threads_end() {
        let threads = Threads::start(1).unwrap();
        let busy = held(&threads, 1);
        let (answer, answered) = oneshot::channel::<()>();
        let piece = Piece {
            work: Box::new(move |_| drop(answer)),
            announced: Some(threads.announce()),
        };
        threads.0.push(B, piece);
        drop(threads);
        assert!(answered.await.is_err());
        drop(busy);
    }
}
