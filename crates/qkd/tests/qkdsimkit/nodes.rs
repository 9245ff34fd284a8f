//! Two nodes that answer as QKDSimkit's do: with the same key, when both have been asked.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use darkroom_qkd::source::{
    self, KeySource, QkdsimkitRole, QkdsimkitSettings, Settings, SourceError,
};
use serde_json::json;
use tokio::sync::oneshot;

/// What comes instead of a key.
pub type Script = Arc<dyn Fn(usize) -> HttpResponse + Send + Sync>;

/// The channel between the nodes.
#[derive(Default)]
pub struct Channel {
    /// Who waits for the other: which node, and where its key goes.
    waiting: Mutex<Option<(QkdsimkitRole, oneshot::Sender<[u8; 32]>)>>,
    pub made: Mutex<Vec<[u8; 32]>>,
    /// A node whose next answers are lost, and how many.
    pub lost: Mutex<Option<(QkdsimkitRole, usize)>>,
}

impl Channel {
    /// Makes a key once both nodes are there.
    async fn exchange(&self, role: QkdsimkitRole) -> Result<[u8; 32], oneshot::error::RecvError> {
        let receiver = {
            let mut waiting = self.waiting.lock().unwrap();
            match waiting.take() {
                Some((other, sender)) if other != role => {
                    let key = self.make();
                    // Whose caller has gone makes its key all the same.
                    let _ = sender.send(key);
                    return Ok(key);
                }
                _ => {
                    let (sender, receiver) = oneshot::channel();
                    *waiting = Some((role, sender));
                    receiver
                }
            }
        };
        receiver.await
    }

    fn make(&self) -> [u8; 32] {
        let mut key = [0; 32];
        getrandom::fill(&mut key).unwrap();
        self.made.lock().unwrap().push(key);
        key
    }

    fn loses(&self, role: QkdsimkitRole) -> bool {
        match &mut *self.lost.lock().unwrap() {
            Some((loser, left @ 1..)) if *loser == role => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Two nodes, and a source at each.
pub struct Pair {
    pub channel: Arc<Channel>,
    pub alice: Arc<dyn KeySource>,
    pub bob: Arc<dyn KeySource>,
}

impl Pair {
    /// With both sources at work.
    pub async fn open() -> Self {
        let pair = Self::idle();
        let (alice, bob) = tokio::join!(pair.alice.encryption_keys(1), pair.bob.encryption_keys(1));
        alice.unwrap();
        bob.unwrap();
        pair
    }

    /// With sources that were not asked for anything so far.
    pub fn idle() -> Self {
        let channel = Arc::<Channel>::default();
        let node = |role| {
            let channel = channel.clone();
            let asked = move |request: HttpRequest| {
                let channel = channel.clone();
                async move {
                    assert_eq!(request.query_string(), "number=1&size=256&ID=trial");
                    match channel.exchange(role).await {
                        Ok(_) if channel.loses(role) => {
                            HttpResponse::InternalServerError().body("Internal server error")
                        }
                        Ok(key) => answer(&key),
                        Err(_) => HttpResponse::InternalServerError().finish(),
                    }
                }
            };
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server =
                HttpServer::new(move || App::new().route("/test", web::get().to(asked.clone())));
            let server = server.workers(1).disable_signals();
            tokio::spawn(server.listen(listener).unwrap().run());
            open(address, role)
        };
        Self {
            alice: node(QkdsimkitRole::Alice),
            bob: node(QkdsimkitRole::Bob),
            channel,
        }
    }
}

/// A source at a node that answers by a script, which is told how many answers it gave before.
pub fn scripted(script: Script) -> Arc<dyn KeySource> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, script);
    open(address, QkdsimkitRole::Alice)
}

pub fn serve(listener: TcpListener, script: Script) {
    let asked = Arc::new(Mutex::new(0));
    let server = HttpServer::new(move || {
        let (script, asked) = (script.clone(), asked.clone());
        App::new().default_service(web::to(move || {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            std::future::ready(script(*asked - 1))
        }))
    });
    let server = server.workers(1).disable_signals();
    tokio::spawn(server.listen(listener).unwrap().run());
}

pub fn settings(address: SocketAddr, role: QkdsimkitRole) -> QkdsimkitSettings {
    QkdsimkitSettings {
        url: format!("http://{address}"),
        role,
        id: "trial".into(),
        timeout_ms: 75_000,
    }
}

pub fn open(address: SocketAddr, role: QkdsimkitRole) -> Arc<dyn KeySource> {
    let settings = Settings::Qkdsimkit(settings(address, role));
    source::open(&settings, "gateway", "storage").unwrap()
}

pub fn answer(key: &[u8]) -> HttpResponse {
    let keys = [json!({ "key_ID": 0, "key": URL_SAFE.encode(key) })];
    HttpResponse::Ok().json(json!({ "keys": keys }))
}

/// Asks until there is another error than that there are no keys yet.
pub async fn error(source: &dyn KeySource) -> SourceError {
    for _ in 0..200 {
        if let Err(error) = source.encryption_keys(1).await {
            return error;
        }
    }
    panic!("only keys came");
}
