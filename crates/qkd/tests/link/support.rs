//! A server behind a link, a client, a source of keys that both share, and a wire that is watched.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use darkroom_qkd::key::{Key, KeyId};
use darkroom_qkd::link::{End, LinkClient, LinkServer, LinkSettings, guard};
use darkroom_qkd::message::Mode;
use darkroom_qkd::source::{KeySource, SourceError};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What both ends of a QKD link have.
#[derive(Debug, Default)]
pub struct Pool {
    keys: Mutex<HashMap<KeyId, [u8; 32]>>,
    empty: AtomicBool,
    pub made: Mutex<Vec<[u8; 32]>>,
}

impl Pool {
    /// Whether no more keys are to be had; those that were given stay known.
    pub fn run_dry(&self, dry: bool) {
        self.empty.store(dry, Ordering::Relaxed);
    }

    /// Forgets every key, as after an accident at one end.
    pub fn forget(&self) {
        self.keys.lock().unwrap().clear();
    }
}

impl KeySource for Pool {
    fn encryption_keys(&self, count: usize) -> BoxFuture<'_, Result<Vec<Key>, SourceError>> {
        let keys = match self.empty.load(Ordering::Relaxed) {
            true => Err(SourceError::Shortage {
                detail: "dry".into(),
            }),
            false => Ok((0..count).map(|_| self.make()).collect()),
        };
        std::future::ready(keys).boxed()
    }

    fn decryption_key(&self, id: KeyId) -> BoxFuture<'_, Result<Key, SourceError>> {
        let secret = self.keys.lock().unwrap().get(&id).copied();
        let key = match secret {
            // It stays: some key management entities never delete.
            Some(secret) => Ok(Key::new(id, Zeroizing::new(secret))),
            None => Err(SourceError::Unknown {
                id,
                detail: "forgotten".into(),
            }),
        };
        std::future::ready(key).boxed()
    }
}

impl Pool {
    fn make(&self) -> Key {
        let (mut id, mut secret) = ([0; 16], [0; 32]);
        getrandom::fill(&mut id).unwrap();
        getrandom::fill(&mut secret).unwrap();
        let id = KeyId(Uuid::from_bytes(id));
        self.keys.lock().unwrap().insert(id, secret);
        self.made.lock().unwrap().push(secret);
        Key::new(id, Zeroizing::new(secret))
    }
}

pub struct Link {
    pub client: LinkClient,
    pub pool: Arc<Pool>,
    pub server: SocketAddr,
    pub wire: Wire,
}

impl Link {
    pub fn open(mode: Mode) -> Self {
        Self::between(mode, mode)
    }

    /// With a mode for each end.
    pub fn between(client_mode: Mode, server_mode: Mode) -> Self {
        let pool = Arc::<Pool>::default();
        let server = serve(server_mode, &pool);
        let wire = Wire::to(server);
        let ends = ends("client", "server");
        let http = reqwest::Client::new();
        let client = LinkClient::over(&ends, client_mode, pool.clone(), http);
        Self {
            client,
            pool,
            server,
            wire,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.wire.address)
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        reqwest::Client::new().request(method.parse().unwrap(), self.url(path))
    }

    pub async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, darkroom_qkd::link::LinkError> {
        self.client.execute(request.build().unwrap()).await
    }
}

pub fn ends(local: &str, remote: &str) -> LinkSettings {
    LinkSettings {
        local: local.into(),
        remote: remote.into(),
        ..LinkSettings::default()
    }
}

fn serve(mode: Mode, pool: &Arc<Pool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let end = End::over(&ends("server", "client"), mode, pool.clone());
    let link = web::Data::new(LinkServer::of(vec![end]).unwrap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(link.clone())
            .app_data(web::PayloadConfig::new(64 << 20))
            .wrap(from_fn(guard))
            .route("/healthz", web::get().to(|| async { "alive" }))
            .route("/ticks", web::get().to(ticks))
            .default_service(web::to(echo))
    });
    tokio::spawn(
        server
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run(),
    );
    address
}

/// Answers with what it saw of the request.
async fn echo(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    if request.method() == "DELETE" {
        return HttpResponse::NoContent().finish();
    }
    let length = request.headers().get("content-length").cloned();
    let mut response = match request.path() {
        "/missing" => HttpResponse::NotFound(),
        _ => HttpResponse::Ok(),
    };
    if let Some(length) = length {
        response.insert_header(("seen-length", length));
    }
    response.content_type("application/x-test").body(body)
}

/// A stream without an end, like events.
async fn ticks() -> HttpResponse {
    let ticks = stream::iter(0..).then(|number| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok::<_, std::io::Error>(Bytes::from(format!("tick {number}\n")))
    });
    HttpResponse::Ok().streaming(Box::pin(ticks))
}

/// A connection that is watched, and cut before the server if asked.
pub struct Wire {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    is_cut: Arc<AtomicBool>,
    alter: Arc<Mutex<Option<Alter>>>,
}

/// Changes what the server sends.
pub type Alter = Box<dyn FnMut(&mut Vec<u8>) + Send>;

impl Wire {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let wire = Self {
            address,
            seen: Arc::default(),
            is_cut: Arc::default(),
            alter: Arc::default(),
        };
        let (seen, is_cut) = (wire.seen.clone(), wire.is_cut.clone());
        let alter = wire.alter.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (seen, is_cut) = (seen.clone(), is_cut.clone());
                let alter = alter.clone();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let up = seen.clone();
                tokio::spawn(copy(from_client, to_server, move |piece| {
                    up.lock().unwrap().extend_from_slice(piece);
                    !is_cut.load(Ordering::Relaxed)
                }));
                tokio::spawn(copy(from_server, to_client, move |piece| {
                    if let Some(alter) = &mut *alter.lock().unwrap() {
                        alter(piece);
                    }
                    seen.lock().unwrap().extend_from_slice(piece);
                    true
                }));
            }
        });
        wire
    }

    /// All bytes, of both directions.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    pub fn alter_answers(&self, alter: impl FnMut(&mut Vec<u8>) + Send + 'static) {
        *self.alter.lock().unwrap() = Some(Box::new(alter));
    }

    /// What a request would be on the wire; the server does not get it.
    pub async fn catch(&self, link: &Link, request: reqwest::RequestBuilder) -> Vec<u8> {
        self.seen.lock().unwrap().clear();
        self.is_cut.store(true, Ordering::Relaxed);
        let sending = link.send(request);
        let _ = tokio::time::timeout(Duration::from_millis(300), sending).await;
        self.is_cut.store(false, Ordering::Relaxed);
        self.seen()
    }
}

async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut pass: impl FnMut(&mut Vec<u8>) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut piece = buffer[..length].to_vec();
        if pass(&mut piece) && to.write_all(&piece).await.is_err() {
            return;
        }
    }
}

/// Sends bytes as they are and returns the status and all that comes back.
pub async fn raw(server: SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 64 << 10];
    let reading = stream.read(&mut answer);
    let length = tokio::time::timeout(Duration::from_secs(10), reading).await;
    let text = String::from_utf8_lossy(&answer[..length.unwrap().unwrap()]).into_owned();
    (text[9..12].parse().unwrap(), text)
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
