//! How many bytes a parser holds at once.

// An allocator cannot be written without. It hands every call on to the system's unchanged, or
// answers that there is no memory, which an allocator may do at any time.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// More at once is refused whatever a parser may use: the machine would suffer before the parser is
/// found out. The process aborts then, as Rust does without memory.
const REFUSED_BYTES: usize = 1 << 30;

thread_local! {
    // Neither of them has to be dropped or is made lazily, so the allocator may use them.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, which also counts what this thread holds.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: isize) {
    let live = LIVE.get() + change;
    LIVE.set(live);
    MOST.set(MOST.get().max(live));
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// Sound: what is returned comes from `System` for the layout asked for, and goes back to it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > REFUSED_BYTES {
            return ptr::null_mut();
        }
        count(signed(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > REFUSED_BYTES {
            return ptr::null_mut();
        }
        count(signed(layout.size()));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if bytes > REFUSED_BYTES {
            return ptr::null_mut();
        }
        // While it is moved, both may be there.
        count(signed(bytes));
        count(-signed(layout.size()));
        unsafe { System.realloc(place, layout, bytes) }
    }
}

/// Runs a parser on this thread, which may hold so many bytes at once.
///
/// # Panics
/// It held more.
#[track_caller]
pub fn within<T>(bytes_max: usize, parse: impl FnOnce() -> T) -> T {
    let before = LIVE.get();
    let outer = MOST.replace(before);
    let parsed = parse();
    let most = MOST.get();
    MOST.set(outer.max(most));
    let held = most - before;
    assert!(
        held <= signed(bytes_max),
        "{held} bytes were held at once, {bytes_max} are allowed"
    );
    parsed
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn what_is_held_at_once_counts_and_what_is_given_back_does_not() {
        within(3000, || {
            for _ in 0..100 {
                drop(std::hint::black_box(vec![0_u8; 2500]));
            }
        });
        let greedy = || {
            let kept = [vec![1_u8; 2000], vec![1_u8; 2000]];
            std::hint::black_box(kept).len()
        };
        assert!(catch_unwind(|| within(3000, greedy)).is_err());
        assert_eq!(within(4200, greedy), 2);
    }

    #[test]
    fn parsers_within_parsers_count_for_both() {
        let greedy = || within(5000, || std::hint::black_box(vec![1_u8; 4000]).len());
        assert!(catch_unwind(|| within(3000, greedy)).is_err());
    }

    #[test]
    fn what_would_be_more_than_there_may_be_is_refused() {
        let mut none: Vec<u8> = Vec::new();
        assert!(none.try_reserve_exact(REFUSED_BYTES + 1).is_err());
        assert!(none.try_reserve_exact(1000).is_ok());
    }
}
