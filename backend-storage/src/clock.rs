//! The time of day.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// Milliseconds of Unix time.
pub(crate) fn now_ms() -> Result<u64, Error> {
    ms_of(SystemTime::now())
}

/// The same of a time.
pub(crate) fn ms_of(time: SystemTime) -> Result<u64, Error> {
    let since = time.duration_since(UNIX_EPOCH);
    let ms = since.map_err(|_| Error::Clock)?.as_millis();
    u64::try_from(ms).map_err(|_| Error::Clock)
}

/// What a clock may gain against the machine's own count of seconds and still be believed at once.
const LEAP: Duration = Duration::from_secs(60);
/// How long a clock that has leapt ahead must stand by it.
const DOUBT: Duration = Duration::from_secs(3600);

/// A time of day by which things are deleted for their age: a clock that jumps ahead for a moment must
/// not delete what is young. It does not run ahead of the machine's count of seconds, unless the clock
/// stands by its leap for an hour; so after a leap deletions are late, never early. What a process
/// finds when it starts, it believes.
#[derive(Debug, Default)]
pub(crate) struct SteadyClock(Mutex<Option<Believed>>);

#[derive(Debug, Clone, Copy)]
struct Believed {
    time: SystemTime,
    at: Instant,
    /// Since when the clock is ahead.
    doubted_at: Option<Instant>,
}

impl SteadyClock {
    /// The time, to be asked for now and then.
    pub(crate) fn now(&self) -> SystemTime {
        self.step(SystemTime::now(), Instant::now())
    }

    fn step(&self, clock: SystemTime, at: Instant) -> SystemTime {
        let mut believed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Believed {
            time: clock,
            at,
            doubted_at: None,
        };
        let last = believed.get_or_insert(fresh);
        let expected = last.time + at.duration_since(last.at);
        if clock <= expected + LEAP {
            *last = fresh;
            return clock;
        }
        let doubted_at = *last.doubted_at.get_or_insert_with(|| {
            tracing::warn!("the clock has leapt ahead; nothing is deleted for its age by that");
            at
        });
        if at.duration_since(doubted_at) < DOUBT {
            return expected;
        }
        *last = fresh;
        clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_ahead_counts_when_it_lasts_and_a_leap_back_at_once() {
        let (clock, noon, began) = (SteadyClock::default(), SystemTime::now(), Instant::now());
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let at = |time: SystemTime, minute: u64| clock.step(time, began + minutes(minute));
        assert_eq!(at(noon, 0), noon);
        assert_eq!(at(noon + minutes(10), 10), noon + minutes(10));
        // Five hours ahead for a while.
        assert_eq!(at(noon + minutes(311), 11), noon + minutes(11));
        assert_eq!(at(noon + minutes(341), 41), noon + minutes(41));
        assert_eq!(at(noon + minutes(42), 42), noon + minutes(42));
        // The next leap begins to be doubted anew.
        assert_eq!(at(noon + minutes(350), 50), noon + minutes(50));
        assert_eq!(at(noon + minutes(409), 109), noon + minutes(109));
        assert_eq!(at(noon + minutes(410), 110), noon + minutes(410));
        assert_eq!(at(noon + minutes(411), 111), noon + minutes(411));
        assert_eq!(at(noon + minutes(112), 112), noon + minutes(112));
        assert_eq!(at(noon + minutes(113), 113), noon + minutes(113));
    }
}
