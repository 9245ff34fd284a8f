//! Why there is no answer over a link.

use std::io;

use bytes::Bytes;
use darkroom_api::problem::{self, Problem, ProblemType};
use futures_util::StreamExt;
use reqwest::Response;

use crate::message::MessageError;
use crate::source::SourceError;

/// The longest answer that is no sealed message: a problem, a hello.
const PLAIN_BYTES_MAX: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The network, or what is at the other end of it.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// No key: nothing was sent, or what came cannot be opened.
    #[error("the sealed link has no key: {0}")]
    Key(#[from] SourceError),
    /// The other end refused, in a problem of the link's own.
    #[error("the other end of the sealed link refused: {0}")]
    Refused(Problem),
    /// The other end answered unsealed: it has no such link, or another one answers in its place.
    #[error("an answer (status {status}) came unsealed over a link that is sealed")]
    Unsealed {
        /// Its status.
        status: u16,
    },
    /// What came is not genuine.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// What came could not be read.
    #[error("the answer broke off: {0}")]
    Broken(io::Error),
}

impl LinkError {
    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(_) | Self::Broken(_) => true,
            Self::Key(error) => error.is_transient(),
            Self::Refused(problem) => problem.status == 503,
            Self::Unsealed { .. } | Self::Message(_) => false,
        }
    }

    /// Whether it is for lack of keys, here or at the other end.
    pub fn is_shortage(&self) -> bool {
        match self {
            Self::Key(_) => true,
            Self::Refused(problem) => problem.kind == ProblemType::LinkKeyShortage,
            _ => false,
        }
    }
}

pub(super) fn broken(error: io::Error) -> LinkError {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(&message) => LinkError::Message(message),
        None => LinkError::Broken(error),
    }
}

/// What an unsealed answer means: a problem of the link, or one who does not know it.
pub(super) async fn unsealed(response: Response) -> LinkError {
    const LINK: [ProblemType; 4] = [
        ProblemType::LinkUnsealed,
        ProblemType::LinkRefused,
        ProblemType::LinkStale,
        ProblemType::LinkKeyShortage,
    ];
    let status = response.status().as_u16();
    let is_problem =
        super::client::content_type(response.headers()).starts_with(problem::MEDIA_TYPE);
    let body = match is_problem {
        true => short(response).await.unwrap_or_default(),
        false => Bytes::new(),
    };
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if LINK.contains(&problem.kind) => LinkError::Refused(problem),
        _ => LinkError::Unsealed { status },
    }
}

pub(super) async fn short(response: Response) -> Result<Bytes, LinkError> {
    let mut body = bytes::BytesMut::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece?);
        if body.len() > PLAIN_BYTES_MAX {
            return Err(LinkError::Broken(io::Error::other(
                "the answer is too long",
            )));
        }
    }
    Ok(body.freeze())
}
