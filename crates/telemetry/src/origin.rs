//! Where what is done now comes from: the request that wanted it, and its place in a trace.

use std::fmt;

use darkroom_api::problem::Problem;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::request_id::{REQUEST_ID, RequestId};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    static HERE: Origin;
}

/// The request that something is done for, and its place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The request.
    pub request: RequestId,
    /// The span that wanted it, where there is a trace.
    pub traceparent: Option<TraceParent>,
}

impl Origin {
    /// What the task at hand is done for.
    pub fn here() -> Option<Self> {
        let here = HERE.try_with(Self::clone).ok()?;
        let traceparent = TraceParent::of(&Span::current()).or(here.traceparent);
        Some(Self {
            request: here.request,
            traceparent,
        })
    }

    /// Does something for this.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        HERE.scope(self, work).await
    }

    /// Makes a span the child of this, where spans are kept, and writes the trace into its field
    /// `trace_id`.
    pub fn adopt(&self, span: &Span) {
        if let Some(parent) = &self.traceparent {
            let context = opentelemetry::Context::new().with_remote_span_context(parent.0.clone());
            // An error means that nobody keeps spans.
            let _ = span.set_parent(context);
        }
        let kept = TraceParent::of(span);
        if let Some(place) = kept.as_ref().or(self.traceparent.as_ref()) {
            span.record("trace_id", place.trace_id());
        }
    }
}

/// Tells whoever is asked what it is asked for.
pub fn tell(headers: &mut HeaderMap) {
    let Some(here) = Origin::here() else {
        return;
    };
    let mut set = |name, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(REQUEST_ID, here.request.as_str());
    if let Some(traceparent) = here.traceparent {
        set(TRACEPARENT, &traceparent.to_string());
    }
}

/// Puts the id of the request at hand into a problem, for whoever is told of it.
pub fn identify(problem: Problem) -> Problem {
    let request_id = HERE.try_with(|here| here.request.to_string()).ok();
    Problem {
        request_id,
        ..problem
    }
}

/// A place in a trace, as `traceparent` writes it: version 00, trace, span, flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(SpanContext);

impl TraceParent {
    /// What a `traceparent` says, if it is one. Later versions begin like this one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_lower = |part: &str| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            part.bytes().all(is_digit)
        };
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next()?;
            (part.len() == length && is_lower(part)).then_some(part)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
        let context = SpanContext::new(
            TraceId::from_hex(trace).ok()?,
            SpanId::from_hex(span).ok()?,
            flags & TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        context.is_valid().then_some(Self(context))
    }

    /// The place of a span that is kept.
    fn of(span: &Span) -> Option<Self> {
        let context = span.context().span().span_context().clone();
        context.is_valid().then_some(Self(context))
    }

    /// The trace's id, hexadecimal.
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.0.trace_flags().to_u8();
        write!(
            f,
            "00-{}-{}-{flags:02x}",
            self.0.trace_id(),
            self.0.span_id()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let parent = TraceParent::parse(SAMPLED).unwrap();
        assert_eq!(parent.to_string(), SAMPLED);
        assert_eq!(parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = format!("cc{}-more", &SAMPLED[2..]);
        assert_eq!(TraceParent::parse(&later), Some(parent));
        for wrong in [
            "",
            "00",
            &SAMPLED.to_uppercase(),
            &format!("{SAMPLED}-more"),
            &format!("ff{}", &SAMPLED[2..]),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn who_is_asked_is_told_what_for() {
        let mut headers = HeaderMap::new();
        tell(&mut headers);
        assert!(headers.is_empty());
        let origin = Origin {
            request: RequestId::draw(),
            traceparent: TraceParent::parse(SAMPLED),
        };
        let told = origin.clone().scope(async {
            tell(&mut headers);
            Origin::here()
        });
        assert_eq!(told.await.as_ref(), Some(&origin));
        assert_eq!(headers[REQUEST_ID], origin.request.as_str());
        assert_eq!(headers[TRACEPARENT], SAMPLED);
    }
}
