//! A running service, an owner with a vault, and bytes to store.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backend_storage::Config;
use darkroom_api::header::{Header, ObjectKind, ParameterSetId, seal};
use darkroom_api::ids::{KeyId, ObjectId, VaultId};
use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType};
use darkroom_api::routes;
use darkroom_api::storage::{Grant, GrantRequest, ObjectInfo, ObjectList, VaultInfo};
use darkroom_api::token::Token;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The service within this process.
pub struct App {
    pub address: String,
    pub dir: PathBuf,
    server: actix_web::dev::ServerHandle,
    _temporary: Option<TempDir>,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let temporary = TempDir::new().unwrap();
        let mut app = Self::start_in(temporary.path(), change).await;
        app._temporary = Some(temporary);
        app
    }

    pub async fn start_in(dir: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            data_dir: dir.join("store"),
            workers: 2,
            ..Config::default()
        };
        change(&mut config);
        let dir = config.data_dir.clone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = backend_storage::serve(listener, config).await.unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            address,
            dir,
            server: handle,
            _temporary: None,
        }
    }

    pub async fn stop(self) {
        self.server.stop(true).await;
    }

    pub async fn owner(&self) -> Owner {
        Owner::open(&self.address).await
    }
}

/// The service as a process of its own, as it is deployed.
pub struct Process {
    pub address: String,
    log: Arc<Mutex<String>>,
    child: Child,
}

impl Process {
    /// Starts it over a folder; `settings` are lines of TOML.
    pub fn start(dir: &Path, settings: &str) -> Self {
        Self::start_by(
            Command::new(env!("CARGO_BIN_EXE_backend-storage")),
            dir,
            settings,
        )
    }

    pub fn start_by(mut command: Command, dir: &Path, settings: &str) -> Self {
        let file = dir.join("config.toml");
        let store = dir.join("store");
        let text = format!("listen = \"127.0.0.1:0\"\ndata_dir = {store:?}\n{settings}");
        std::fs::write(&file, text).unwrap();
        command.arg("--config").arg(&file).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map(|line| line.unwrap())
            .find_map(|line| {
                let address = line.split("listening on ").nth(1)?;
                let is_address = |c: char| c.is_ascii_digit() || ".:".contains(c);
                Some(address.chars().take_while(|c| is_address(*c)).collect())
            })
            .expect("the service starts");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = lines.map_while(Result::ok);
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.for_each(|line| *written.lock().unwrap() += &(line + "\n"))
        });
        Self {
            address,
            log,
            child,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL: no destructor, no flush.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A vault and its token.
#[derive(Clone)]
pub struct Owner {
    pub vault: VaultId,
    pub token: Token,
    pub address: String,
    pub http: Client,
}

impl Owner {
    pub fn new(address: &str) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        let vault = VaultId(random());
        Self {
            vault,
            token: Token::new(random()),
            address: address.to_owned(),
            http,
        }
    }

    pub async fn open(address: &str) -> Self {
        let owner = Self::new(address);
        assert_eq!(owner.put_vault().await.status(), StatusCode::CREATED);
        owner
    }

    /// The same vault with another token.
    pub fn stranger(&self) -> Self {
        Self {
            token: Token::new(random()),
            ..self.clone()
        }
    }

    /// The same owner after the service has started anew.
    pub fn at(&self, address: &str) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        Self {
            address: address.to_owned(),
            http,
            ..self.clone()
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_as(method, path, &self.token.authorization())
    }

    pub fn request_as(&self, method: Method, path: &str, authorization: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http
            .request(method, url)
            .header(AUTHORIZATION, authorization)
    }

    pub async fn send(&self, method: Method, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub async fn put_vault(&self) -> Response {
        self.send(Method::PUT, &routes::vault(self.vault)).await
    }

    pub async fn info(&self) -> VaultInfo {
        let response = self.send(Method::GET, &routes::vault(self.vault)).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub fn path(&self, kind: ObjectKind, id: ObjectId) -> String {
        routes::object(self.vault, kind, id)
    }

    pub async fn put(&self, kind: ObjectKind, id: ObjectId, object: Vec<u8>) -> Response {
        self.request(Method::PUT, &self.path(kind, id))
            .body(object)
            .send()
            .await
            .unwrap()
    }

    /// Stores an image under a new id.
    pub async fn put_image(&self, payload: &[u8]) -> ObjectId {
        let id = new_id();
        let response = self.put(ObjectKind::Image, id, image(payload)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        id
    }

    pub async fn get(&self, kind: ObjectKind, id: ObjectId) -> Response {
        self.send(Method::GET, &self.path(kind, id)).await
    }

    /// Reads an object that has to be there.
    pub async fn read(&self, kind: ObjectKind, id: ObjectId) -> Vec<u8> {
        let response = self.get(kind, id).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.bytes().await.unwrap().to_vec()
    }

    pub async fn delete(&self, kind: ObjectKind, id: ObjectId) -> Response {
        self.send(Method::DELETE, &self.path(kind, id)).await
    }

    pub async fn put_note(&self, kind: ObjectKind, id: ObjectId, note: Vec<u8>) -> Response {
        let path = routes::note(self.vault, kind, id);
        self.request(Method::PUT, &path)
            .body(note)
            .send()
            .await
            .unwrap()
    }

    pub async fn list(&self, kind: ObjectKind, query: &str) -> ObjectList {
        let path = format!("{}{query}", routes::objects(self.vault, kind));
        let response = self.send(Method::GET, &path).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// All objects of a kind, by id.
    pub async fn all(&self, kind: ObjectKind) -> BTreeMap<ObjectId, ObjectInfo> {
        let mut all = BTreeMap::new();
        let mut query = String::new();
        loop {
            let page = self.list(kind, &query).await;
            for object in page.objects {
                query = format!("?after={}", object.id);
                assert!(all.insert(object.id, object).is_none(), "listed twice");
            }
            if !page.more {
                return all;
            }
        }
    }

    pub async fn ask_grant(&self, request: &GrantRequest) -> Response {
        let path = routes::grants(self.vault);
        self.request(Method::POST, &path)
            .json(request)
            .send()
            .await
            .unwrap()
    }

    pub async fn grant(&self, request: &GrantRequest) -> Grant {
        let response = self.ask_grant(request).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    pub async fn get_with(&self, grant: &str, kind: ObjectKind, id: ObjectId) -> Response {
        let grant = format!("Grant {grant}");
        self.request_as(Method::GET, &self.path(kind, id), &grant)
            .send()
            .await
            .unwrap()
    }

    pub async fn put_with(
        &self,
        grant: &str,
        kind: ObjectKind,
        id: ObjectId,
        object: Vec<u8>,
    ) -> Response {
        let grant = format!("Grant {grant}");
        let request = self.request_as(Method::PUT, &self.path(kind, id), &grant);
        request.body(object).send().await.unwrap()
    }
}

/// Asserts that the answer is a problem of this type, well-formed, and returns its detail.
pub async fn refused(response: Response, kind: ProblemType) -> String {
    let status = response.status().as_u16();
    let media = response.headers().get(CONTENT_TYPE).cloned();
    let body = response.text().await.unwrap();
    assert_eq!(media.unwrap(), MEDIA_TYPE, "{status} {body}");
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (problem.kind, problem.status),
        (kind, kind.status()),
        "{body}"
    );
    assert_eq!(status, kind.status());
    assert!(!problem.detail.is_empty());
    problem.detail
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub fn new_id() -> ObjectId {
    ObjectId(random())
}

pub fn object(kind: ObjectKind, payload: &[u8]) -> Vec<u8> {
    seal(kind, ParameterSetId(1), KeyId([9; 16]), payload)
}

pub fn image(payload: &[u8]) -> Vec<u8> {
    object(ObjectKind::Image, payload)
}

pub fn describe(kind: ObjectKind, payload: &[u8]) -> Header {
    Header::describe(kind, ParameterSetId(1), KeyId([9; 16]), payload)
}

/// A request as bytes, for what an HTTP client would not send.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub async fn connect(address: &str) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends until the other side does not take any more; whether it took all.
    pub async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The head of a request with the owner's token.
    pub fn head(owner: &Owner, method: &str, path: &str, more: &str) -> Vec<u8> {
        let token = owner.token.authorization();
        let head = "HTTP/1.1\r\nHost: x\r\nAuthorization:";
        format!("{method} {path} {head} {token}\r\n{more}\r\n").into_bytes()
    }

    /// Status, media type and body of the answer.
    pub async fn answer(&mut self) -> (u16, String, Vec<u8>) {
        let mut seen = Vec::new();
        let head_end = loop {
            if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(
                self.stream.read_buf(&mut seen).await.unwrap() > 0,
                "no answer"
            );
        };
        let head = String::from_utf8(seen[..head_end].to_vec())
            .unwrap()
            .to_lowercase();
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
                .unwrap_or_default()
        };
        let length: usize = field("content-length:").parse().unwrap_or(0);
        while seen.len() < head_end + length {
            assert!(
                self.stream.read_buf(&mut seen).await.unwrap() > 0,
                "the answer broke off"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (
            status,
            field("content-type:"),
            seen[head_end..head_end + length].to_vec(),
        )
    }

    /// The problem that answers the request.
    pub async fn refused(&mut self, kind: ProblemType) {
        let (status, media, body) = self.answer().await;
        let problem: Problem = serde_json::from_slice(&body)
            .unwrap_or_else(|_| panic!("{status} {:?}", String::from_utf8_lossy(&body)));
        assert_eq!(
            (problem.kind, status, media.as_str()),
            (kind, kind.status(), MEDIA_TYPE)
        );
    }
}

/// All files under a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path)
            } else {
                files.push(path)
            }
        }
    }
    files
}

/// Waits for something that has to come.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}
