//! Real servers on real ports, asked by real clients.

#![allow(clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use darkroom_api::routes::HEALTH;
use darkroom_tls::trial::Authority;
use darkroom_tls::{
    ClientSettings, Connection, ServerSettings, check_health, client_config, http_client, remember,
    server_config,
};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

struct Trial {
    folder: TempDir,
    authority: Authority,
}

impl Trial {
    fn new() -> Self {
        let (folder, authority) = (TempDir::new().unwrap(), Authority::new("trial").unwrap());
        std::fs::write(folder.path().join("root.pem"), authority.root()).unwrap();
        let trial = Self { folder, authority };
        trial.issue("server", "localhost");
        trial.issue("client", "client.example");
        trial
    }

    fn issue(&self, name: &str, host: &str) {
        let issued = self.authority.issue(name, &[host, "127.0.0.1"]).unwrap();
        issued.write(self.folder.path(), name).unwrap();
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> ServerSettings {
        ServerSettings {
            certificate: self.file("server.pem"),
            key: self.file("server.key"),
            client_roots: None,
            require_post_quantum: false,
        }
    }

    fn client(&self) -> ClientSettings {
        ClientSettings {
            roots: Some(self.file("root.pem")),
            ..ClientSettings::default()
        }
    }

    fn known_client(&self) -> ClientSettings {
        ClientSettings {
            certificate: Some(self.file("client.pem")),
            key: Some(self.file("client.key")),
            ..self.client()
        }
    }
}

/// Answers with what it sees of the connection.
fn serve(settings: &ServerSettings) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = |request: HttpRequest| async move {
        let connection = request.conn_data::<Connection>().unwrap();
        let client = connection.client.clone().unwrap_or_default();
        HttpResponse::Ok()
            .insert_header(("client", client))
            .json(&connection.tls)
    };
    let server = HttpServer::new(move || App::new().default_service(web::to(seen)))
        .workers(1)
        .on_connect(remember)
        .listen_rustls_0_23(listener, server_config(settings).unwrap())
        .unwrap();
    tokio::spawn(server.disable_signals().run());
    address
}

async fn ask(settings: &ClientSettings, address: SocketAddr) -> reqwest::Result<reqwest::Response> {
    let client = http_client(settings).unwrap().build().unwrap();
    client.get(format!("https://{address}/")).send().await
}

/// What a client with this group only has to say about the server.
async fn only(
    group: &'static dyn rustls::crypto::SupportedKxGroup,
    trial: &Trial,
    address: SocketAddr,
) -> std::io::Result<()> {
    let mut provider = default_provider();
    provider.kx_groups = vec![group];
    let root = CertificateDer::from_pem_file(trial.file("root.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, stream).await.map(drop)
}

#[actix_web::test]
async fn the_hybrid_group_is_preferred_and_the_connection_says_so() {
    let trial = Trial::new();
    let address = serve(&trial.server());
    let answer = ask(&trial.client(), address).await.unwrap();
    let seen: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(seen["key_exchange"], "X25519MLKEM768");
    assert_eq!(seen["client_certificate"], false);
    assert!(seen["cipher_suite"].as_str().unwrap().starts_with("TLS13_"));
}

#[actix_web::test]
async fn clients_without_it_are_served_unless_it_is_required() {
    let trial = Trial::new();
    let open = serve(&trial.server());
    only(kx_group::X25519, &trial, open).await.unwrap();
    let strict = serve(&ServerSettings {
        require_post_quantum: true,
        ..trial.server()
    });
    only(kx_group::X25519MLKEM768, &trial, strict)
        .await
        .unwrap();
    let refused = only(kx_group::X25519, &trial, strict).await.unwrap_err();
    assert!(
        refused.to_string().contains("HandshakeFailure"),
        "{refused}"
    );
}

#[actix_web::test]
async fn servers_are_verified() {
    let trial = Trial::new();
    let address = serve(&trial.server());
    let stranger = Trial::new();
    assert!(ask(&stranger.client(), address).await.is_err());
    // What the system trusts has not signed it.
    assert!(ask(&ClientSettings::default(), address).await.is_err());

    let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
    let expired = trial
        .authority
        .issue_for("old", &["127.0.0.1"], now - 2 * hour, now - hour)
        .unwrap();
    let (certificate, key) = expired.write(trial.folder.path(), "old").unwrap();
    let expired = serve(&ServerSettings {
        certificate,
        key,
        ..trial.server()
    });
    assert!(ask(&trial.client(), expired).await.is_err());

    let elsewhere = trial
        .authority
        .issue("other", &["storage.example"])
        .unwrap();
    let (certificate, key) = elsewhere.write(trial.folder.path(), "other").unwrap();
    let elsewhere = serve(&ServerSettings {
        certificate,
        key,
        ..trial.server()
    });
    assert!(ask(&trial.client(), elsewhere).await.is_err());
}

#[actix_web::test]
async fn clients_show_who_they_are_where_roots_are_set() {
    let trial = Trial::new();
    let address = serve(&ServerSettings {
        client_roots: Some(trial.file("root.pem")),
        ..trial.server()
    });
    let answer = ask(&trial.known_client(), address).await.unwrap();
    assert_eq!(answer.headers()["client"], "client");
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("\"client_certificate\":true")
    );
    assert!(ask(&trial.client(), address).await.is_err());
    let stranger = Trial::new();
    let stranger = ClientSettings {
        roots: Some(trial.file("root.pem")),
        ..stranger.known_client()
    };
    assert!(ask(&stranger, address).await.is_err());
}

#[actix_web::test]
async fn a_renewed_certificate_needs_no_restart_and_a_broken_one_changes_nothing() {
    let trial = Trial::new();
    let settings = trial.server();
    let address = serve(&settings);
    let shown = || async {
        let config = client_config(&trial.client()).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    std::fs::write(&settings.certificate, "-----BEGIN CERTIFICATE-----").unwrap();
    assert_eq!(shown().await, first);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    trial.issue("server", "localhost");
    assert_ne!(shown().await, first);
}

#[actix_web::test]
async fn health_is_asked_by_tls_of_the_own_certificate_only() {
    let trial = Trial::new();
    for client_roots in [None, Some(trial.file("root.pem"))] {
        let settings = ServerSettings {
            client_roots,
            ..trial.server()
        };
        let address = serve(&settings);
        check_health(address, Some(&settings), HEALTH)
            .await
            .unwrap();
    }
    let another = Trial::new();
    let address = serve(&trial.server());
    assert!(
        check_health(address, Some(&another.server()), HEALTH)
            .await
            .is_err()
    );
}

#[test]
fn unfit_files_are_named() {
    let trial = Trial::new();
    let refusal = |certificate: &Path, key: &Path| {
        let settings = ServerSettings {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            ..trial.server()
        };
        server_config(&settings).unwrap_err().to_string()
    };
    let (certificate, key) = (trial.file("server.pem"), trial.file("server.key"));
    assert!(refusal(&trial.file("none.pem"), &key).contains("none.pem"));
    assert!(refusal(&certificate, &certificate).contains("no private key"));
    assert!(refusal(&key, &key).contains("no certificate"));
    assert!(refusal(&certificate, &trial.file("client.key")).contains("client.key"));
    let half = ClientSettings {
        certificate: Some(certificate),
        ..ClientSettings::default()
    };
    assert!(
        client_config(&half)
            .unwrap_err()
            .to_string()
            .contains("together")
    );
}
