//! Figures for whoever runs the service, in Prometheus' text form. They count; they name no vault.

mod work;

use darkroom_api::compute::State;
use prometheus::core::{AtomicU64, Collector, GenericGauge, GenericGaugeVec};
use prometheus::{Gauge as FloatGauge, IntCounter, Opts, Registry};

pub use self::work::{ImageEnd, Step, WorkFigures};
use crate::error::Error;
use crate::queue::Standing;

type Gauge = GenericGauge<AtomicU64>;

/// All figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    jobs: GenericGaugeVec<AtomicU64>,
    database_up: Gauge,
    /// Jobs that brought their process down each time, and were set aside here.
    pub jobs_exhausted: IntCounter,
    oldest_waiting: FloatGauge,
    waiting_work: FloatGauge,
    nodes: Gauge,
    /// What becomes of jobs and images.
    pub work: WorkFigures,
    /// Bootstraps done, by all images.
    pub bootstraps: IntCounter,
    /// Bytes that evaluation keys take, those that are being expanded included.
    pub key_cache_bytes: Gauge,
    /// The most that they may take.
    pub key_cache_bytes_max: Gauge,
    /// Evaluation keys in memory.
    pub key_cache_keys: Gauge,
    /// Images whose key was there.
    pub key_cache_hits: IntCounter,
    /// Images that had to wait for their key.
    pub key_cache_misses: IntCounter,
    /// Keys that were expanded.
    pub key_expansions: IntCounter,
    /// Keys that had to make room for others.
    pub key_cache_evictions: IntCounter,
}

impl Metrics {
    /// All figures at zero.
    ///
    /// # Errors
    /// [`Error::Metrics`].
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let jobs = Opts::new("darkroom_compute_jobs", "Jobs in the queue's table.");
        let jobs = kept(&registry, GenericGaugeVec::new(jobs, &["state"]))?;
        let counter = |name: &str, help: &str| {
            let name = format!("darkroom_compute_{name}");
            kept(&registry, IntCounter::new(name, help))
        };
        let gauge = |name: &str, help: &str| {
            let name = format!("darkroom_compute_{name}");
            kept(&registry, Gauge::new(name, help))
        };
        let seconds = |name: &str, help: &str| {
            let name = format!("darkroom_compute_{name}");
            kept(&registry, FloatGauge::new(name, help))
        };
        let database_up = gauge("database_up", "Whether the database of jobs answered.")?;
        Ok(Self {
            jobs,
            database_up,
            jobs_exhausted: counter(
                "jobs_exhausted_total",
                "Jobs set aside as their process died in each attempt.",
            )?,
            oldest_waiting: seconds(
                "oldest_waiting_job_seconds",
                "How long ago the oldest job was submitted that waits.",
            )?,
            waiting_work: seconds(
                "waiting_work_seconds",
                "How long one machine would compute for all jobs that wait.",
            )?,
            nodes: gauge("nodes", "Processes that work on the queue.")?,
            work: WorkFigures::new(&registry)?,
            bootstraps: counter("bootstraps_total", "Bootstraps done.")?,
            key_cache_bytes: gauge("key_cache_bytes", "Bytes of evaluation keys in memory.")?,
            key_cache_bytes_max: gauge("key_cache_bytes_max", "The most bytes of them.")?,
            key_cache_keys: gauge("key_cache_keys", "Evaluation keys in memory.")?,
            key_cache_hits: counter("key_cache_hits_total", "Images whose key was there.")?,
            key_cache_misses: counter(
                "key_cache_misses_total",
                "Images that waited for their key.",
            )?,
            key_expansions: counter("key_expansions_total", "Evaluation keys expanded.")?,
            key_cache_evictions: counter(
                "key_cache_evictions_total",
                "Evaluation keys that made room for others.",
            )?,
            registry,
        })
    }

    /// Where they are kept.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Adds figures that somebody else keeps.
    ///
    /// # Errors
    /// [`Error::Metrics`].
    pub fn add(&self, figures: impl Collector + 'static) -> Result<(), Error> {
        Ok(self.registry.register(Box::new(figures))?)
    }

    /// Shows how the queue stands; as it stood last if the database is away.
    pub fn show(&self, queue: Option<&Standing>) {
        self.database_up.set(u64::from(queue.is_some()));
        let Some(queue) = queue else {
            return;
        };
        for state in State::ALL {
            let mut counts = queue.jobs.iter();
            let count = counts.find(|(other, _)| *other == state);
            let count = count.map_or(0, |(_, count)| *count);
            self.jobs.with_label_values(&[state.name()]).set(count);
        }
        self.oldest_waiting.set(seconds_of(queue.oldest_waiting_ms));
        self.waiting_work.set(seconds_of(queue.waiting_work_ms));
        self.nodes.set(queue.nodes);
    }
}

fn seconds_of(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

fn kept<T: Collector + Clone + 'static>(
    registry: &Registry,
    figure: prometheus::Result<T>,
) -> Result<T, Error> {
    let figure = figure?;
    registry.register(Box::new(figure.clone()))?;
    Ok(figure)
}
