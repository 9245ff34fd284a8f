//! Everything that can go wrong, and what the client is told.

use std::fmt;
use std::io;
use std::path::PathBuf;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType};
use darkroom_telemetry::identify;

/// A service behind the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Keeps what is encrypted.
    Storage,
    /// Evaluates models.
    Compute,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => "storage",
            Self::Compute => "compute",
        })
    }
}

/// Why the gateway did not start, or did not serve a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is not fit to be used.
    #[error("configuration: {reason}")]
    Config {
        /// Which key, and why.
        reason: String,
    },
    /// A file of the page cannot be read.
    #[error("cannot read the page at {}: {source}; build it with `cargo xtask page`, or set page_dir", path.display())]
    Page {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The page has no place for the nonce, so no script of it would run.
    #[error("{} holds no {placeholder:?}: build it with create_nonce = true in Trunk.toml", path.display())]
    NoNonce {
        /// The page's index.html.
        path: PathBuf,
        /// What should be in it.
        placeholder: &'static str,
    },
    /// The operating system refused something at start.
    #[error("cannot start: {source}")]
    Start {
        /// What it said.
        #[from]
        source: io::Error,
    },
    /// The client for the services behind could not be made.
    #[error("cannot start: {source}")]
    Client {
        /// Why.
        source: reqwest::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] darkroom_tls::TlsError),
    /// A sealed link cannot be set up.
    #[error("sealed link: {0}")]
    Link(#[from] darkroom_qkd::link::SetupError),
    /// Log or traces cannot be started.
    #[error("configuration: {0}")]
    Telemetry(#[from] darkroom_telemetry::StartError),
    /// A figure cannot be shown.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    NoRandomness,
    /// There is nothing at this path.
    #[error("Nothing is served at this path.")]
    NotFound,
    /// The path is not of the plain form that is passed on.
    #[error(
        "This path is not passed on: after /v1/ it may hold only letters, digits, '-', '_' and single slashes."
    )]
    PathRefused,
    /// The method is not passed on.
    #[error("The method {method} is not allowed here; {allowed} are.")]
    MethodNotAllowed {
        /// The method.
        method: String,
        /// Those that are allowed.
        allowed: &'static str,
    },
    /// A header that has one value was sent several times.
    #[error("The header {name} was sent more than once; send it once.")]
    RepeatedHeader {
        /// The header.
        name: &'static str,
    },
    /// A body came with a method that has none.
    #[error("A {method} request carries no body here; send it without one.")]
    UnexpectedBody {
        /// The method.
        method: String,
    },
    /// The body is longer than the gateway passes on.
    #[error(
        "The body is longer than the {bytes_max} bytes that this gateway passes on. Nothing was stored."
    )]
    TooLarge {
        /// The most that is passed on.
        bytes_max: u64,
    },
    /// The client stopped sending.
    #[error(
        "No data came for {idle_s} seconds, so the upload was given up. Nothing was stored; send it again."
    )]
    UploadTimeout {
        /// How long the gateway waited.
        idle_s: u64,
    },
    /// The client's connection ended within the body, or its framing was wrong.
    #[error("The upload ended early. Nothing was stored; send it again.")]
    UploadBroken,
    /// A service does not accept connections.
    #[error(
        "The gateway cannot reach {service}. Nothing was lost; try again in a moment. If it lasts: check that {service} runs and that {service}_url in the gateway's configuration is its address."
    )]
    Unreachable {
        /// Which one.
        service: Service,
    },
    /// A service ended the connection without an answer, or within it.
    #[error(
        "The connection to {service} broke before its answer was complete. Try again; if it lasts, look into the log of {service}."
    )]
    Broken {
        /// Which one.
        service: Service,
    },
    /// A service gave no answer in time.
    #[error(
        "No answer came from {service} for {idle_s} seconds. Try again; if it lasts, look into the log of {service}."
    )]
    Silent {
        /// Which one.
        service: Service,
        /// How long the gateway waited.
        idle_s: u64,
    },
    /// There is no key for the sealed link to a service.
    #[error(
        "There is no QKD key for the sealed link to {service}, so nothing was sent or opened. Try again in a moment; if it lasts, look at the key management entities on both sides."
    )]
    NoKey {
        /// Which one.
        service: Service,
    },
    /// The sealed link to a service does not work.
    #[error(
        "The sealed link to {service} does not work, so nothing was passed on. Look into the logs of the gateway and of {service}."
    )]
    LinkBroken {
        /// Which one.
        service: Service,
    },
    /// A service answers, but says that it cannot work now.
    #[error("{service} is not ready: it answered {status}. Look into the log of {service}.")]
    NotReady {
        /// Which one.
        service: Service,
        /// What it answered.
        status: u16,
    },
}

impl Error {
    /// The service behind that failed, if one did.
    pub(crate) fn of_service(&self) -> Option<Service> {
        match self {
            Self::Unreachable { service }
            | Self::Broken { service }
            | Self::Silent { service, .. }
            | Self::NoKey { service }
            | Self::LinkBroken { service }
            | Self::NotReady { service, .. } => Some(*service),
            _ => None,
        }
    }

    fn kind(&self) -> ProblemType {
        match self {
            Self::Config { .. }
            | Self::Page { .. }
            | Self::NoNonce { .. }
            | Self::Start { .. }
            | Self::Client { .. }
            | Self::Tls(_)
            | Self::Link(_)
            | Self::Telemetry(_)
            | Self::Metrics(_)
            | Self::NoRandomness => ProblemType::Internal,
            Self::NotFound => ProblemType::NotFound,
            Self::PathRefused
            | Self::RepeatedHeader { .. }
            | Self::UnexpectedBody { .. }
            | Self::UploadBroken => ProblemType::MalformedRequest,
            Self::MethodNotAllowed { .. } => ProblemType::MethodNotAllowed,
            Self::TooLarge { .. } => ProblemType::TooLarge,
            Self::UploadTimeout { .. } => ProblemType::UploadTimeout,
            Self::NoKey { .. } => ProblemType::LinkKeyShortage,
            Self::Unreachable { .. }
            | Self::LinkBroken { .. }
            | Self::Broken { .. }
            | Self::Silent { .. }
            | Self::NotReady { .. } => ProblemType::UpstreamUnreachable,
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let problem = identify(Problem::new(self.kind(), self.to_string()));
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header(("cache-control", "no-store"));
        if let Self::MethodNotAllowed { allowed, .. } = self {
            response.insert_header(("allow", *allowed));
        }
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = response.content_type(MEDIA_TYPE).body(body);
        response.extensions_mut().insert(self.kind());
        response
    }
}
