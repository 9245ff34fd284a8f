//! Both ends at the real nodes, and a link between them. Needs Python 3.11 and, the first time, the
//! network: without them it is skipped.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use darkroom_api::protection::LinkSource;
use darkroom_qkd::key::Key;
use darkroom_qkd::link::{End, LinkClient, LinkServer, LinkSettings, guard};
use darkroom_qkd::message::Mode;
use darkroom_qkd::source::{KeySource, QkdsimkitRole, Settings, SourceError};

use crate::nodes::{open, settings};
use crate::package::{Package, install};

/// A key takes one or two seconds, and some attempts fail.
const PATIENCE: Duration = Duration::from_secs(180);

#[actix_web::test]
async fn the_real_nodes_give_both_ends_keys_and_a_link_is_sealed_with_them() {
    let place = match install() {
        Ok(place) => place,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let package = Package::start(&place);
    let alice = open(package.alice, QkdsimkitRole::Alice);
    let bob = open(package.bob, QkdsimkitRole::Bob);
    let (ours, theirs) = tokio::join!(key(alice.as_ref()), key(bob.as_ref()));
    for (key, from, to) in [(ours, &alice, &bob), (theirs, &bob, &alice)] {
        let other = to.decryption_key(key.id).await.unwrap();
        assert_eq!((other.id, other.secret()), (key.id, key.secret()));
        for end in [from, to] {
            let again = end.decryption_key(key.id).await;
            assert!(matches!(again, Err(SourceError::Unknown { .. })));
        }
    }
    a_link_is_sealed(&package, alice, bob).await;
}

async fn key(source: &dyn KeySource) -> Key {
    let began = Instant::now();
    loop {
        match source.encryption_keys(1).await {
            Ok(mut keys) => return keys.remove(0),
            Err(error) => assert!(
                error.is_transient() && began.elapsed() < PATIENCE,
                "{error}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn a_link_is_sealed(package: &Package, alice: Arc<dyn KeySource>, bob: Arc<dyn KeySource>) {
    let ends = |local: &str, remote: &str| LinkSettings {
        local: local.into(),
        remote: remote.into(),
        source: Some(Settings::Qkdsimkit(settings(
            package.alice,
            QkdsimkitRole::Alice,
        ))),
        ..LinkSettings::default()
    };
    let server = serve(End::over(&ends("storage", "gateway"), Mode::Hybrid, bob));
    let http = reqwest::Client::new();
    let client = LinkClient::over(&ends("gateway", "storage"), Mode::Hybrid, alice, http);
    assert_eq!(client.seen().source, LinkSource::Qkdsimkit);
    let began = Instant::now();
    loop {
        let request = reqwest::Client::new().put(format!("http://{server}/v1/x"));
        let request = request.body("sealed, for a trial").build().unwrap();
        match client.execute(request).await {
            Ok(answer) => {
                assert_eq!(answer.text().await.unwrap(), "sealed, for a trial");
                break;
            }
            Err(error) => assert!(
                error.is_transient() && began.elapsed() < PATIENCE,
                "{error}"
            ),
        }
    }
    // Whatever had to be sent again, one answer came.
    assert!(client.usage().sealed() >= 1);
    assert_eq!(client.usage().opened(), 1);
}

/// A server that answers with what it gets.
fn serve(end: End) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let link = web::Data::new(LinkServer::of(vec![end]).unwrap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(link.clone())
            .wrap(from_fn(guard))
            .default_service(web::to(|body: web::Bytes| async { body }))
    });
    let server = server.workers(1).disable_signals();
    tokio::spawn(server.listen(listener).unwrap().run());
    address
}
