//! A tiny service that stands where storage and compute stand.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    Whole {
        bytes: usize,
        announced: Option<usize>,
    },
    Broken,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<String>>,
    events: Mutex<Option<mpsc::Receiver<Bytes>>>,
    ended: Mutex<Option<mpsc::UnboundedSender<Ended>>>,
}

#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Upstream {
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        let app = move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&shared)))
                .route("/readyz", web::get().to(HttpResponse::Ok))
                .route("/v1/echo", web::to(echo))
                .route("/v1/tagged", web::to(tagged))
                .route("/v1/events", web::get().to(events))
                .route("/v1/sink", web::put().to(sink))
                .route("/v1/slow-sink", web::put().to(slow_sink))
                .route("/v1/vaults/{vault}", web::to(unauthorized))
                .route("/v1/refuse", web::put().to(refuse))
                .route("/v1/moved", web::get().to(moved))
                .default_service(web::to(unknown))
        };
        let server = HttpServer::new(app).workers(1).listen(listener).unwrap();
        actix_web::rt::spawn(server.run());
        Self { address, state }
    }

    /// Every request that came, `METHOD /path?query`.
    pub fn seen(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The next `GET /v1/events` sends what is sent here.
    pub fn events(&self) -> mpsc::Sender<Bytes> {
        let (sender, receiver) = mpsc::channel(1);
        *self.state.events.lock().unwrap() = Some(receiver);
        sender
    }

    /// How the bodies of `PUT /v1/sink` end.
    pub fn ended(&self) -> mpsc::UnboundedReceiver<Ended> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.state.ended.lock().unwrap() = Some(sender);
        receiver
    }
}

impl State {
    fn note(&self, request: &HttpRequest) {
        let line = format!("{} {}", request.method(), request.uri());
        self.seen.lock().unwrap().push(line);
    }
}

/// What came, as JSON; with headers that must not pass.
async fn echo(request: HttpRequest, body: Bytes, state: web::Data<State>) -> HttpResponse {
    state.note(&request);
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    HttpResponse::Created()
        .append_header(("set-cookie", "a=b"))
        .append_header(("server", "upstream/1.0"))
        .append_header(("x-internal", "10.0.0.7"))
        .append_header(("access-control-allow-origin", "*"))
        .append_header(("content-security-policy", "default-src *"))
        .append_header(("retry-after", "7"))
        .json(serde_json::json!({
            "method": request.method().as_str(),
            "uri": request.uri().to_string(),
            "headers": headers,
            "body": String::from_utf8_lossy(&body),
        }))
}

async fn tagged(request: HttpRequest) -> HttpResponse {
    let known = request.headers().get("if-none-match");
    if known.is_some_and(|tag| tag == "\"one\"") {
        let mut response = HttpResponse::NotModified();
        return response.insert_header(("etag", "\"one\"")).finish();
    }
    HttpResponse::Ok()
        .insert_header(("etag", "\"one\""))
        .insert_header(("cache-control", "no-cache"))
        .body("tagged")
}

async fn events(state: web::Data<State>) -> HttpResponse {
    let receiver = state.events.lock().unwrap().take().unwrap();
    let pieces = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), receiver))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(pieces)
}

async fn sink(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    swallow(request, payload, state).await
}

/// Leaves the sender time to send far more than what is taken.
async fn slow_sink(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(700)).await;
    swallow(request, payload, state).await
}

async fn swallow(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    let length = request.headers().get("content-length");
    let announced = length.map(|value| value.to_str().unwrap().parse().unwrap());
    let mut bytes = 0;
    let mut ended = None;
    while let Some(piece) = payload.next().await {
        match piece {
            Ok(piece) => bytes += piece.len(),
            Err(_) => ended = Some(Ended::Broken),
        }
    }
    let ended = ended.unwrap_or(Ended::Whole { bytes, announced });
    if let Some(sender) = &*state.ended.lock().unwrap() {
        sender.send(ended).unwrap();
    }
    HttpResponse::Ok().body(bytes.to_string())
}

/// Answers before it has read the body.
async fn refuse() -> HttpResponse {
    HttpResponse::Forbidden()
        .content_type("application/problem+json")
        .body(r#"{"type":"urn:darkroom:problem:vault-full","title":"Full","status":403,"detail":"full"}"#)
}

async fn moved() -> HttpResponse {
    let mut response = HttpResponse::Found();
    response
        .insert_header(("location", "http://127.0.0.1:1/"))
        .finish()
}

async fn unauthorized(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    state.note(&request);
    HttpResponse::Unauthorized().finish()
}

async fn unknown(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    state.note(&request);
    HttpResponse::NotFound().body("unknown to the service")
}
