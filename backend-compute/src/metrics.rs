//! Figures for whoever runs the service, in Prometheus' text form. They count; they name no vault.

use darkroom_api::compute::State;
use prometheus::core::{AtomicU64, Collector, GenericGauge, GenericGaugeVec};
use prometheus::{Encoder, IntCounter, Opts, Registry, TextEncoder};

use crate::error::Error;

/// The media type of [`Metrics::to_text`].
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Gauge = GenericGauge<AtomicU64>;

/// All figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    jobs: GenericGaugeVec<AtomicU64>,
    database_up: Gauge,
    /// Jobs that brought their process down each time, and were set aside here.
    pub jobs_exhausted: IntCounter,
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
        let database_up = gauge("database_up", "Whether the database of jobs answered.")?;
        Ok(Self {
            jobs,
            database_up,
            jobs_exhausted: counter(
                "jobs_exhausted_total",
                "Jobs set aside as their process died in each attempt.",
            )?,
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
            registry,
        })
    }

    /// Adds figures that somebody else keeps.
    ///
    /// # Errors
    /// [`Error::Metrics`].
    pub fn add(&self, figures: impl Collector + 'static) -> Result<(), Error> {
        Ok(self.registry.register(Box::new(figures))?)
    }

    /// All figures as text, with these jobs; with those told last if the database is away.
    ///
    /// # Errors
    /// [`Error::Metrics`].
    pub fn to_text(&self, jobs: Option<&[(State, u64)]>) -> Result<Vec<u8>, Error> {
        self.database_up.set(u64::from(jobs.is_some()));
        for state in State::ALL.iter().filter(|_| jobs.is_some()) {
            let mut counts = jobs.into_iter().flatten();
            let count = counts.find(|(other, _)| other == state);
            let count = count.map_or(0, |(_, count)| *count);
            self.jobs.with_label_values(&[state.name()]).set(count);
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn kept<T: Collector + Clone + 'static>(
    registry: &Registry,
    figure: prometheus::Result<T>,
) -> Result<T, Error> {
    let figure = figure?;
    registry.register(Box::new(figure.clone()))?;
    Ok(figure)
}
