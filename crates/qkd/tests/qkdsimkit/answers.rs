//! Nodes that are not in order, and settings.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use darkroom_qkd::source::{self, QkdsimkitRole, Settings, SourceError};
use serde_json::json;

use crate::nodes::{answer, error, open, scripted, serve, settings};

fn random() -> [u8; 32] {
    let mut key = [0; 32];
    getrandom::fill(&mut key).unwrap();
    key
}

#[actix_web::test]
async fn answers_that_are_no_keys_are_told_apart_and_their_text_is_not_shown() {
    let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0ISEhISE=";
    for body in [
        String::new(),
        "<html>".into(),
        format!("\"{secret}\""),
        format!(r#"{{"keys":"{secret}"}}"#),
        format!(r#"{{"keys":[{{"key":"{secret}"}},{{"key":"{secret}"}}]}}"#),
        format!(r#"{{"keys":[{{"key":"?{secret}"}}]}}"#),
        r#"{"keys":[{"key":null}]}"#.into(),
        format!(r#"{{"keys":[], "more":"{}"}}"#, "x".repeat(1 << 20)),
    ] {
        let shown = body.chars().take(80).collect::<String>();
        let source = scripted(Arc::new(move |_| HttpResponse::Ok().body(body.clone())));
        let error = error(source.as_ref()).await;
        assert!(
            matches!(error, SourceError::Unexpected { .. }),
            "{shown}: {error}"
        );
        assert!(!error.to_string().contains("c2Vj"), "{error}");
    }
}

#[actix_web::test]
async fn keys_of_another_size_are_refused() {
    for size in [0, 4, 31, 33, 64] {
        let source = scripted(Arc::new(move |_| answer(&vec![7; size])));
        let error = error(source.as_ref()).await;
        assert!(
            matches!(error, SourceError::Unexpected { .. }),
            "{size}: {error}"
        );
    }
}

#[actix_web::test]
async fn a_key_that_comes_again_is_not_taken() {
    let keys = [random(), random(), random()];
    let source = scripted(Arc::new(move |asked| answer(&keys[asked % 3])));
    let mut taken = 0;
    let error = loop {
        match source.encryption_keys(1).await {
            Ok(keys) => taken += keys.len(),
            Err(error @ SourceError::Unexpected { .. }) => break error,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(error.to_string().contains("came before"), "{error}");
    assert!(taken <= 3);
}

#[actix_web::test]
async fn refusals_are_told_from_failures() {
    for (status, is_refusal) in [(500, false), (503, false), (404, true), (422, true)] {
        let status = StatusCode::from_u16(status).unwrap();
        let script = move |_| HttpResponse::build(status).json(json!({"message": "so it is"}));
        let error = error(scripted(Arc::new(script)).as_ref()).await;
        match &error {
            SourceError::Refused { .. } => assert!(is_refusal),
            SourceError::Shortage { .. } => assert!(!is_refusal && error.is_transient()),
            error => panic!("{error}"),
        }
        assert!(error.to_string().contains("so it is"));
    }
    let empty = |_| HttpResponse::Ok().json(json!({ "keys": [] }));
    let error = error(scripted(Arc::new(empty)).as_ref()).await;
    assert!(matches!(error, SourceError::Shortage { .. }), "{error}");
}

#[actix_web::test]
async fn a_node_that_is_down_is_unreachable_until_it_is_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    drop(listener);
    let source = open(address, QkdsimkitRole::Bob);
    let error = error(source.as_ref()).await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.is_transient());
    serve(
        TcpListener::bind(address).unwrap(),
        Arc::new(|_| answer(&random())),
    );
    for _ in 0..100 {
        if source.encryption_keys(1).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no key came");
}

#[actix_web::test]
async fn one_failure_does_not_stop_the_keys() {
    let source = scripted(Arc::new(|asked| match asked % 3 {
        1 => HttpResponse::InternalServerError().finish(),
        2 => HttpResponse::Ok().body("nonsense"),
        _ => answer(&random()),
    }));
    let mut taken = 0;
    for _ in 0..100 {
        match source.encryption_keys(1).await {
            Ok(keys) => taken += keys.len(),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        if taken == 3 {
            return;
        }
    }
    panic!("only {taken} keys came");
}

#[test]
fn settings_are_read_strictly() {
    let given = json!({
        "kind": "qkdsimkit", "url": "http://127.0.0.1:5003", "role": "alice", "id": "storage",
    });
    let expected = Settings::Qkdsimkit(settings(
        "127.0.0.1:5003".parse().unwrap(),
        QkdsimkitRole::Alice,
    ));
    let Settings::Qkdsimkit(read) = serde_json::from_value(given.clone()).unwrap() else {
        panic!("another source");
    };
    assert_eq!(read.id, "storage");
    let read = Settings::Qkdsimkit(source::QkdsimkitSettings {
        id: "trial".into(),
        ..read
    });
    assert_eq!(read, expected);
    for (field, value) in [
        ("role", json!("eve")),
        ("timeout", json!(5)),
        ("url", json!(null)),
    ] {
        let mut wrong = given.clone();
        wrong[field] = value;
        assert!(
            serde_json::from_value::<Settings>(wrong).is_err(),
            "{field}"
        );
    }
}

#[test]
fn addresses_and_names_that_cannot_be_are_refused() {
    let fine = settings("127.0.0.1:5003".parse().unwrap(), QkdsimkitRole::Bob);
    for (url, id) in [
        ("", "trial"),
        ("127.0.0.1:5003", "trial"),
        ("https://127.0.0.1:5003", "trial"),
        ("http://127.0.0.1:5003", ""),
        ("http://127.0.0.1:5003", "a:b"),
        ("http://127.0.0.1:5003", "a&size=8"),
    ] {
        let settings = Settings::Qkdsimkit(source::QkdsimkitSettings {
            url: url.into(),
            id: id.into(),
            ..fine.clone()
        });
        assert!(
            source::open(&settings, "gateway", "storage").is_err(),
            "{url} {id}"
        );
    }
}
