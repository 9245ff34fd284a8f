//! Chance that can be had again: the same seed throws the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The step of SplitMix64 (Steele, Lea and Flood 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers, SplitMix64.
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub fn throw(&self) -> u64 {
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Another stream for another thread.
    pub fn other(&self) -> Self {
        Self::new(self.throw())
    }

    /// One of `0..count`.
    pub fn below(&self, count: usize) -> usize {
        let count = u64::try_from(count.max(1)).unwrap_or(1);
        usize::try_from(self.throw() % count).unwrap_or(0)
    }

    /// One of them.
    pub fn pick<'a, T>(&self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len()))
    }

    pub fn percent(&self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn between(&self, (least, most): (Duration, Duration)) -> Duration {
        let part = self.below(1001) as f64 / 1000.0;
        least + most.saturating_sub(least).mul_f64(part)
    }
}
