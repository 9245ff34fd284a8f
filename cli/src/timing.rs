//! How long work takes.

use std::time::Instant;

use cpu_time::ProcessTime;

use crate::error::Error;

/// Wall time, and processor time of all threads together.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    pub wall_ms: f64,
    pub cpu_ms: f64,
}

/// Work with its time.
pub fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(T, Time), Error> {
    let (begun, cpu) = (Instant::now(), ProcessTime::now());
    let done = work()?;
    let (wall, cpu) = (begun.elapsed(), cpu.elapsed());
    let time = Time {
        wall_ms: wall.as_secs_f64() * 1e3,
        cpu_ms: cpu.as_secs_f64() * 1e3,
    };
    Ok((done, time))
}

/// The middle of some figures.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
