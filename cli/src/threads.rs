//! Work on many cores.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// So many threads, or one a core.
pub fn count(wanted: Option<NonZeroUsize>) -> usize {
    let cores = || std::thread::available_parallelism().ok();
    wanted.or_else(cores).map_or(1, NonZeroUsize::get)
}

/// Does all items on so many threads and hands each outcome to `done`, one at a time, in the order
/// in which they become ready. Stops at the first error and when `done` breaks.
///
/// `begin` makes what one thread keeps for itself.
pub fn each<I: Sync, T: Send, K>(
    threads: usize,
    items: &[I],
    begin: impl Fn() -> Result<K, Error> + Sync,
    work: impl Fn(&mut K, usize, &I) -> Result<T, Error> + Sync,
    done: impl FnMut(usize, T) -> ControlFlow<()> + Send,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new((done, Ok(())));
    let stop = || next.store(items.len(), Ordering::Relaxed);
    let thread = || {
        let ended = (|| {
            let mut kept = begin()?;
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else {
                    return Ok(());
                };
                let made = work(&mut kept, index, item)?;
                let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                if (outcome.0)(index, made).is_break() {
                    stop();
                }
            }
        })();
        if let Err(error) = ended {
            stop();
            outcome.lock().unwrap_or_else(PoisonError::into_inner).1 = Err(error);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(thread);
        }
        thread();
    });
    outcome
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .1
}

/// The outcomes of all items, in their order.
pub fn map<I: Sync, T: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(usize, &I) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let mut made: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let keep = |index: usize, outcome| {
        made[index] = Some(outcome);
        ControlFlow::Continue(())
    };
    each(
        threads,
        items,
        || Ok(()),
        |(), index, item| work(index, item),
        keep,
    )?;
    Ok(made.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_items_are_done_once_and_come_back_in_order() {
        let items: Vec<usize> = (0..100).collect();
        for threads in [1, 2, 7, 200] {
            let squares = map(threads, &items, |index, &item| {
                assert_eq!(index, item);
                Ok(item * item)
            });
            let expected: Vec<usize> = items.iter().map(|item| item * item).collect();
            assert_eq!(squares.unwrap(), expected);
        }
        assert!(
            map(3, &[] as &[u8], |_, &item| Ok(item))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn an_error_ends_it() {
        let items: Vec<usize> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let outcome = map(2, &items, |_, &item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item == 3 {
                Err(Error::NoResult)
            } else {
                Ok(())
            }
        });
        assert!(matches!(outcome, Err(Error::NoResult)));
        assert!(begun.into_inner() < items.len());
    }

    #[test]
    fn who_takes_the_outcomes_can_stop() {
        let items = [(); 1000];
        let mut taken = 0;
        let take = |_, ()| {
            taken += 1;
            if taken == 5 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        each(1, &items, || Ok(()), |(), _, ()| Ok(()), take).unwrap();
        assert_eq!(taken, 5);
    }
}
