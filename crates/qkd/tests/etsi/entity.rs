//! A key management entity over mutual TLS that answers as a test wants it to.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use darkroom_qkd::source::{EtsiMethod, EtsiSettings, KeySource, Settings, open};
use darkroom_tls::trial::Authority;
use darkroom_tls::{ServerSettings, server_config};
use serde_json::{Value, json};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

/// One request, as the entity saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    /// What follows the other end's name: `enc_keys`, `dec_keys` or `status`.
    pub what: String,
    pub query: String,
    pub body: Value,
}

type Answers = Arc<dyn Fn(&Asked) -> HttpResponse + Send + Sync>;

/// Certificates of one authority for the entity and for an SAE.
pub struct Certificates {
    pub folder: TempDir,
    authority: Authority,
}

pub struct Entity {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: ServerHandle,
}

impl Certificates {
    pub fn new() -> Self {
        let certificates = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new("trial").unwrap(),
        };
        let path = certificates.folder.path();
        std::fs::write(path.join("root.pem"), certificates.authority.root()).unwrap();
        for name in ["entity", "gateway"] {
            let issued = certificates.authority.issue(name, &["localhost"]).unwrap();
            issued.write(path, name).unwrap();
        }
        certificates
    }

    /// In the place of the good one.
    pub fn expired(&self, name: &str) {
        let now = SystemTime::now();
        let issued = self
            .authority
            .issue_for(name, &["localhost"], now - 2 * HOUR, now - HOUR);
        issued.unwrap().write(self.folder.path(), name).unwrap();
    }

    /// Of an authority that nobody knows, in the place of the good one.
    pub fn foreign(&self, name: &str) {
        let other = Authority::new("other").unwrap();
        let issued = other.issue(name, &["localhost"]).unwrap();
        issued.write(self.folder.path(), name).unwrap();
    }

    pub fn serve(
        &self,
        listener: TcpListener,
        answers: impl Fn(&Asked) -> HttpResponse + Send + Sync + 'static,
    ) -> Entity {
        let file = |name: &str| self.folder.path().join(name);
        let tls = server_config(&ServerSettings {
            certificate: file("entity.pem"),
            key: file("entity.key"),
            client_roots: Some(file("root.pem")),
            require_post_quantum: false,
        })
        .unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let answers: Answers = Arc::new(answers);
        let state = (Arc::clone(&asked), answers);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(state.clone()))
                .default_service(web::to(answer))
        })
        .workers(1)
        .shutdown_timeout(0)
        .listen_rustls_0_23(listener, tls)
        .unwrap()
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Entity {
            address,
            asked,
            server: handle,
        }
    }

    pub fn source(&self, address: SocketAddr, method: EtsiMethod) -> Arc<dyn KeySource> {
        let file = |name: &str| self.folder.path().join(name);
        let settings = Settings::Etsi014(EtsiSettings {
            url: format!("https://localhost:{}/", address.port()),
            roots: file("root.pem"),
            certificate: file("gateway.pem"),
            key: file("gateway.key"),
            method,
            allow_tls12: false,
            timeout_ms: 500,
        });
        open(&settings, "gateway", "storage").unwrap()
    }
}

impl Entity {
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub async fn stop(&self) {
        self.server.stop(false).await;
    }
}

type State = (Arc<Mutex<Vec<Asked>>>, Answers);

async fn answer(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let rest = request.path().strip_prefix("/api/v1/keys/storage/");
    let asked = Asked {
        method: request.method().to_string(),
        what: rest.unwrap_or("another path").to_owned(),
        query: request.query_string().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    state.0.lock().unwrap().push(asked.clone());
    (state.1)(&asked)
}

/// An entity and a source that asks it.
pub fn entity(
    answers: impl Fn(&Asked) -> HttpResponse + Send + Sync + 'static,
) -> (Entity, Arc<dyn KeySource>) {
    let certificates = Certificates::new();
    let entity = certificates.serve(port(), answers);
    let source = certificates.source(entity.address, EtsiMethod::Post);
    (entity, source)
}

pub fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// The answer of an entity in order: what is asked for, each key with a new id.
pub fn in_order(asked: &Asked) -> HttpResponse {
    match asked.what.as_str() {
        "status" => status(&json!({ "stored_key_count": 100, "max_key_per_request": 64 })),
        "enc_keys" => {
            let count = asked.body["number"].as_u64().unwrap_or(1);
            let size = asked.body["size"].as_u64().unwrap_or(32);
            let keys = (0..count).map(|_| key(&new_id(), &vec![7; bytes_of(size)]));
            container(keys.collect())
        }
        "dec_keys" => {
            let id = asked.body["key_IDs"][0]["key_ID"].as_str();
            container(vec![key(id.unwrap(), &[7; 32])])
        }
        _ => HttpResponse::NotFound().finish(),
    }
}

fn bytes_of(bits: u64) -> usize {
    usize::try_from(bits / 8).unwrap()
}

pub fn status(fields: &Value) -> HttpResponse {
    HttpResponse::Ok().json(fields)
}

pub fn container(keys: Vec<Value>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "keys": keys }))
}

pub fn key(id: &str, bytes: &[u8]) -> Value {
    json!({ "key_ID": id, "key": STANDARD.encode(bytes) })
}

pub fn new_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    uuid::Uuid::from_bytes(bytes).to_string()
}

pub fn refusal(status: u16, message: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).json(json!({ "message": message }))
}
