//! Bodies on their way in: with time limits, and never whole in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use bytes::Bytes;
use darkroom_api::header::{HEADER_BYTES, Header, HeaderError, ObjectKind};
use darkroom_telemetry::identify;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use crate::config::Upload;
use crate::error::Error;
use crate::objects::Objects;
use crate::stage::{self, stage};
use crate::stored::{Place, Stored, same_or_conflict};

/// A request's body.
pub(crate) struct Incoming {
    payload: web::Payload,
    announced: Option<u64>,
    began: Instant,
    limits: Upload,
}

impl Incoming {
    pub(crate) fn new(request: &HttpRequest, payload: web::Payload, limits: &Upload) -> Self {
        let announced = request.headers().get(CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            payload,
            announced,
            began: Instant::now(),
            limits: limits.clone(),
        }
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let left = self.left();
        let wait = left.min(self.limits.idle());
        match timeout(wait, self.payload.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(PayloadError::Overflow | PayloadError::UnknownLength))) => {
                Err(Error::Malformed {
                    detail: "the body is not framed right".to_owned(),
                })
            }
            Ok(Some(Err(_))) => Err(Error::Broken),
            Err(_) if wait < self.limits.idle() => Err(self.too_long()),
            Err(_) => Err(Error::UploadTimeout {
                what: "without a byte of the upload",
                limit_ms: self.limits.idle_ms,
            }),
        }
    }

    /// Waits for something of our own as long as the whole upload may last.
    pub(crate) async fn wait<T>(
        &self,
        what: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let waited = timeout(self.left(), what).await;
        waited.unwrap_or_else(|_| Err(self.too_long()))
    }

    fn left(&self) -> Duration {
        self.limits.total().saturating_sub(self.began.elapsed())
    }

    fn too_long(&self) -> Error {
        Error::UploadTimeout {
            what: "for the whole upload",
            limit_ms: self.limits.total_ms,
        }
    }

    /// A short body, whole.
    pub(crate) async fn short(
        &mut self,
        what: &'static str,
        bytes_max: usize,
    ) -> Result<Vec<u8>, Error> {
        let too_large = || Error::TooLarge {
            what,
            bytes_max: bytes_max as u64,
        };
        if self.announced.is_some_and(|bytes| bytes > bytes_max as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.next().await? {
            if body.len() + chunk.len() > bytes_max {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The header of an object, and what came with it of the payload.
    async fn head(&mut self) -> Result<(Header, Vec<u8>), Error> {
        let mut start = Vec::new();
        while start.len() < HEADER_BYTES {
            match self.next().await? {
                Some(chunk) => start.extend_from_slice(&chunk),
                None => break,
            }
        }
        let header = Header::parse(&start)?;
        Ok((header, start.split_off(HEADER_BYTES)))
    }

    /// Answers the request. An unread body is kept alive until the answer is sent: only so does
    /// actix close the connection, after reading on for a moment so that the client gets the
    /// answer. It would read on for ever where the body is chunked and dropped.
    pub(crate) fn answer(self, outcome: Result<HttpResponse, Error>) -> HttpResponse {
        match outcome {
            Ok(response) => response,
            Err(error) => {
                let text = serde_json::to_string(&identify(error.problem())).unwrap_or_default();
                let body = Refusal {
                    text: Some(Bytes::from(text)),
                    _unread: self.payload,
                };
                error.error_response().set_body(body).map_into_boxed_body()
            }
        }
    }
}

/// The body of a refusal, with the request's body that it refuses.
struct Refusal {
    text: Option<Bytes>,
    _unread: web::Payload,
}

impl MessageBody for Refusal {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.text.as_ref().map_or(0, |text| text.len() as u64))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.text.take().map(Ok))
    }
}

/// Receives an object: header first, then the payload, then all checks, and only then is it there.
/// Whether it is new.
pub(crate) async fn receive(
    objects: &Arc<Objects>,
    place: Place,
    incoming: &mut Incoming,
) -> Result<(Stored, bool), Error> {
    let bytes_max = objects.limits.object_bytes(place.kind);
    let (header, bytes, payload) = begin(incoming, place.kind, bytes_max).await?;
    if let Some(found) = objects.find_whole(place).await? {
        let same = same_or_conflict(found, &header)?;
        stage::check(&header, payload, incoming).await?;
        return Ok(same);
    }
    objects.check_room(place, bytes).await?;
    let staged = stage(&objects.store, &header, payload, incoming).await?;
    Arc::clone(objects).publish(place, header, staged).await
}

/// Reads an object and keeps nothing of it: the length of its payload. For the fuzz targets.
pub(crate) async fn check(
    incoming: &mut Incoming,
    kind: ObjectKind,
    bytes_max: u64,
) -> Result<u64, Error> {
    let (header, _, mut payload) = begin(incoming, kind, bytes_max).await?;
    let mut hash = Sha256::new();
    while let Some(chunk) = payload.next(incoming).await? {
        hash.update(&chunk);
    }
    payload.finish(hash.finalize().into())?;
    Ok(header.payload_bytes)
}

/// The header of an object of this kind, its length, and its payload, of which nothing was read yet
/// but what came with the header.
async fn begin(
    incoming: &mut Incoming,
    kind: ObjectKind,
    bytes_max: u64,
) -> Result<(Header, u64, Payload), Error> {
    let too_large = || Error::TooLarge {
        what: "such an object",
        bytes_max,
    };
    if incoming.announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    let (header, start) = incoming.head().await?;
    if header.kind != kind {
        return Err(HeaderError::WrongKind {
            expected: kind,
            found: header.kind,
        }
        .into());
    }
    let bytes = header
        .object_bytes()
        .filter(|bytes| *bytes <= bytes_max)
        .ok_or_else(too_large)?;
    if let Some(announced) = incoming.announced.filter(|announced| *announced != bytes) {
        let found = announced.saturating_sub(HEADER_BYTES as u64);
        return Err(HeaderError::Length {
            announced: header.payload_bytes,
            found,
        }
        .into());
    }
    let payload = Payload::new(&header, start);
    Ok((header, bytes, payload))
}

/// The payload as it comes, checked against its header.
pub(crate) struct Payload {
    header: Header,
    start: Option<Bytes>,
    found: u64,
}

impl Payload {
    fn new(header: &Header, start: Vec<u8>) -> Self {
        let start = (!start.is_empty()).then(|| Bytes::from(start));
        Self {
            header: *header,
            start,
            found: 0,
        }
    }

    pub(crate) async fn next(&mut self, incoming: &mut Incoming) -> Result<Option<Bytes>, Error> {
        let chunk = match self.start.take() {
            Some(start) => Some(start),
            None => incoming.next().await?,
        };
        if let Some(chunk) = &chunk {
            self.found = self.found.saturating_add(chunk.len() as u64);
            if self.found > self.header.payload_bytes {
                return Err(self.wrong_length());
            }
        }
        Ok(chunk)
    }

    /// Says whether all of it came, given its SHA-256.
    pub(crate) fn finish(self, digest: [u8; 32]) -> Result<(), Error> {
        if self.found != self.header.payload_bytes {
            return Err(self.wrong_length());
        }
        if digest == self.header.sha256 {
            Ok(())
        } else {
            Err(HeaderError::Digest.into())
        }
    }

    fn wrong_length(&self) -> Error {
        HeaderError::Length {
            announced: self.header.payload_bytes,
            found: self.found,
        }
        .into()
    }
}
