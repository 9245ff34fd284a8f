//! The middleware that gives every request its id and span, and counts it.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes::{HEALTH, METRICS, READY};
use opentelemetry::trace::Status;
use tracing::{Instrument, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::body::{Answer, Flight, counted};
use crate::figures::{Figures, method_name};
use crate::origin::{Origin, TRACEPARENT, TraceParent};
use crate::request_id::{REQUEST_ID, RequestId};
use crate::traces;

/// The target of requests' spans and lines.
const REQUESTS: &str = "darkroom::request";
/// The same of probes, which come all the time: nobody looks for them in a trace.
const PROBES: &str = "darkroom_probe";

/// What [`observe`] needs, as data of the app.
#[derive(Clone)]
pub struct Observer {
    /// Where requests are counted.
    pub figures: Figures,
    /// The pattern that a request's path matches. One of few, and nothing of the path itself.
    pub route: fn(&ServiceRequest) -> Option<String>,
}

impl Observer {
    /// For apps whose routes are actix's own.
    pub fn of_routes(figures: Figures) -> Self {
        let route = |request: &ServiceRequest| request.match_pattern();
        Self { figures, route }
    }
}

/// Middleware, the outermost: takes the request's id or gives it one, answers with it, lets everything
/// that is done for the request be logged under it, counts, and writes one line. That tells neither
/// path nor query nor header nor body.
///
/// # Errors
/// Those of the service itself.
pub async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let began = Instant::now();
    let observer = request.app_data::<web::Data<Observer>>().cloned();
    let route = observer.as_ref().and_then(|seen| (seen.route)(&request));
    let route = route.unwrap_or_else(|| "-".to_owned());
    let method = method_name(request.method());
    let is_probe = [HEALTH, READY, METRICS].contains(&request.path());
    let figures = observer.as_ref().map(|observer| &observer.figures);
    let flight = Flight::begin(figures.map(|figures| figures.in_flight.clone()));
    if let Some(figures) = figures {
        let payload = counted(request.take_payload(), figures.received(&route));
        request.set_payload(payload);
    }

    let origin = origin(&request);
    let id = origin.request.clone();
    let span = span(&origin, method, &route, is_probe);
    let work = next.call(request).instrument(span.clone());
    let outcome = origin.scope(work).await;

    let (status, problem) = match &outcome {
        Ok(response) => {
            let problem = response.response().extensions().get().copied();
            (response.status(), problem)
        }
        Err(error) => (error.as_response_error().status_code(), None),
    };
    let seconds = began.elapsed().as_secs_f64();
    finish(&span, is_probe, status, problem, seconds);
    if let Some(figures) = figures {
        figures.answered(method, &route, status, problem, seconds);
    }
    let mut response = outcome?;
    // Of the set of characters that headers may have.
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        let name = HeaderName::from_static("x-request-id");
        response.headers_mut().insert(name, value);
    }
    Ok(response.map_body(|_, body| Answer {
        body: body.boxed(),
        span,
        sent: figures.map(|figures| figures.sent(&route)),
        broken: figures.map(|figures| figures.broken(&route)),
        _flight: flight,
    }))
}

/// What the request brings, or a new id.
fn origin(request: &ServiceRequest) -> Origin {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    Origin {
        request: header(REQUEST_ID.as_str())
            .and_then(RequestId::parse)
            .unwrap_or_else(RequestId::draw),
        traceparent: header(TRACEPARENT.as_str()).and_then(TraceParent::parse),
    }
}

/// The request's span. An error span, so that a line of any level has it whatever the filter is.
fn span(origin: &Origin, method: &'static str, route: &str, is_probe: bool) -> Span {
    let request_id = &origin.request;
    if is_probe {
        let span = tracing::error_span!(
            target: PROBES, "request", %request_id, method, route, trace_id = field::Empty
        );
        origin.adopt(&span);
        return span;
    }
    let traced = traces::are_on();
    let span = tracing::error_span!(
        target: REQUESTS, "request", %request_id, method, route, trace_id = field::Empty,
        otel.name = traced.then(|| format!("{method} {route}")),
        otel.kind = traced.then_some("server"),
    );
    origin.adopt(&span);
    if traced {
        span.set_attribute("http.request.method", method);
        span.set_attribute("http.route", route.to_owned());
    }
    span
}

/// One line for a request.
fn finish(
    span: &Span,
    is_probe: bool,
    status: StatusCode,
    problem: Option<ProblemType>,
    seconds: f64,
) {
    let (code, duration_ms) = (status.as_u16(), seconds * 1e3);
    let problem = problem.map(ProblemType::slug);
    if is_probe {
        tracing::debug!(target: PROBES, parent: span, status = code, duration_ms, "request");
    } else {
        tracing::info!(target: REQUESTS, parent: span, status = code, problem, duration_ms, "request");
    }
    if traces::are_on() {
        span.set_attribute("http.response.status_code", i64::from(code));
        if let Some(problem) = problem {
            span.set_attribute("error.type", problem);
        }
        if status.is_server_error() {
            span.set_status(Status::error(problem.unwrap_or("")));
        }
    }
}
