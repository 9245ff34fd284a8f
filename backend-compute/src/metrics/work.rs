//! Figures of the work on jobs and their images.

use std::time::Duration;

use darkroom_api::compute::Timings;
use darkroom_api::ids::ModelId;
use darkroom_api::problem::ProblemType;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::kept;
use crate::error::Error;

/// From an image of a small model to a job of hundreds of a network, or a day in a long queue.
const SECONDS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
    14_400.0,
];

/// All of them.
#[derive(Debug)]
pub struct WorkFigures {
    wait: Histogram,
    run: HistogramVec,
    images: IntCounterVec,
    problems: IntCounterVec,
    steps: HistogramVec,
    /// Jobs that this process works on.
    pub in_work: IntGauge,
    /// Calls to storage that were made again.
    pub storage_retries: IntCounter,
}

/// What becomes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageEnd {
    /// Its result is in storage.
    Done,
    /// There will be none.
    Failed(ProblemType),
    /// It was given back: its job is to stop.
    Halted,
    /// It was given back: storage is away.
    StorageAway,
}

/// What takes time of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waiting for the evaluation key.
    Key,
    /// Fetching it from storage.
    Fetch,
    /// Computing, and waiting for a thread.
    Evaluate,
    /// Putting the result into storage.
    Put,
}

impl WorkFigures {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let opts = |name: &str, help: &str| Opts::new(format!("darkroom_compute_{name}"), help);
        let seconds = |name: &str, help: &str| {
            let opts = HistogramOpts::new(format!("darkroom_compute_{name}"), help);
            opts.buckets(SECONDS.to_vec())
        };
        let counter =
            |name: &str, help: &str| kept(registry, IntCounter::with_opts(opts(name, help)));
        let counters = |name: &str, help: &str, labels: &[&str]| {
            kept(registry, IntCounterVec::new(opts(name, help), labels))
        };
        let wait = seconds(
            "job_wait_seconds",
            "From a job's submission to its first begin.",
        );
        let run = seconds(
            "job_run_seconds",
            "From a job's begin until this process left it.",
        );
        let step = seconds("image_step_seconds", "What the steps of an image took.");
        let figures = Self {
            wait: kept(registry, Histogram::with_opts(wait))?,
            run: kept(registry, HistogramVec::new(run, &["outcome"]))?,
            steps: kept(registry, HistogramVec::new(step, &["step"]))?,
            images: counters(
                "images_total",
                "Images that were begun and left.",
                &["model", "outcome"],
            )?,
            problems: counters("image_problems_total", "Why images failed.", &["type"])?,
            in_work: kept(
                registry,
                IntGauge::with_opts(opts("jobs_in_work", "Jobs that this process works on.")),
            )?,
            storage_retries: counter(
                "storage_retries_total",
                "Calls to storage that failed and were made again.",
            )?,
        };
        for step in [Step::Key, Step::Fetch, Step::Evaluate, Step::Put] {
            figures.steps.with_label_values(&[step.name()]);
        }
        // So that the first of a type is a rise, and not the first that is heard of it.
        for problem in ProblemType::ALL {
            figures.problems.with_label_values(&[problem.slug()]);
        }
        Ok(figures)
    }

    /// A job was begun for the first time.
    pub fn begun_after(&self, wait: Duration) {
        self.wait.observe(wait.as_secs_f64());
    }

    /// A job was left, in one of a few ways.
    pub fn left(&self, outcome: &'static str, ran: Duration) {
        let run = self.run.with_label_values(&[outcome]);
        run.observe(ran.as_secs_f64());
    }

    /// An image was left.
    pub fn image(&self, model: &ModelId, end: ImageEnd) {
        let outcome = match end {
            ImageEnd::Done => "done",
            ImageEnd::Failed(_) => "failed",
            ImageEnd::Halted => "halted",
            ImageEnd::StorageAway => "storage-away",
        };
        let labels = [model.as_str(), outcome];
        self.images.with_label_values(&labels).inc();
        if let ImageEnd::Failed(problem) = end {
            self.problems.with_label_values(&[problem.slug()]).inc();
        }
    }

    /// What the steps of an image took that was done.
    pub fn timings(&self, timings: &Timings) {
        let Timings {
            fetch_ms,
            compute_ms,
            store_ms,
        } = *timings;
        let steps = [
            (Step::Fetch, fetch_ms),
            (Step::Evaluate, compute_ms),
            (Step::Put, store_ms),
        ];
        for (step, ms) in steps {
            self.step(step, ms / 1e3);
        }
    }

    /// What a step took.
    pub fn step(&self, step: Step, seconds: f64) {
        let steps = self.steps.with_label_values(&[step.name()]);
        steps.observe(seconds);
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Fetch => "fetch",
            Self::Evaluate => "evaluate",
            Self::Put => "put",
        }
    }
}
