//! Why a request is not admitted over a link, and the answer that says so.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use bytes::Bytes;
use darkroom_api::problem::{self, Problem, ProblemType};
use darkroom_telemetry::identify;

use super::body::Body;
use crate::message::MessageError;
use crate::source::SourceError;

/// Why a request is not admitted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this service answers only what comes over a sealed link: set the link at both ends")]
    Unsealed,
    #[error("the line that names the link cannot be read")]
    Line,
    #[error("no link between these two ends is set here: compare local and remote at both ends")]
    Unknown,
    #[error("the link is set to another mode here: compare mode at both ends")]
    Mode,
    #[error("the message belongs to an earlier time of this service: ask for its epoch again")]
    Stale,
    #[error("the message's key was used before")]
    Replayed,
    #[error("{0}")]
    Key(#[from] SourceError),
    #[error("{0}")]
    Message(#[from] MessageError),
    #[error("the message broke off: {0}")]
    Broken(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match cause(&error) {
            Some(message) => Self::Message(message),
            None => Self::Broken(error),
        }
    }
}

impl Refusal {
    fn kind(&self) -> ProblemType {
        match self {
            Self::Unsealed => ProblemType::LinkUnsealed,
            Self::Stale => ProblemType::LinkStale,
            Self::Key(SourceError::Unknown { .. }) => ProblemType::LinkRefused,
            Self::Key(_) => ProblemType::LinkKeyShortage,
            _ => ProblemType::LinkRefused,
        }
    }

    pub(super) fn is_shortage(&self) -> bool {
        self.kind() == ProblemType::LinkKeyShortage
    }

    pub(super) fn response(&self, unread: Option<Body>) -> HttpResponse {
        let kind = self.kind();
        tracing::warn!(problem = kind.slug(), "sealed link: {self}");
        let status = StatusCode::from_u16(kind.status());
        let problem = identify(Problem::new(kind, self.to_string()));
        let text = serde_json::to_string(&problem).unwrap_or_default();
        let body = RefusalBody {
            text: Some(text.into()),
            _unread: unread,
        };
        let mut response = HttpResponse::build(status.unwrap_or_default())
            .content_type(problem::MEDIA_TYPE)
            .body(body);
        response.extensions_mut().insert(kind);
        response.map_into_boxed_body()
    }
}

/// The body of a refusal, with the request's body that it refuses.
struct RefusalBody {
    text: Option<Bytes>,
    _unread: Option<Body>,
}

impl MessageBody for RefusalBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.text.as_ref().map_or(0, |text| text.len() as u64))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Task<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.text.take().map(Ok))
    }
}

/// What was found wrong with a message, if it is that.
pub(super) fn cause(error: &io::Error) -> Option<MessageError> {
    error.get_ref()?.downcast_ref().copied()
}
