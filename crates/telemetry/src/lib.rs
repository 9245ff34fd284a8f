//! What a service tells whoever runs it: a log, an id for every request, traces, figures.
//!
//! The id of a request goes with it through all services, in the header `x-request-id`, and so does its
//! place in a trace, in `traceparent` (W3C Trace Context). Both are in the span that every line of the
//! log stands in, so one id finds an analysis in the logs of the gateway, of compute and of storage.
//! Nothing secret is told: no token, no grant, no query, no path but its pattern.

mod log;
mod start;

pub use self::log::{LogFormat, LogSettings};
pub use self::start::{StartError, Telemetry, start};

#[cfg(feature = "service")]
mod body;
#[cfg(feature = "service")]
mod figures;
#[cfg(feature = "service")]
mod observe;
#[cfg(feature = "service")]
mod origin;
#[cfg(feature = "service")]
mod request_id;
#[cfg(feature = "service")]
mod traces;

#[cfg(feature = "service")]
pub use self::{
    figures::{Figures, exposition},
    observe::{Observer, observe},
    origin::{Origin, TraceParent, identify, tell},
    request_id::{REQUEST_ID, RequestId},
    traces::{TraceSettings, start_traced},
};
