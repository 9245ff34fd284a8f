//! Passes requests on to storage and compute.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use darkroom_qkd::link::{LinkClient, LinkError};
use darkroom_telemetry::tell;
use futures_util::{Stream, stream};
use reqwest::header::{HeaderName, HeaderValue};
use tokio::time::timeout;

use crate::config::{Config, Origin};
use crate::error::{Error, Service};
use crate::target::Target;
use crate::upload::{Activity, passed_on};

/// What passes on the way to a service. Never a cookie, nothing that is between two hops only, and
/// nothing that tells where the client is.
const REQUEST_HEADERS: [&str; 7] = [
    "authorization",
    "content-type",
    "if-none-match",
    "last-event-id",
    "range",
    "accept",
    darkroom_api::access::INVITATION,
];
/// The one of them that may come in several lines.
const LIST_HEADER: &str = "accept";

/// What passes on the way back.
const RESPONSE_HEADERS: [&str; 11] = [
    "accept-ranges",
    "allow",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "retry-after",
    "vary",
    "www-authenticate",
];

const METHODS: &str = "GET, HEAD, PUT, POST, DELETE";

/// Shorter than the keep-alive of the services, so that they never close a connection in use.
const POOL_IDLE: Duration = Duration::from_secs(4);

type Upload = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// The way to the services.
pub(crate) struct Proxy {
    pub(crate) client: reqwest::Client,
    storage_link: Option<Arc<LinkClient>>,
    compute_link: Option<Arc<LinkClient>>,
    storage: Origin,
    compute: Origin,
    body_bytes_max: u64,
    idle: Duration,
}

impl Proxy {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let client = client(config)?;
        let link = |settings| LinkClient::open(settings, client.clone());
        Ok(Self {
            storage_link: link(&config.storage_link)?.map(Arc::new),
            compute_link: link(&config.compute_link)?.map(Arc::new),
            client,
            storage: config.storage_url.clone(),
            compute: config.compute_url.clone(),
            body_bytes_max: config.body_bytes_max,
            idle: config.idle_timeout,
        })
    }

    /// What can be tried of [`Proxy::new`] without using up a key.
    pub(crate) fn try_out(config: &Config) -> Result<(), Error> {
        client(config)?;
        config.storage_link.try_out()?;
        config.compute_link.try_out()?;
        Ok(())
    }

    pub(crate) fn origin(&self, service: Service) -> &Origin {
        match service {
            Service::Storage => &self.storage,
            Service::Compute => &self.compute,
        }
    }

    pub(crate) fn link(&self, service: Service) -> Option<&Arc<LinkClient>> {
        match service {
            Service::Storage => self.storage_link.as_ref(),
            Service::Compute => self.compute_link.as_ref(),
        }
    }

    async fn send(
        &self,
        service: Service,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, Error> {
        let request = request.build().map_err(|error| failure(service, &error))?;
        let Some(link) = self.link(service) else {
            let answer = self.client.execute(request).await;
            return answer.map_err(|error| failure(service, &error));
        };
        link.execute(request).await.map_err(|error| match error {
            LinkError::Http(error) => failure(service, &error),
            error => {
                tracing::warn!("sealed link to {service}: {error}");
                match error.is_shortage() {
                    true => Error::NoKey { service },
                    false => Error::LinkBroken { service },
                }
            }
        })
    }

    /// Passes one request on and its answer back.
    pub(crate) async fn pass(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Error> {
        let target = Target::parse(request.uri(), request.version())?;
        let service = target.service;
        let method = passed_method(request)?;
        let url = self.origin(service).at(target.path, target.query);
        let mut headers = passed_headers(request.headers())?;
        tell(&mut headers);
        let mut to = self.client.request(method, url).headers(headers);
        let activity = Activity::start();
        let mut upload = None;
        let length = self.body_length(request)?;
        if let Some(Length::Known(bytes)) = length {
            to = to.header(reqwest::header::CONTENT_LENGTH, bytes);
        }
        if length.is_some_and(Length::is_something) {
            let (body, filling) = passed_on(payload, self.body_bytes_max, activity.clone());
            to = to.body(body);
            upload = Some(Box::pin(filling) as Upload);
        }
        let mut sending = Box::pin(self.send(service, to));
        let response = loop {
            tokio::select! {
                biased;
                end = poll(&mut upload), if upload.is_some() => { upload = None; end?; }
                response = &mut sending => break response?,
                error = activity.idle(self.idle, service) => return Err(error),
            }
        };
        let head_only = request.method() == Method::HEAD;
        Ok(answer(response, upload, service, self.idle, head_only))
    }

    fn body_length(&self, request: &HttpRequest) -> Result<Option<Length>, Error> {
        let headers = request.headers();
        let announced = headers.get(header::CONTENT_LENGTH);
        let length = match announced.map(|v| v.to_str().map(str::parse)) {
            None if headers.contains_key(header::TRANSFER_ENCODING) => Length::Unknown,
            // HTTP/2 has frames, and no header has to say that a body follows.
            None if request.version() >= Version::HTTP_2 && may_bring_a_body(request) => {
                Length::Unknown
            }
            None => return Ok(None),
            Some(Ok(Ok(bytes))) => Length::Known(bytes),
            Some(_) => return Err(Error::UploadBroken),
        };
        let bytes_max = self.body_bytes_max;
        if let Length::Known(bytes) = length
            && bytes > bytes_max
        {
            return Err(Error::TooLarge { bytes_max });
        }
        match may_bring_a_body(request) {
            true => Ok(Some(length)),
            false if !length.is_something() => Ok(None),
            false => Err(Error::UnexpectedBody {
                method: request.method().to_string(),
            }),
        }
    }
}

fn client(config: &Config) -> Result<reqwest::Client, Error> {
    darkroom_tls::http_client(&config.tls_client)?
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|source| Error::Client { source })
}

#[derive(Clone, Copy)]
enum Length {
    Known(u64),
    Unknown,
}

impl Length {
    fn is_something(self) -> bool {
        !matches!(self, Self::Known(0))
    }
}

fn may_bring_a_body(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::PUT | Method::POST)
}

fn passed_method(request: &HttpRequest) -> Result<reqwest::Method, Error> {
    Ok(match *request.method() {
        Method::GET => reqwest::Method::GET,
        Method::HEAD => reqwest::Method::HEAD,
        Method::PUT => reqwest::Method::PUT,
        Method::POST => reqwest::Method::POST,
        Method::DELETE => reqwest::Method::DELETE,
        ref method => {
            return Err(Error::MethodNotAllowed {
                method: method.to_string(),
                allowed: METHODS,
            });
        }
    })
}

fn passed_headers(from: &HeaderMap) -> Result<reqwest::header::HeaderMap, Error> {
    let mut to = reqwest::header::HeaderMap::new();
    for name in REQUEST_HEADERS {
        // What `Connection` names was meant for this hop alone.
        if from
            .get_all(header::CONNECTION)
            .any(|value| names(value, name))
        {
            continue;
        }
        for (count, value) in from.get_all(name).enumerate() {
            if count > 0 && name != LIST_HEADER {
                return Err(Error::RepeatedHeader { name });
            }
            // What one library parsed, the other takes: both hold visible bytes only.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                to.append(HeaderName::from_static(name), value);
            }
        }
    }
    Ok(to)
}

fn names(connection: &header::HeaderValue, name: &str) -> bool {
    let listed = connection.as_bytes().split(|&b| b == b',');
    listed
        .map(|option| option.trim_ascii())
        .any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
}

fn failure(service: Service, error: &reqwest::Error) -> Error {
    tracing::warn!("{service}: {error:?}");
    match error.is_connect() {
        true => Error::Unreachable { service },
        false => Error::Broken { service },
    }
}

fn answer(
    response: reqwest::Response,
    upload: Option<Upload>,
    service: Service,
    idle: Duration,
    head_only: bool,
) -> HttpResponse {
    let status = StatusCode::from_u16(response.status().as_u16());
    let mut to = HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY));
    for name in RESPONSE_HEADERS {
        for value in response.headers().get_all(name) {
            to.append_header((name, value.as_bytes()));
        }
    }
    if !response.headers().contains_key("cache-control") {
        to.insert_header((header::CACHE_CONTROL, "no-store"));
    }
    let length = response.headers().get("content-length");
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let relay = Relay {
        response,
        upload,
        service,
        idle,
    };
    body(&mut to, relay, length, head_only)
}

fn body(
    to: &mut HttpResponseBuilder,
    relay: Relay,
    length: Option<u64>,
    head_only: bool,
) -> HttpResponse {
    match length {
        Some(bytes) if head_only => {
            let nothing = stream::empty::<Result<Bytes, Error>>();
            to.body(SizedStream::new(bytes, nothing))
        }
        None if head_only => to.finish(),
        Some(bytes) => to.body(SizedStream::new(bytes, relay.into_stream())),
        None => to.streaming(relay.into_stream()),
    }
}

/// An answer on its way back; dropped with the client's connection, and with it the service's.
struct Relay {
    response: reqwest::Response,
    /// What is left of the request's body when the service has answered before it had all of it.
    upload: Option<Upload>,
    service: Service,
    idle: Duration,
}

impl Relay {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        stream::try_unfold(self, |mut relay| async {
            Ok(relay.next().await?.map(|piece| (piece, relay)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let (service, idle) = (self.service, self.idle);
        loop {
            tokio::select! {
                biased;
                end = poll(&mut self.upload), if self.upload.is_some() => { self.upload = None; end?; }
                piece = timeout(idle, self.response.chunk()) => {
                    let idle_s = idle.as_secs();
                    let piece = piece.map_err(|_| Error::Silent { service, idle_s })?;
                    return piece.map_err(|_| Error::Broken { service });
                }
            }
        }
    }
}

async fn poll(upload: &mut Option<Upload>) -> Result<(), Error> {
    match upload {
        Some(upload) => upload.await,
        None => Ok(()),
    }
}
