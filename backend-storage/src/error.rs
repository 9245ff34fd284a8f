//! What can go wrong, and how it is said over HTTP.

use std::io;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use darkroom_api::header::HeaderError;
use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType, Quota};
use darkroom_telemetry::identify;

/// Why storage refuses or fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is not of the form that the route takes.
    #[error("{detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// No token, a wrong one, or an unknown vault.
    #[error("open the vault with its token, in `Authorization: Bearer <64 hexadecimal digits>`")]
    Unauthorized,
    /// The grant was altered, made by another storage, or its vault is gone.
    #[error("ask the vault's owner for a new grant")]
    GrantInvalid,
    /// The grant's time is over.
    #[error("the grant ended at {not_after_ms} ms of Unix time; ask for a new one")]
    GrantExpired {
        /// When it ended, Unix time.
        not_after_ms: u64,
    },
    /// Whoever asks may do other things, but not this.
    #[error("{reason}")]
    GrantRefused {
        /// What is not covered.
        reason: &'static str,
    },
    /// This storage opens no new vaults.
    #[error(
        "this storage opens no new vaults; one that is there opens with its token only; ask the \
         operator"
    )]
    OpeningClosed,
    /// This storage opens new vaults by invitation.
    #[error(
        "ask the operator for an invitation and send it in `darkroom-invitation`; a vault that is \
         there opens with its token only"
    )]
    InvitationNeeded,
    /// The invitation is unknown, used up or over.
    #[error("ask the operator for a new invitation: this one is unknown, used up or has ended")]
    InvitationRefused,
    /// The token is good for other things only.
    #[error("{reason}")]
    TokenRefused {
        /// What is not covered.
        reason: &'static str,
    },
    /// As many tokens as allowed.
    #[error("the vault may have at most {} limited tokens; revoke some first", .0.max)]
    TooManyTokens(Quota),
    /// Others write into the log of this vault all the time.
    #[error("the log of this vault is busy; try again")]
    LogBusy,
    /// Something was done, and is not in the log of its vault.
    #[error("it was done, but could not be written into the vault's log: ask again")]
    NotLogged(#[source] Box<Error>),
    /// No such token.
    #[error("the vault has no limited token of this id")]
    NoToken,
    /// The secret is, or was, a token of the vault.
    #[error("this secret is or was a token of the vault already: draw another")]
    TokenExists,
    /// No such route.
    #[error("no such route")]
    NoRoute,
    /// No such object.
    #[error("the vault holds no object of this id in this collection")]
    NoObject,
    /// The route does not take the method.
    #[error("this route takes {allowed}")]
    Method {
        /// The methods that it takes.
        allowed: &'static str,
    },
    /// The body came too slowly.
    #[error("no more than {limit_ms} ms may pass {what}; try again on a faster connection")]
    UploadTimeout {
        /// Between which events.
        what: &'static str,
        /// The limit.
        limit_ms: u64,
    },
    /// The client went away in the middle of its request.
    #[error("the request broke off")]
    Broken,
    /// Another object has the id.
    #[error("another object has this id; objects are never changed: draw another id")]
    ObjectExists,
    /// Larger than allowed.
    #[error("{what} may have at most {bytes_max} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        bytes_max: u64,
    },
    /// The object is not what its header says, or has none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The vault is full.
    #[error(
        "the vault may hold at most {} {}, and holds {}; delete some objects first",
        .0.max, .0.unit.name(), .0.used
    )]
    VaultFull(Quota),
    /// Something stored is not as it was written.
    #[error("{what} in the store is damaged")]
    Damaged {
        /// What it is.
        what: &'static str,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] object_store::Error),
    /// The disk or the network failed.
    #[error("input or output failed")]
    Io(#[from] io::Error),
    /// The store cannot do its work now.
    #[error("the store cannot be written and read now")]
    NotReady(#[source] Box<Error>),
    /// Of two that create something in the bucket under one key, both may succeed.
    #[error(
        "the bucket lets a second creation of {what} take the place of the first: it does not know \
         `If-None-Match: *` on writes; docs/DEPLOYING.md, \"Storage on S3\", names stores that do"
    )]
    NotCreateOnly {
        /// What was created.
        what: &'static str,
    },
    /// A task of this process broke down.
    #[error("a task broke down")]
    Task,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// The clock stands before 1970.
    #[error("the clock is not set")]
    Clock,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] darkroom_tls::TlsError),
    /// A sealed link cannot be set up.
    #[error("sealed link: {0}")]
    Link(#[from] darkroom_qkd::link::SetupError),
    /// A figure cannot be shown.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The configuration is not valid.
    #[error("configuration: {detail}")]
    Config {
        /// Which value and why.
        detail: String,
    },
}

impl Error {
    /// The problem type that a client is told. No wildcard: a new variant has to choose.
    pub fn problem_type(&self) -> ProblemType {
        match self {
            Self::Malformed { .. } | Self::Broken => ProblemType::MalformedRequest,
            Self::Unauthorized => ProblemType::Unauthorized,
            Self::GrantInvalid => ProblemType::GrantInvalid,
            Self::GrantExpired { .. } => ProblemType::GrantExpired,
            Self::GrantRefused { .. } => ProblemType::GrantRefused,
            Self::OpeningClosed => ProblemType::OpeningClosed,
            Self::InvitationNeeded => ProblemType::InvitationNeeded,
            Self::InvitationRefused => ProblemType::InvitationRefused,
            Self::TokenRefused { .. } => ProblemType::TokenRefused,
            Self::TooManyTokens(_) => ProblemType::TooManyTokens,
            Self::NoToken => ProblemType::TokenNotFound,
            Self::TokenExists => ProblemType::TokenExists,
            Self::NoRoute => ProblemType::NotFound,
            Self::NoObject => ProblemType::ObjectNotFound,
            Self::Method { .. } => ProblemType::MethodNotAllowed,
            Self::UploadTimeout { .. } => ProblemType::UploadTimeout,
            Self::ObjectExists => ProblemType::ObjectExists,
            Self::TooLarge { .. } => ProblemType::TooLarge,
            Self::Header(error) => header_problem(error),
            Self::VaultFull(_) => ProblemType::VaultFull,
            Self::Store(error) if is_full(error) => ProblemType::DiskFull,
            Self::Io(error) if is_full(error) => ProblemType::DiskFull,
            Self::NotReady(error) if is_full(error.as_ref()) => ProblemType::DiskFull,
            Self::NotLogged(error) if is_full(error.as_ref()) => ProblemType::DiskFull,
            Self::LogBusy | Self::NotLogged(_) | Self::NotReady(_) => {
                ProblemType::StorageUnavailable
            }
            Self::Store(error) if is_outage(error) => ProblemType::StorageUnavailable,
            Self::Store(_)
            | Self::Io(_)
            | Self::Damaged { .. }
            | Self::NotCreateOnly { .. }
            | Self::Task
            | Self::Randomness
            | Self::Clock
            | Self::Tls(_)
            | Self::Link(_)
            | Self::Metrics(_)
            | Self::Config { .. } => ProblemType::Internal,
        }
    }

    /// The problem that a client is told. The causes of the service's own failures stay in its log.
    pub fn problem(&self) -> Problem {
        let kind = self.problem_type();
        let detail = match kind {
            _ if matches!(self, Self::NotLogged(_)) => self.to_string(),
            ProblemType::DiskFull => {
                "nothing was stored and nothing was lost; delete something or ask the operator"
                    .to_owned()
            }
            ProblemType::StorageUnavailable => {
                "the store cannot be written and read now; try again later".to_owned()
            }
            ProblemType::Internal => "the reason is in the service's log; try again".to_owned(),
            _ => self.to_string(),
        };
        let quota = match self {
            Self::VaultFull(quota) | Self::TooManyTokens(quota) => Some(*quota),
            _ => None,
        };
        Problem {
            quota,
            ..Problem::new(kind, detail)
        }
    }
}

fn header_problem(error: &HeaderError) -> ProblemType {
    match error {
        HeaderError::WrongKind { .. } => ProblemType::KindMismatch,
        HeaderError::Length { .. } => ProblemType::LengthMismatch,
        HeaderError::Digest => ProblemType::DigestMismatch,
        // Short, magic, version, kind, and whatever a later version finds.
        _ => ProblemType::ObjectMalformed,
    }
}

/// Whether the disk, a quota or a file's size limit is the cause.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(StorageFull | QuotaExceeded | FileTooLarge)) || is_full_bucket(error)
    })
}

/// object_store shows the answer of S3 in words only: 507 is MinIO's where its disks are full, the
/// code that of Ceph and MinIO where a quota is used up.
fn is_full_bucket(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_of_s3 = matches!(
        error.downcast_ref::<object_store::Error>(),
        Some(
            object_store::Error::Generic { store: "S3", .. }
                | object_store::Error::PermissionDenied { .. }
        )
    );
    is_of_s3 && {
        let text = causes(error);
        text.contains("status code: 507") || text.contains("QuotaExceeded")
    }
}

/// Whether a store at the other end of a network does not answer, or not to us.
fn is_outage(error: &object_store::Error) -> bool {
    use object_store::Error::{Generic, NotFound, PermissionDenied, Unauthenticated};
    match error {
        Generic { store, .. } => *store == "S3",
        // Of the bucket: objects that are not there are no errors.
        NotFound { .. } | PermissionDenied { .. } | Unauthenticated { .. } => true,
        _ => false,
    }
}

/// The causes of an error, outermost first.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.problem_type().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        if status.is_server_error() {
            tracing::error!(
                status = status.as_u16(),
                error = causes(self),
                "request failed"
            );
        }
        let body = serde_json::to_string(&identify(self.problem())).unwrap_or_default();
        let mut response = HttpResponse::build(status)
            .content_type(MEDIA_TYPE)
            .body(body);
        response.extensions_mut().insert(self.problem_type());
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        if let Self::Method { allowed } = self {
            let allowed = HeaderValue::from_static(allowed);
            response
                .headers_mut()
                .insert(actix_web::http::header::ALLOW, allowed);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As object_store wraps what the system says.
    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapper(#[source] io::Error);

    #[test]
    fn a_full_disk_is_seen_through_all_wrappers() {
        let failed = |kind| {
            let source = Box::new(Wrapper(io::Error::from(kind)));
            Error::from(object_store::Error::Generic {
                store: "test",
                source,
            })
        };
        let full = failed(io::ErrorKind::StorageFull);
        assert_eq!(full.problem_type(), ProblemType::DiskFull);
        assert_eq!(full.status_code().as_u16(), 507);
        let not_ready = Error::NotReady(Box::new(full));
        assert_eq!(not_ready.problem_type(), ProblemType::DiskFull);
        let denied = failed(io::ErrorKind::PermissionDenied);
        assert_eq!(denied.problem_type(), ProblemType::Internal);
    }

    #[test]
    fn own_failures_do_not_tell_their_causes() {
        let path = "/somewhere/on/this/machine";
        let error = Error::Io(io::Error::other(path));
        assert!(causes(&error).contains(path));
        assert!(!error.problem().detail.contains(path));
    }
}
