//! The client's end.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use darkroom_api::client::{Carrier, CarryError};
use darkroom_api::problem::ProblemType;
use darkroom_api::{protection, routes};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, TryFutureExt, TryStreamExt};
use http_body_util::BodyDataStream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Request, Response, ResponseBuilderExt, StatusCode, Url};

use super::error::{LinkError, broken, short, unsealed};
use super::hello::encapsulation_key_text;
use super::line::{Line, SEALED};
use super::{
    Hello, LINK_HEADER, LINK_KEY_HEADER, LinkMode, LinkSettings, SetupError, Usage, is_open, random,
};
use crate::message::{
    Context, DecapsulationKey, Direction, Header, MessageError, Mode, Opened, Opener, Sealed,
    Sealer, encapsulate, read_header, sealed_bytes,
};
use crate::reserve::Reserve;
use crate::source::{self, KeySource, Settings};

/// How old the server's word may be for a request that can be sent again.
const HELLO_LASTS: Duration = Duration::from_secs(300);
/// And for a stream, which cannot.
const HELLO_LASTS_FOR_STREAMS: Duration = Duration::from_secs(1);

/// Sends requests over a sealed link, and opens their answers.
#[derive(Debug)]
pub struct LinkClient {
    http: reqwest::Client,
    mode: Mode,
    settings: LinkSettings,
    reserve: Reserve,
    /// By origin.
    hellos: Mutex<HashMap<String, (Arc<Hello>, Instant)>>,
    usage: Usage,
}

impl LinkClient {
    /// The client's end by these settings; nothing if the link is off. Within a tokio runtime.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn open(
        settings: &LinkSettings,
        http: reqwest::Client,
    ) -> Result<Option<Self>, SetupError> {
        settings.check()?;
        let (Some(mode), Some(from)) = (settings.mode.sealing(), &settings.source) else {
            return Ok(None);
        };
        let source = source::open(from, &settings.local, &settings.remote)?;
        Ok(Some(Self::over(settings, mode, source, http)))
    }

    /// The same with keys from this source.
    pub fn over(
        settings: &LinkSettings,
        mode: Mode,
        source: Arc<dyn KeySource>,
        http: reqwest::Client,
    ) -> Self {
        Self {
            http,
            mode,
            settings: settings.clone(),
            reserve: Reserve::start(source, settings.reserve.clone()),
            hellos: Mutex::default(),
            usage: Usage::default(),
        }
    }

    /// How bodies are sealed.
    pub fn mode(&self) -> LinkMode {
        self.settings.mode
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

    /// What the page is told of it.
    pub fn seen(&self) -> protection::Link {
        let used = self.usage.key_used();
        protection::Link {
            mode: match self.mode {
                Mode::Qkd => protection::LinkMode::Qkd,
                Mode::Hybrid => protection::LinkMode::Hybrid,
            },
            source: match &self.settings.source {
                Some(Settings::Qkdsimkit(_)) => protection::LinkSource::Qkdsimkit,
                Some(Settings::Etsi014(_)) | None => protection::LinkSource::Etsi014,
            },
            key_used_ms_ago: used.map(|ago| ago.as_millis().try_into().unwrap_or(u64::MAX)),
            messages: self.usage.sealed() + self.usage.opened(),
            keys_in_reserve: self.reserve.level() as u64,
        }
    }

    /// Sends a request sealed and returns its answer, opened as it is read. What is asked unsealed
    /// of every server, as its health, is asked so.
    ///
    /// # Errors
    /// [`LinkError`]; reading the answer's body may still fail.
    pub async fn execute(&self, request: Request) -> Result<Response, LinkError> {
        if is_open(request.url().path()) {
            return Ok(self.http.execute(request).await?);
        }
        let again = request.try_clone();
        let lasts = match again {
            Some(_) => HELLO_LASTS,
            None => HELLO_LASTS_FOR_STREAMS,
        };
        let outcome = match (self.attempt(request, lasts).await, again) {
            (Err(LinkError::Refused(problem)), Some(again))
                if problem.kind == ProblemType::LinkStale =>
            {
                self.attempt(again, Duration::ZERO).await
            }
            (outcome, _) => outcome,
        };
        match &outcome {
            Err(error) if error.is_shortage() => self.usage.count_shortage(),
            Err(LinkError::Http(_)) | Ok(_) => {}
            Err(_) => self.usage.count_refused(),
        }
        outcome
    }

    async fn attempt(&self, request: Request, lasts: Duration) -> Result<Response, LinkError> {
        let hello = self.hello(request.url(), lasts).await?;
        let exchange = Exchange {
            id: random().map_err(|_| MessageError::Crypto)?,
            hello: &hello,
            method: request.method().clone(),
            target: target(request.url()),
            pair: match self.mode {
                Mode::Qkd => None,
                Mode::Hybrid => Some(DecapsulationKey::generate()?),
            },
        };
        let request = self.seal(request, &exchange).await?;
        let response = self.http.execute(request).await?;
        self.open_answer(response, &exchange).await
    }

    async fn hello(&self, url: &Url, lasts: Duration) -> Result<Arc<Hello>, LinkError> {
        let origin = url.origin().ascii_serialization();
        let known = self.hellos().get(&origin).cloned();
        if let Some((hello, _)) = known.filter(|(_, since)| since.elapsed() < lasts) {
            return Ok(hello);
        }
        let asked = Instant::now();
        let response = self
            .http
            .get(format!("{origin}{}", routes::LINK))
            .send()
            .await?;
        if !response.status().is_success() {
            return Err(unsealed(response).await);
        }
        let status = response.status().as_u16();
        let body = short(response).await?;
        let hello: Hello =
            serde_json::from_slice(&body).map_err(|_| LinkError::Unsealed { status })?;
        let hello = Arc::new(hello);
        self.hellos().insert(origin, (Arc::clone(&hello), asked));
        Ok(hello)
    }

    fn hellos(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Arc<Hello>, Instant)>> {
        self.hellos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn seal(
        &self,
        mut request: Request,
        exchange: &Exchange<'_>,
    ) -> Result<Request, LinkError> {
        let line = Line {
            client: self.settings.local.clone(),
            server: self.settings.remote.clone(),
            mode: self.mode,
            exchange: exchange.id,
            epoch: exchange.hello.epoch,
        };
        let headers = request.headers_mut();
        headers.insert(LINK_HEADER, value(&line.to_string())?);
        if let Some(pair) = &exchange.pair {
            let text = encapsulation_key_text(pair.encapsulation_key());
            headers.insert(LINK_KEY_HEADER, value(&text)?);
        }
        if !changes(&exchange.method) {
            return Ok(request);
        }
        let key = self.reserve.take().await?;
        let (kem, shared) = match self.mode {
            Mode::Qkd => (None, None),
            Mode::Hybrid => {
                let (kem, shared) = encapsulate(&exchange.hello.encapsulation_key)?;
                (Some(kem), Some(shared))
            }
        };
        let body = request.body_mut().take();
        let length_bytes = match body.as_ref().map(Body::as_bytes) {
            None => Some(0),
            Some(Some(bytes)) => Some(bytes.len() as u64),
            Some(None) => number(request.headers()),
        };
        let header = Header {
            key: key.id,
            length_bytes,
            kem,
        };
        let content_type = content_type(request.headers()).to_owned();
        let context = self.context(exchange, Direction::Request, &content_type);
        let (sealer, first) = Sealer::new(&header, key, shared.as_ref(), &context)?;
        self.usage.count_sealed();
        let plain = data(body.unwrap_or_default());
        let sealed = Sealed::new(sealer, &header, first, plain);
        match length_bytes {
            Some(bytes) => {
                let bytes = sealed_bytes(&header, bytes);
                request.headers_mut().insert(CONTENT_LENGTH, bytes.into());
            }
            None => {
                request.headers_mut().remove(CONTENT_LENGTH);
            }
        }
        *request.body_mut() = Some(Body::wrap_stream(sealed));
        Ok(request)
    }

    async fn open_answer(
        &self,
        response: Response,
        exchange: &Exchange<'_>,
    ) -> Result<Response, LinkError> {
        let is_sealed = response.headers().get(LINK_HEADER);
        if is_sealed.is_none_or(|line| line != SEALED) {
            let status = response.status();
            let has_no_body = exchange.method == Method::HEAD
                || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            return match has_no_body {
                true => Ok(response),
                false => Err(unsealed(response).await),
            };
        }
        let url = response.url().clone();
        let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
        let mut sealed = data(body);
        let (header, rest) = read_header(&mut sealed).await.map_err(broken)?;
        if header.mode() != self.mode {
            return Err(MessageError::Malformed("the mode is another").into());
        }
        let key = self.reserve.key(header.key).await?;
        let shared = match (&exchange.pair, &header.kem) {
            (Some(pair), Some(kem)) => Some(pair.decapsulate(kem)?),
            _ => None,
        };
        let direction = Direction::Response(parts.status.as_u16());
        let context = self.context(exchange, direction, content_type(&parts.headers));
        let opener = Opener::new(&header, key, shared.as_ref(), &context)?;
        self.usage.count_opened();
        parts.headers.remove(LINK_HEADER);
        parts.headers.remove(CONTENT_LENGTH);
        if let Some(bytes) = header.length_bytes {
            parts.headers.insert(CONTENT_LENGTH, bytes.into());
        }
        let mut opened = http::Response::builder()
            .status(parts.status)
            .url(url)
            .body(Body::wrap_stream(Opened::new(opener, &rest, sealed)))
            .map_err(|error| LinkError::Broken(io::Error::other(error)))?;
        *opened.headers_mut() = parts.headers;
        Ok(opened.into())
    }

    fn context<'a>(
        &'a self,
        exchange: &'a Exchange<'_>,
        direction: Direction,
        content_type: &'a str,
    ) -> Context<'a> {
        Context {
            direction,
            client: &self.settings.local,
            server: &self.settings.remote,
            exchange: exchange.id,
            epoch: exchange.hello.epoch,
            method: exchange.method.as_str(),
            target: &exchange.target,
            content_type,
        }
    }
}

impl Carrier for LinkClient {
    fn carry(&self, request: Request) -> BoxFuture<'_, Result<Response, CarryError>> {
        let answer = self.execute(request).map_err(|error| match error {
            LinkError::Http(error) => CarryError::Http(error),
            error => CarryError::Link {
                is_transient: error.is_transient(),
                detail: error.to_string(),
            },
        });
        answer.boxed()
    }
}

/// One request and its answer.
struct Exchange<'a> {
    id: [u8; crate::message::EXCHANGE_BYTES],
    hello: &'a Hello,
    method: Method,
    target: String,
    /// For the answer, in hybrid mode.
    pair: Option<DecapsulationKey>,
}

/// Whether a request with this method carries a sealed body.
fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn value(text: &str) -> Result<HeaderValue, MessageError> {
    HeaderValue::from_str(text).map_err(|_| MessageError::Malformed("no header can hold it"))
}

pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn number(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn data(body: Body) -> impl Stream<Item = io::Result<Bytes>> + Unpin + Send {
    BodyDataStream::new(body).map_err(io::Error::other)
}
