//! Traces for an OpenTelemetry collector, by OTLP over HTTP.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing::Metadata;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;

use crate::log::LogSettings;
use crate::start::{StartError, Telemetry, begin, lines};

/// How long a collector may take for one lot of spans.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last lot may take when the service stops.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

static ON: AtomicBool = AtomicBool::new(false);

/// Where traces go, if they go anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceSettings {
    /// The collector, as in `http://collector:4318`; no traces where empty.
    pub endpoint: String,
    /// Which share of the traces that begin here is kept, 0 to 1; others are kept as whoever began
    /// them decided.
    pub sample: f64,
    /// What the service is called in traces; its usual name where empty.
    pub service: String,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            sample: 1.0,
            service: String::new(),
        }
    }
}

impl TraceSettings {
    /// Whether the settings make sense. Asks no collector.
    ///
    /// # Errors
    /// [`StartError::Traces`].
    pub fn check(&self) -> Result<(), StartError> {
        let refuse = |setting, reason: &str| {
            let reason = reason.to_owned();
            Err(StartError::Traces { setting, reason })
        };
        if !(0.0..=1.0).contains(&self.sample) {
            return refuse("sample", "a share from 0 to 1 is needed");
        }
        if self.is_off() {
            return Ok(());
        }
        let wanted = "the address of a collector is needed, as http://collector:4318";
        match self.endpoint.parse::<reqwest::Url>() {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => refuse("endpoint", wanted),
            Ok(url) if !url.has_host() || url.query().is_some() => refuse("endpoint", wanted),
            Ok(url) if url.password().is_some() || !url.username().is_empty() => {
                refuse("endpoint", "it must hold no password: it is logged")
            }
            Ok(_) => Ok(()),
            Err(_) => refuse("endpoint", wanted),
        }
    }

    fn is_off(&self) -> bool {
        self.endpoint.is_empty()
    }

    /// Where spans are posted.
    fn url(&self) -> String {
        format!("{}/v1/traces", self.endpoint.trim_end_matches('/'))
    }
}

/// Whether spans are kept at all.
pub(crate) fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// What sends traces.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    pub(crate) fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_PATIENCE) {
            tracing::warn!(%error, "the last traces may be lost");
        }
    }
}

/// Starts the log, on standard error, and the traces of a service if they are to go anywhere. A
/// collector that is away or slow costs traces, and nothing else.
///
/// # Errors
/// [`StartError`].
pub fn start_traced(
    service: &'static str,
    log: &LogSettings,
    settings: &TraceSettings,
) -> Result<Telemetry, StartError> {
    settings.check()?;
    if settings.is_off() {
        return crate::start(log);
    }
    let service = match settings.service.is_empty() {
        true => service.to_owned(),
        false => settings.service.clone(),
    };
    let provider = provider(service, settings)?;
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("darkroom"))
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_filter(ours());
    begin(tracing_subscriber::registry().with(lines(log)?).with(spans))?;
    ON.store(true, Ordering::Relaxed);
    tracing::info!(collector = settings.endpoint, "traces are sent");
    Ok(Telemetry {
        traces: Some(Traces(provider)),
    })
}

fn provider(service: String, settings: &TraceSettings) -> Result<SdkTracerProvider, StartError> {
    let refuse = |reason: String| StartError::Traces {
        setting: "endpoint",
        reason,
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.url())
        .with_timeout(PATIENCE)
        .with_http_client(client().map_err(refuse)?)
        .build()
        .map_err(|error| refuse(error.to_string()))?;
    let begun_here = Sampler::TraceIdRatioBased(settings.sample);
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder_empty()
        .with_service_name(service)
        .with_attribute(version)
        .build();
    Ok(SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(begun_here)))
        .with_resource(resource)
        // On a thread of its own; what does not fit into its queue is dropped.
        .with_batch_exporter(exporter)
        .build())
}

/// Made on another thread, as it may not be made within an asynchronous one.
fn client() -> Result<reqwest::blocking::Client, String> {
    let make = || {
        reqwest::blocking::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
    };
    let made = std::thread::spawn(make).join();
    let made = made.map_err(|_| "no HTTP client".to_owned())?;
    made.map_err(|error| error.to_string())
}

/// Spans of ours, whatever is logged; and no events, which are the log's.
fn ours() -> FilterFn {
    let are_ours: fn(&Metadata<'_>) -> bool =
        |metadata| metadata.is_span() && metadata.target().starts_with(SPANS);
    filter_fn(are_ours).with_max_level_hint(LevelFilter::ERROR)
}

/// What the targets of spans begin with that make traces.
const SPANS: &str = "darkroom::";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_refused_by_name() {
        TraceSettings::default().check().unwrap();
        let with = |endpoint: &str, sample| TraceSettings {
            endpoint: endpoint.to_owned(),
            sample,
            ..TraceSettings::default()
        };
        with("http://collector:4318", 0.1).check().unwrap();
        let refused = [
            ("http://collector:4318", 1.5, "traces.sample"),
            ("", f64::NAN, "traces.sample"),
            ("collector:4318", 1.0, "traces.endpoint"),
            ("grpc://collector:4317", 1.0, "traces.endpoint"),
            ("http://user:word@collector:4318", 1.0, "traces.endpoint"),
        ];
        for (endpoint, sample, named) in refused {
            let message = with(endpoint, sample).check().unwrap_err().to_string();
            assert!(message.contains(named), "{endpoint} {sample}: {message}");
        }
        let slash = with("http://collector:4318/", 1.0);
        assert_eq!(slash.url(), "http://collector:4318/v1/traces");
    }
}
