//! A bucket behind TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backend_storage::{Config, S3Settings};
use darkroom_api::header::ObjectKind;
use darkroom_tls::trial::Authority;
use darkroom_tls::{ServerSettings, server_config};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::store::{server, settings};
use crate::support::{App, image};

/// TLS before the server, for clients that can do X25519MLKEM768; its endpoint and its root.
async fn behind_tls(dir: &Path) -> (String, PathBuf) {
    let authority = Authority::new("hospital").unwrap();
    let issued = authority.issue("s3", &["127.0.0.1"]).unwrap();
    let (certificate, key) = issued.write(dir, "s3").unwrap();
    let root = dir.join("root.pem");
    std::fs::write(&root, authority.root()).unwrap();
    let config = server_config(&ServerSettings {
        certificate,
        key,
        client_roots: None,
        require_post_quantum: true,
    });
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let plain = server(dir).endpoint();
    let plain = plain.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                let mut outside = acceptor.accept(socket).await?;
                let mut inside = TcpStream::connect(plain).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    (endpoint, root)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_root_that_was_named_is_trusted_and_keys_are_agreed_on_post_quantum() {
    let dir = tempfile::tempdir().unwrap();
    let (endpoint, root) = behind_tls(dir.path()).await;
    let with_roots = |roots: PathBuf| S3Settings {
        endpoint: Some(endpoint.clone()),
        roots: Some(roots),
        allow_http: false,
        ..settings(dir.path())
    };
    let app = App::start_in(dir.path(), |config| config.s3 = Some(with_roots(root))).await;
    let owner = app.owner().await;
    let id = owner.put_image(&[7; 7_000_000]).await;
    assert_eq!(
        owner.read(ObjectKind::Image, id).await,
        image(&[7; 7_000_000])
    );

    let other = dir.path().join("other.pem");
    std::fs::write(&other, Authority::new("another").unwrap().root()).unwrap();
    let config = Config {
        s3: Some(with_roots(other)),
        ..Config::default()
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = backend_storage::serve(listener, config).await.map(drop);
    let error = std::error::Error::source(&error.unwrap_err()).map(ToString::to_string);
    assert!(
        error.as_ref().is_some_and(|error| error.contains("S3")),
        "{error:?}"
    );
}

#[test]
fn a_system_without_roots_is_no_hindrance_where_they_are_named_or_not_needed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root.pem");
    std::fs::write(&root, Authority::new("hospital").unwrap().root()).unwrap();
    let table = "[s3]\nbucket = \"b\"\naccess_key_id = \"i\"\nsecret_access_key = \"s\"\n";
    let plain = format!("{table}allow_http = true\nendpoint = \"http://127.0.0.1:9\"\n");
    let own = format!("{table}roots = {root:?}\nendpoint = \"https://127.0.0.1:9\"\n");
    for settings in [plain, own] {
        let file = dir.path().join("config.toml");
        std::fs::write(&file, settings).unwrap();
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_backend-storage"));
        check.arg("--check").arg("--config").arg(&file);
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            check.env(variable, "/nowhere");
        }
        let output = check.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
