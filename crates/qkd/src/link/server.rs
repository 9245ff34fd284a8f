//! The server's end.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, web};
use bytes::Bytes;
use darkroom_api::routes;
use futures_util::{Stream, TryStreamExt, stream};

use super::body::{Body, PlainBody};
use super::epochs::Epochs;
use super::hello::encapsulation_key;
use super::line::{Line, SEALED};
use super::refusal::{Refusal, cause};
use super::{LINK_HEADER, LINK_KEY_HEADER, LinkSettings, SetupError, Usage, is_open};
use crate::key::Key;
use crate::message::{
    Context, Direction, Header, MessageError, Mode, Opened, Opener, SEGMENT_BYTES, Sealed, Sealer,
    encapsulate, read_header, sealed_bytes,
};
use crate::reserve::Reserve;
use crate::source::{self, KeySource};

/// The server's ends of one or more links.
#[derive(Debug)]
pub struct LinkServer {
    ends: Vec<End>,
    epochs: Epochs,
}

/// One of them.
#[derive(Debug)]
pub struct End {
    mode: Mode,
    settings: LinkSettings,
    reserve: Reserve,
    usage: Usage,
}

impl LinkServer {
    /// The ends of these links; nothing if all are off. Within a tokio runtime.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn open<'a>(
        links: impl IntoIterator<Item = &'a LinkSettings>,
    ) -> Result<Option<Self>, SetupError> {
        let mut ends = Vec::new();
        for settings in links {
            settings.check()?;
            let (Some(mode), Some(from)) = (settings.mode.sealing(), &settings.source) else {
                continue;
            };
            let source = source::open(from, &settings.local, &settings.remote)?;
            ends.push(End::over(settings, mode, source));
        }
        match ends.is_empty() {
            true => Ok(None),
            false => Self::of(ends).map(Some),
        }
    }

    /// Of these ends.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn of(ends: Vec<End>) -> Result<Self, SetupError> {
        let epochs = Epochs::new().map_err(|_| SetupError::Randomness)?;
        Ok(Self { ends, epochs })
    }

    /// The ends.
    pub fn ends(&self) -> &[End] {
        &self.ends
    }
}

impl End {
    /// An end with keys from this source.
    pub fn over(settings: &LinkSettings, mode: Mode, source: Arc<dyn KeySource>) -> Self {
        Self {
            mode,
            settings: settings.clone(),
            reserve: Reserve::start(source, settings.reserve.clone()),
            usage: Usage::default(),
        }
    }

    /// The link's settings.
    pub fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    /// What it has done.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Its keys.
    pub fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    fn is_of(&self, line: &Line) -> bool {
        (&self.settings.remote, &self.settings.local) == (&line.client, &line.server)
    }
}

/// Middleware: opens requests and seals answers where the app has a [`LinkServer`] as data, and
/// changes nothing where it has none.
///
/// # Errors
/// Those of the service itself.
pub async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(link) = request.app_data::<web::Data<LinkServer>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    if request.path() == routes::LINK && request.method() == Method::GET {
        let answer = link.hello();
        return Ok(request.into_response(answer));
    }
    if is_open(request.path()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let body = Body::of(&mut request);
    let admitted = match link.admit(&mut request, &body).await {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(request.into_response(refusal.response(Some(body)))),
    };
    let response = next.call(request).await?;
    Ok(admitted.seal(response))
}

/// A request that was opened, or will be as it is read.
struct Admitted<'a> {
    end: &'a End,
    line: Line,
    method: String,
    target: String,
    /// What seals the answer.
    answer: Answer,
    body: Body,
    /// What was found wrong with the request's body while it was read.
    forged: Rc<Cell<Option<MessageError>>>,
}

struct Answer {
    key: Key,
    encapsulation_key: Option<Vec<u8>>,
}

impl LinkServer {
    fn hello(&self) -> HttpResponse {
        match self.epochs.hello() {
            Ok(hello) => HttpResponse::Ok()
                .insert_header(("cache-control", "no-store"))
                .json(hello),
            Err(error) => Refusal::from(error).response(None),
        }
    }

    async fn admit(
        &self,
        request: &mut ServiceRequest,
        body: &Body,
    ) -> Result<Admitted<'_>, Refusal> {
        let line = header(request.headers(), LINK_HEADER).ok_or(Refusal::Unsealed)?;
        let line: Line = line.parse().map_err(|()| Refusal::Line)?;
        let end = self.ends.iter().find(|end| end.is_of(&line));
        let end = end.ok_or(Refusal::Unknown)?;
        let admitted = self.admit_to(end, line, request, body).await;
        match &admitted {
            Ok(_) | Err(Refusal::Stale) => {}
            Err(refusal) if refusal.is_shortage() => end.usage.count_shortage(),
            Err(_) => end.usage.count_refused(),
        }
        admitted
    }

    async fn admit_to<'a>(
        &self,
        end: &'a End,
        line: Line,
        request: &mut ServiceRequest,
        body: &Body,
    ) -> Result<Admitted<'a>, Refusal> {
        if line.mode != end.mode {
            return Err(Refusal::Mode);
        }
        let kem = self.epochs.kem(line.epoch)?.ok_or(Refusal::Stale)?;
        let encapsulation_key = match line.mode {
            Mode::Qkd => None,
            Mode::Hybrid => {
                let text = header(request.headers(), LINK_KEY_HEADER);
                Some(text.and_then(encapsulation_key).ok_or(Refusal::Line)?)
            }
        };
        // Before anything is done: without a key for its answer the request is as if it had not been.
        let key = end.reserve.take().await?;
        let forged = Rc::<Cell<_>>::default();
        let (method, target) = (request.method().to_string(), target(request));
        let admitted = Admitted {
            end,
            line,
            method,
            target,
            answer: Answer {
                key,
                encapsulation_key,
            },
            body: body.clone(),
            forged,
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            match self.open_body(&admitted, &kem, request).await {
                Ok(()) => end.usage.count_opened(),
                Err(refusal) => {
                    end.reserve.put_back(admitted.answer.key);
                    return Err(refusal);
                }
            }
        }
        Ok(admitted)
    }

    async fn open_body(
        &self,
        admitted: &Admitted<'_>,
        kem: &crate::message::DecapsulationKey,
        request: &mut ServiceRequest,
    ) -> Result<(), Refusal> {
        let (end, line) = (admitted.end, &admitted.line);
        let mut sealed = admitted.body.clone();
        let (message, rest) = read_header(&mut sealed).await?;
        if message.mode() != end.mode {
            return Err(Refusal::Mode);
        }
        if !self.epochs.claim(line.epoch, message.key)? {
            return Err(Refusal::Replayed);
        }
        let key = end.reserve.key(message.key).await?;
        let shared = match &message.kem {
            Some(ciphertext) => Some(kem.decapsulate(ciphertext)?),
            None => None,
        };
        let content_type = text(request.headers(), &CONTENT_TYPE).to_owned();
        let context = admitted.context(Direction::Request, &content_type);
        let opener = Opener::new(&message, key, shared.as_ref(), &context)?;
        let mut opened = Opened::new(opener, &rest, sealed);

        // What is short is opened before anything is done, also where nobody reads it.
        let is_short = message
            .length_bytes
            .is_some_and(|bytes| bytes <= SEGMENT_BYTES as u64);
        let payload: Plain = if is_short {
            let mut pieces = Vec::new();
            while let Some(piece) = opened.try_next().await? {
                pieces.push(Ok(piece));
            }
            Box::pin(stream::iter(pieces))
        } else {
            let forged = Rc::clone(&admitted.forged);
            Box::pin(opened.map_err(move |error| {
                forged.set(cause(&error));
                PayloadError::Io(error)
            }))
        };
        let headers = request.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.remove(actix_web::http::header::TRANSFER_ENCODING);
        if let Some(bytes) = message.length_bytes {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        request.set_payload(Payload::Stream { payload });
        Ok(())
    }
}

type Plain = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

impl Admitted<'_> {
    fn context<'a>(&'a self, direction: Direction, content_type: &'a str) -> Context<'a> {
        Context {
            direction,
            client: &self.line.client,
            server: &self.line.server,
            exchange: self.line.exchange,
            epoch: self.line.epoch,
            method: &self.method,
            target: &self.target,
            content_type,
        }
    }

    fn seal<B: MessageBody + 'static>(
        self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<BoxBody> {
        let (request, response) = response.into_parts();
        let response = match self.forged.take() {
            Some(error) => {
                self.end.usage.count_refused();
                Refusal::from(error).response(Some(self.body.clone()))
            }
            None => response.map_into_boxed_body(),
        };
        let has_no_body = matches!(response.body().size(), BodySize::None)
            || matches!(
                response.status(),
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            )
            || self.method == Method::HEAD.as_str();
        if has_no_body {
            self.end.reserve.put_back(self.answer.key);
            return ServiceResponse::new(request, response);
        }
        let sealed = self.seal_body(response).unwrap_or_else(|error| {
            // Unsealed, and so the client takes it for a failure.
            Refusal::from(error).response(None)
        });
        ServiceResponse::new(request, sealed)
    }

    fn seal_body(self, response: HttpResponse) -> Result<HttpResponse, MessageError> {
        let (mut head, body) = response.into_parts();
        let length_bytes = match body.size() {
            BodySize::Sized(bytes) => Some(bytes),
            BodySize::None | BodySize::Stream => None,
        };
        let (kem, shared) = match &self.answer.encapsulation_key {
            Some(key) => {
                let (kem, shared) = encapsulate(key)?;
                (Some(kem), Some(shared))
            }
            None => (None, None),
        };
        let message = Header {
            key: self.answer.key.id,
            length_bytes,
            kem,
        };
        let content_type = text(head.headers(), &CONTENT_TYPE).to_owned();
        let direction = Direction::Response(head.status().as_u16());
        let context = Context {
            direction,
            client: &self.line.client,
            server: &self.line.server,
            exchange: self.line.exchange,
            epoch: self.line.epoch,
            method: &self.method,
            target: &self.target,
            content_type: &content_type,
        };
        let (sealer, first) = Sealer::new(&message, self.answer.key, shared.as_ref(), &context)?;
        self.end.usage.count_sealed();
        let name = HeaderName::from_static(LINK_HEADER);
        head.headers_mut()
            .insert(name, HeaderValue::from_static(SEALED));
        let sealed = Sealed::new(sealer, &message, first, PlainBody::of(body));
        Ok(match length_bytes {
            Some(bytes) => head.set_body(BoxBody::new(SizedStream::new(
                sealed_bytes(&message, bytes),
                sealed,
            ))),
            None => head.set_body(BoxBody::new(BodyStream::new(sealed))),
        })
    }
}

fn target(request: &ServiceRequest) -> String {
    let target = request.uri().path_and_query();
    target.map_or_else(String::new, ToString::to_string)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}
