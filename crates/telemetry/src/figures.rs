//! What is counted of every request, for Prometheus.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use darkroom_api::problem::ProblemType;
use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TEXT_FORMAT,
    TextEncoder,
};

/// From a look into a store to an upload over a slow line.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// What is counted of every request. Routes are patterns, so there are as many as there are routes.
#[derive(Debug, Clone)]
pub struct Figures {
    requests: IntCounterVec,
    seconds: HistogramVec,
    problems: IntCounterVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    broken: IntCounterVec,
    pub(crate) in_flight: IntGauge,
}

impl Figures {
    /// All at zero, and in this registry.
    ///
    /// # Errors
    /// They are there already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let opts = Opts::new(format!("darkroom_http_{name}"), help);
            kept(registry, IntCounterVec::new(opts, labels)?)
        };
        let seconds = HistogramOpts::new(
            "darkroom_http_request_duration_seconds",
            "From a request's head to its answer's.",
        );
        let seconds = seconds.buckets(SECONDS.to_vec());
        let seconds = HistogramVec::new(seconds, &["method", "route"])?;
        let problems = counter(
            "problems_total",
            "Requests answered by a problem of this service.",
            &["type"],
        )?;
        // So that the first of a type is a rise, and not the first that is heard of it.
        for problem in ProblemType::ALL {
            problems.with_label_values(&[problem.slug()]);
        }
        Ok(Self {
            problems,
            requests: counter(
                "requests_total",
                "Requests answered.",
                &["method", "route", "status"],
            )?,
            seconds: kept(registry, seconds)?,
            received: counter(
                "received_bytes_total",
                "Bytes of requests' bodies.",
                &["route"],
            )?,
            sent: counter("sent_bytes_total", "Bytes of answers' bodies.", &["route"])?,
            broken: counter(
                "answers_broken_total",
                "Answers that failed after their head was sent.",
                &["route"],
            )?,
            in_flight: kept(
                registry,
                IntGauge::new(
                    "darkroom_http_requests_in_flight",
                    "Requests whose answer is not sent whole, event streams included.",
                )?,
            )?,
        })
    }

    pub(crate) fn received(&self, route: &str) -> IntCounter {
        self.received.with_label_values(&[route])
    }

    pub(crate) fn sent(&self, route: &str) -> IntCounter {
        self.sent.with_label_values(&[route])
    }

    pub(crate) fn broken(&self, route: &str) -> IntCounter {
        self.broken.with_label_values(&[route])
    }

    pub(crate) fn answered(
        &self,
        method: &'static str,
        route: &str,
        status: StatusCode,
        problem: Option<ProblemType>,
        seconds: f64,
    ) {
        let class = class(status);
        self.requests
            .with_label_values(&[method, route, class])
            .inc();
        self.seconds
            .with_label_values(&[method, route])
            .observe(seconds);
        if let Some(problem) = problem {
            self.problems.with_label_values(&[problem.slug()]).inc();
        }
    }
}

/// The name of a method that there is; whoever asks may write any.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

fn kept<T: Collector + Clone + 'static>(registry: &Registry, figure: T) -> prometheus::Result<T> {
    registry.register(Box::new(figure.clone()))?;
    Ok(figure)
}

/// All figures of a registry in Prometheus' text form.
///
/// # Errors
/// A figure makes no sense.
pub fn exposition(registry: &Registry) -> prometheus::Result<HttpResponse> {
    let text = TextEncoder::new().encode_to_string(&registry.gather())?;
    Ok(HttpResponse::Ok()
        .content_type(TEXT_FORMAT)
        .insert_header(("cache-control", "no-store"))
        .body(text))
}
