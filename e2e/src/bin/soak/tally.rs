//! What was done, what was suffered and what was found.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The most faults that are kept in words.
const FAULTS_MAX: usize = 50;

/// Shared by all who work on it.
pub struct Tally {
    began: Instant,
    /// Requests that were sent again.
    pub retries: AtomicU64,
    /// Starts that ended at once, since what they need was down.
    pub failed_starts: AtomicU64,
    acts: Mutex<BTreeMap<&'static str, u64>>,
    blows: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    faults: Mutex<Vec<String>>,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            retries: AtomicU64::new(0),
            failed_starts: AtomicU64::new(0),
            acts: Mutex::default(),
            blows: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    pub fn act(&self, name: &'static str, count: u64) {
        *lock(&self.acts).entry(name).or_default() += count;
    }

    /// Something was done to a process of this kind.
    pub fn blow(&self, kind: &'static str, how: &'static str) {
        *lock(&self.blows).entry((kind, how)).or_default() += 1;
    }

    /// How often something was done to processes of any kind.
    pub fn blows(&self, how: &'static str) -> u64 {
        let blows = lock(&self.blows);
        blows
            .iter()
            .filter(|((_, what), _)| *what == how)
            .map(|(_, count)| count)
            .sum()
    }

    pub fn fault(&self, text: String) {
        let at = self.began.elapsed().as_secs_f64();
        eprintln!("FAULT after {at:.1} s: {text}");
        lock(&self.faults).push(text);
    }

    pub fn faults(&self) -> usize {
        lock(&self.faults).len()
    }

    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The closing table.
    pub fn print(&self, title: &str) {
        println!("\n{title}");
        let count = |name: &str, value: u64| println!("  {name:34} {value:>8}");
        for how in ["killed", "held still", "stopped and started"] {
            for ((kind, what), value) in lock(&self.blows).iter() {
                if *what == how {
                    count(&format!("{how}: {kind}"), *value);
                }
            }
            count(&format!("{how}, all"), self.blows(how));
        }
        count(
            "starts that found something down",
            load(&self.failed_starts),
        );
        for (name, value) in lock(&self.acts).iter() {
            count(name, *value);
        }
        count("requests sent again", load(&self.retries));
        println!("  {:34} {:>8.0}", "seconds", self.seconds());
        count("faults", self.faults() as u64);
        for fault in lock(&self.faults).iter().take(FAULTS_MAX) {
            println!("  FAULT: {fault}");
        }
    }
}

fn load(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
