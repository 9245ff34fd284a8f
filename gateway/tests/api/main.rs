//! The gateway as its clients meet it: the real server between a real client and a real service.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod binary;
mod hostile;
mod page;
mod proxy;
mod rates;
mod streams;
mod upstream;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use gateway::{Config, Origin};
use upstream::Upstream;

/// Only how long a test that hangs goes on; nothing is measured against it.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const HASHED_WASM: &str = "frontend-b01dface1f0c4a5b_bg.wasm";

/// A gateway, one service that plays both, and a client.
pub struct World {
    pub address: SocketAddr,
    pub upstream: Upstream,
    pub client: reqwest::Client,
    _page: tempfile::TempDir,
}

impl World {
    pub fn start() -> Self {
        let upstream = Upstream::start();
        Self::with(upstream.address, upstream, |_| {})
    }

    /// A gateway whose compute is somewhere else.
    pub fn with_compute(compute: SocketAddr) -> Self {
        Self::with(compute, Upstream::start(), |_| {})
    }

    pub fn with(compute: SocketAddr, upstream: Upstream, change: impl FnOnce(&mut Config)) -> Self {
        let page = tempfile::tempdir().unwrap();
        write_page(page.path());
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,
            tls_client: Default::default(),
            storage_link: Default::default(),
            compute_link: Default::default(),
            page_dir: page.path().to_owned(),
            storage_url: origin(upstream.address),
            compute_url: origin(compute),
            body_bytes_max: 100_000_000,
            connect_timeout: Duration::from_secs(3),
            idle_timeout: PATIENCE,
            rate: darkroom_rate::RateSettings::in_front(),
            log: Default::default(),
            traces: Default::default(),
        };
        change(&mut config);
        let listener = TcpListener::bind(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        actix_web::rt::spawn(gateway::serve(listener, config).unwrap());
        Self {
            address,
            upstream,
            client: plain_client(),
            _page: page,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn fetch(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }
}

pub fn plain_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub fn origin(address: SocketAddr) -> Origin {
    Origin::parse("test", &format!("http://{address}")).unwrap()
}

/// A port at which nobody listens.
pub fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

pub fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

pub async fn problem(response: reqwest::Response) -> darkroom_api::problem::Problem {
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    let status = response.status().as_u16();
    let problem: darkroom_api::problem::Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status);
    problem
}

/// Bytes that a compressor can do something with, but not everything.
pub fn wasm() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0] & 7
    };
    (0..200_000).map(|_| next()).collect()
}

pub fn write_page(folder: &Path) {
    let index = "<!doctype html><title>Darkroom</title>\
        <link rel=modulepreload nonce=\"{{__TRUNK NONCE__}}\" href=\"/frontend-b01dface1f0c4a5b.js\">\
        <script type=\"module\" nonce=\"{{__TRUNK NONCE__}}\">import init from '/x.js'</script>";
    let script = "export default function init() { return 'init' }\n".repeat(50);
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("index.html", index.as_bytes());
    write("frontend-b01dface1f0c4a5b.js", script.as_bytes());
    write(HASHED_WASM, &wasm());
    write("worker.js", script.as_bytes());
    write(
        "worker_loader.js",
        b"import init from './worker.js';await init();",
    );
    write(".env", b"SECRET=1");
    std::fs::create_dir(folder.join("samples")).unwrap();
    write("samples/hand.png", b"\x89PNG\r\n\x1a\n and so on");
}
