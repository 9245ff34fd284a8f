//! Two nodes with certificates of an authority of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use darkroom_kme::{Blocks, Config, Link, Node, Peer, PoolLimits, Role, Tls};
use darkroom_tls::trial::{Authority, Issued};
use darkroom_tls::{ClientSettings, client_config};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

pub struct Pair {
    folder: TempDir,
    authority: Authority,
    alice: Option<Node>,
    bob: Option<Node>,
    bob_config: Config,
}

impl Pair {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: impl Fn(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("trial").unwrap();
        let path = folder.path();
        std::fs::write(path.join("root.pem"), authority.root()).unwrap();
        std::fs::write(path.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        for name in ["kme-alice", "kme-bob"] {
            let issued = authority.issue(name, &["localhost", "127.0.0.1"]).unwrap();
            issued.write(path, name).unwrap();
        }
        let mut bob_config = config(path, Role::Bob, ("kme-bob", "kme-alice"));
        change(&mut bob_config);
        let bob = darkroom_kme::start(bob_config.clone()).unwrap();
        // A node that starts anew must be found where it was.
        bob_config.peer.listen = bob.peer_address().unwrap();
        bob_config.listen = bob.etsi_address();
        let mut alice = config(path, Role::Alice, ("kme-alice", "kme-bob"));
        alice.peer.address = format!("localhost:{}", bob_config.peer.listen.port());
        change(&mut alice);
        let alice = darkroom_kme::start(alice).unwrap();
        Self {
            folder,
            authority,
            alice: Some(alice),
            bob: Some(bob),
            bob_config,
        }
    }

    pub fn alice(&self) -> &Node {
        self.alice.as_ref().unwrap()
    }

    pub fn bob(&self) -> &Node {
        self.bob.as_ref().unwrap()
    }

    pub fn stop_bob(&mut self) {
        if let Some(bob) = self.bob.take() {
            bob.stop();
        }
    }

    pub fn restart_bob(&mut self) {
        self.stop_bob();
        self.bob = Some(darkroom_kme::start(self.bob_config.clone()).unwrap());
    }

    /// Until every lane has some keys at both ends.
    pub async fn keys_at_both(&self) {
        let some = |node: &Node| {
            let links = node.status().links;
            links
                .iter()
                .all(|link| link.local_is_master.stored > 3 && link.remote_is_master.stored > 3)
        };
        until(|| some(self.alice()) && some(self.bob())).await;
    }

    /// An application with a certificate in this name.
    pub fn sae(&self, name: &str) -> Client {
        let issued = self.authority.issue(name, &[]).unwrap();
        self.client(&issued)
    }

    pub fn sae_for(&self, name: &str, from: SystemTime, until: SystemTime) -> Client {
        let issued = self.authority.issue_for(name, &[], from, until).unwrap();
        self.client(&issued)
    }

    /// With a certificate of an authority that the nodes do not know.
    pub fn foreign(&self, name: &str) -> Client {
        let other = Authority::new("other").unwrap();
        self.client(&other.issue(name, &[]).unwrap())
    }

    fn client(&self, issued: &Issued) -> Client {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = issued.write(folder.path(), "sae").unwrap();
        self.settings(Some(certificate), Some(key))
    }

    pub fn nobody(&self) -> Client {
        self.settings(None, None)
    }

    fn settings(
        &self,
        certificate: Option<std::path::PathBuf>,
        key: Option<std::path::PathBuf>,
    ) -> Client {
        let settings = ClientSettings {
            roots: Some(self.folder.path().join("root.pem")),
            certificate,
            key,
            require_post_quantum: true,
        };
        let tls = client_config(&settings).unwrap();
        Client::builder()
            .tls_backend_preconfigured(tls)
            .build()
            .unwrap()
    }

    pub async fn get(&self, sae: &Client, node: &Node, path: &str) -> (StatusCode, Value) {
        let request = sae.get(url(node.etsi_address(), path));
        answer(request.send().await.unwrap()).await
    }

    pub async fn alice_get(&self, sae: &Client, path: &str) -> (StatusCode, Value) {
        self.get(sae, self.alice(), path).await
    }

    pub async fn bob_get(&self, sae: &Client, path: &str) -> (StatusCode, Value) {
        self.get(sae, self.bob(), path).await
    }

    pub async fn alice_post(&self, sae: &Client, path: &str, body: Value) -> (StatusCode, Value) {
        self.alice_text(sae, path, &body.to_string()).await
    }

    pub async fn alice_text(&self, sae: &Client, path: &str, body: &str) -> (StatusCode, Value) {
        let request = sae.post(url(self.alice().etsi_address(), path));
        answer(request.body(body.to_owned()).send().await.unwrap()).await
    }

    pub async fn bob_post(&self, sae: &Client, path: &str, body: Value) -> (StatusCode, Value) {
        let request = sae.post(url(self.bob().etsi_address(), path));
        answer(request.body(body.to_string()).send().await.unwrap()).await
    }
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("https://{address}{path}")
}

async fn answer(response: reqwest::Response) -> (StatusCode, Value) {
    let status = response.status();
    (status, response.json().await.unwrap())
}

fn config(folder: &Path, role: Role, (name, peer): (&str, &str)) -> Config {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let link = |gateway: &str, other: &str| {
        let (local, remote) = match role {
            Role::Alice => (gateway, other),
            Role::Bob => (other, gateway),
        };
        Link {
            local: local.to_owned(),
            remote: remote.to_owned(),
        }
    };
    Config {
        role,
        name: name.to_owned(),
        listen: any,
        status: any,
        tls: Tls {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
            roots: folder.join("root.pem"),
            require_post_quantum: true,
        },
        peer: Peer {
            name: peer.to_owned(),
            listen: any,
            secret: folder.join("secret"),
            ..Peer::default()
        },
        blocks: Blocks {
            pulses: 1 << 17,
            watch_ms: 100,
            retry_ms: 50,
            ..Blocks::default()
        },
        pool: PoolLimits {
            max_key_count: 40,
            max_key_per_request: 8,
        },
        links: vec![link("gateway", "storage"), link("gateway", "compute")],
        ..Config::default()
    }
}

/// Waits for something that happens soon.
pub async fn until(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never was");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
