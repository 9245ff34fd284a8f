//! Figures for whoever runs the service, in Prometheus' text form. They count; they name no vault.

use std::time::Duration;

use darkroom_api::header::ObjectKind;
use prometheus::core::{AtomicU64, Collector, GenericGauge};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use crate::error::Error;

/// From a file in the system's memory to a bucket that is in trouble.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

type Gauge = GenericGauge<AtomicU64>;

/// All figures.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) store: StoreFigures,
    objects: IntCounterVec,
    object_bytes: IntCounterVec,
    swept: IntCounterVec,
    sweep_failures: IntCounterVec,
    swept_at: Gauge,
    disk_free: Gauge,
    disk: Gauge,
}

/// What is asked of the store underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A write, or a part of one.
    Put,
    /// A read.
    Get,
    /// What lies under a prefix.
    List,
    /// A deletion.
    Delete,
    /// What makes an upload visible on a disk.
    Copy,
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It is new.
    Written,
    /// Somebody began to read it.
    Read,
    /// It was deleted, or its time was over. What goes with its vault is not counted.
    Deleted,
}

/// How the store underneath does.
#[derive(Debug, Clone)]
pub(crate) struct StoreFigures {
    seconds: HistogramVec,
    errors: IntCounterVec,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let opts = Opts::new(format!("darkroom_storage_{name}"), help);
            kept(&registry, IntCounterVec::new(opts, labels)?)
        };
        let gauge = |name: &str, help: &str| {
            let name = format!("darkroom_storage_{name}");
            kept(&registry, Gauge::new(name, help)?)
        };
        let seconds = HistogramOpts::new(
            "darkroom_storage_store_operation_duration_seconds",
            "What the disk or the bucket takes for one operation.",
        );
        let seconds = HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &["operation"])?;
        let store = StoreFigures {
            seconds: kept(&registry, seconds)?,
            errors: counter(
                "store_errors_total",
                "Operations in which the disk or the bucket failed.",
                &["operation"],
            )?,
        };
        let objects = ["deed", "collection"];
        let metrics = Self {
            store,
            objects: counter("objects_total", "Objects written, read, deleted.", &objects)?,
            object_bytes: counter("object_bytes_total", "Their bytes.", &objects)?,
            swept: counter("swept_total", "What sweeps removed.", &["what"])?,
            sweep_failures: counter("sweep_failures_total", "Sweeps that failed.", &["what"])?,
            swept_at: gauge(
                "last_sweep_timestamp_seconds",
                "When the last sweep ended, Unix time.",
            )?,
            disk_free: gauge(
                "disk_free_bytes",
                "What is free for this service on the disk of the store; 0 for a bucket.",
            )?,
            disk: gauge("disk_bytes", "The size of that disk; 0 for a bucket.")?,
            registry,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// So that the first failure is a rise, and not the first that is heard of it.
    fn begin_at_zero(&self) {
        for operation in Operation::ALL {
            self.store.errors.with_label_values(&[operation.name()]);
        }
        for kind in ObjectKind::ALL {
            for deed in [Deed::Written, Deed::Read, Deed::Deleted] {
                self.objects_of(deed, kind, 0, 0);
            }
        }
    }

    /// Counts an object.
    pub(crate) fn object(&self, deed: Deed, kind: ObjectKind, bytes: u64) {
        self.objects_of(deed, kind, 1, bytes);
    }

    fn objects_of(&self, deed: Deed, kind: ObjectKind, count: u64, bytes: u64) {
        let labels = [deed.name(), kind.segment()];
        self.objects.with_label_values(&labels).inc_by(count);
        self.object_bytes.with_label_values(&labels).inc_by(bytes);
    }

    /// Counts what a part of a sweep did; nothing where it failed.
    pub(crate) fn swept(&self, what: &str, count: Option<u64>) {
        let failures = self.sweep_failures.with_label_values(&[what]);
        let swept = self.swept.with_label_values(&[what]);
        match count {
            Some(count) => swept.inc_by(count),
            None => failures.inc(),
        }
    }

    /// A sweep ended at this time.
    pub(crate) fn sweep_ended(&self, now_ms: u64) {
        self.swept_at.set(now_ms / 1000);
    }

    /// How full the disk is.
    pub(crate) fn disk(&self, free_bytes: u64, bytes: u64) {
        self.disk_free.set(free_bytes);
        self.disk.set(bytes);
    }
}

impl StoreFigures {
    /// Counts an operation. That something is not there, or is there already, is an answer.
    pub(crate) fn done(
        &self,
        operation: Operation,
        took: Duration,
        error: Option<&object_store::Error>,
    ) {
        use object_store::Error::{AlreadyExists, NotFound, NotModified, Precondition};
        let name = operation.name();
        let seconds = self.seconds.with_label_values(&[name]);
        seconds.observe(took.as_secs_f64());
        match error {
            None
            | Some(
                AlreadyExists { .. } | NotFound { .. } | NotModified { .. } | Precondition { .. },
            ) => {}
            Some(_) => self.errors.with_label_values(&[name]).inc(),
        }
    }
}

impl Operation {
    const ALL: [Self; 5] = [Self::Put, Self::Get, Self::List, Self::Delete, Self::Copy];

    fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
        }
    }
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Read => "read",
            Self::Deleted => "deleted",
        }
    }
}

fn kept<T: Collector + Clone + 'static>(registry: &Registry, figure: T) -> Result<T, Error> {
    registry.register(Box::new(figure.clone()))?;
    Ok(figure)
}
