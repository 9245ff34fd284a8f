//! The start of log and traces, and their end.

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::log::{LogFormat, LogSettings};

/// Why neither log nor traces were started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The filter of the log cannot be read.
    #[error("log.filter = {text:?}: {reason}")]
    Filter {
        /// The filter.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting of the traces makes no sense.
    #[error("traces.{setting}: {reason}")]
    Traces {
        /// Which.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is a log in this process already.
    #[error("there is a log already")]
    Twice,
}

/// The log and the traces of this process. To be kept, and ended when all else has ended.
#[derive(Debug, Default)]
#[must_use = "what is not ended loses its last traces"]
pub struct Telemetry {
    #[cfg(feature = "service")]
    pub(crate) traces: Option<crate::traces::Traces>,
}

impl Telemetry {
    /// Sends what was not sent yet. Waits for a collector, but not for long; not to be called on a
    /// thread that serves.
    pub fn end(self) {
        #[cfg(feature = "service")]
        if let Some(traces) = self.traces {
            traces.end();
        }
    }
}

/// Starts the log, on standard error.
///
/// # Errors
/// [`StartError`].
pub fn start(log: &LogSettings) -> Result<Telemetry, StartError> {
    let layer = lines(log)?;
    begin(tracing_subscriber::registry().with(layer))?;
    Ok(Telemetry::default())
}

pub(crate) fn begin(subscriber: impl SubscriberInitExt) -> Result<(), StartError> {
    subscriber.try_init().map_err(|_| StartError::Twice)
}

/// The layer that writes lines. Its filter is its own: traces are not less for a quiet log.
pub(crate) fn lines(
    log: &LogSettings,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, StartError> {
    let filter = log.filter()?;
    Ok(match log.format {
        LogFormat::Text => written().with_filter(filter).boxed(),
        LogFormat::Json => written().json().with_filter(filter).boxed(),
    })
}

type Lines<S> = fmt::Layer<S, fmt::format::DefaultFields, fmt::format::Format, Stderr>;
type Stderr = fn() -> std::io::Stderr;

fn written<S: Subscriber + for<'a> LookupSpan<'a>>() -> Lines<S> {
    fmt::layer().with_writer(std::io::stderr as Stderr)
}
