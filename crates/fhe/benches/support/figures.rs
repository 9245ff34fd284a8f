//! Times, medians, and the JSON line a figure that `cargo xtask bench` reads.

use std::time::Instant;

use cpu_time::ProcessTime;

/// Wall time, and processor time of all threads together.
#[derive(Clone, Copy)]
pub struct Time {
    pub wall_ms: f64,
    pub cpu_ms: f64,
}

impl Time {
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let (begun, cpu) = (Instant::now(), ProcessTime::now());
        let done = work();
        let (wall, cpu) = (begun.elapsed(), cpu.elapsed());
        let time = Self {
            wall_ms: wall.as_secs_f64() * 1e3,
            cpu_ms: cpu.as_secs_f64() * 1e3,
        };
        (done, time)
    }
}

pub fn median(times: &[Time], figure: impl Fn(&Time) -> f64) -> f64 {
    let mut figures: Vec<f64> = times.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

pub fn report(name: &str, value: f64, unit: &str) {
    println!(
        "{}",
        serde_json::json!({"name": name, "value": value, "unit": unit})
    );
}
