//! Key management entities as they are in the field.
#![allow(clippy::unwrap_used, missing_docs)]

mod entity;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use darkroom_qkd::key::KeyId;
use darkroom_qkd::reserve::{Reserve, ReserveSettings};
use darkroom_qkd::source::{EtsiMethod, SourceError};
use serde_json::json;
use uuid::Uuid;

use crate::entity::{
    Certificates, container, entity, in_order, key, new_id, port, refusal, status,
};

fn id(n: u128) -> KeyId {
    KeyId(Uuid::from_u128(n))
}

#[actix_web::test]
async fn size_and_number_are_always_asked_for_in_both_ways() {
    let certificates = Certificates::new();
    let server = certificates.serve(port(), |asked| match asked.what.as_str() {
        "dec_keys" if asked.method == "GET" => container(vec![key(
            asked.query.strip_prefix("key_ID=").unwrap(),
            &[1; 32],
        )]),
        "enc_keys" if asked.method == "GET" => {
            assert_eq!(asked.query, "number=3&size=256");
            container((0..3).map(|_| key(&new_id(), &[1; 32])).collect())
        }
        _ => in_order(asked),
    });
    for (method, name) in [(EtsiMethod::Post, "POST"), (EtsiMethod::Get, "GET")] {
        let source = certificates.source(server.address, method);
        let keys = source.encryption_keys(3).await.unwrap();
        assert_eq!(keys.len(), 3);
        let found = source.decryption_key(id(5)).await.unwrap();
        assert_eq!(found.id, id(5));
        let asked = server.asked();
        let keys = asked
            .iter()
            .rfind(|asked| asked.what == "enc_keys")
            .unwrap();
        assert_eq!(keys.method, name);
        if method == EtsiMethod::Post {
            assert_eq!(keys.body, json!({ "number": 3, "size": 256 }));
        }
    }
}

#[actix_web::test]
async fn no_more_keys_are_asked_for_than_the_entity_gives_at_once() {
    for (fields, most) in [
        (json!({ "max_key_per_request": 10 }), 10),
        (json!({ "max_key_per_request": 3 }), 3),
        (json!({ "max_key_per_request": 0 }), 1),
        // Some do not say, and some say nothing at all.
        (json!({}), 10),
        (json!("hello"), 10),
    ] {
        let (server, source) = entity(move |asked| match asked.what.as_str() {
            "status" => status(&fields),
            "enc_keys" if asked.body["number"].as_u64() > Some(most) => refusal(400, "too many"),
            _ => in_order(asked),
        });
        let keys = source.encryption_keys(32).await.unwrap();
        assert_eq!(keys.len() as u64, most);
        source.encryption_keys(2).await.unwrap();
        let looks = server.asked();
        let looks = looks.iter().filter(|asked| asked.what == "status");
        assert_eq!(looks.count(), 1, "the limit is remembered");
    }
}

#[actix_web::test]
async fn an_empty_pool_is_a_shortage_whatever_the_entity_calls_it() {
    for (refused, stored, shortage) in [
        (503, Some(5), true),
        (429, None, true),
        (400, Some(0), true),
        (400, Some(5), false),
        (400, None, false),
        (401, Some(0), false),
        (404, Some(0), false),
        (500, Some(0), false),
    ] {
        let (_server, source) = entity(move |asked| match (asked.what.as_str(), stored) {
            ("status", Some(count)) => status(&json!({ "stored_key_count": count })),
            ("status", None) => status(&json!({})),
            _ => refusal(refused, "no keys today"),
        });
        let error = source.encryption_keys(4).await.unwrap_err();
        let is_shortage = matches!(error, SourceError::Shortage { .. });
        assert_eq!(is_shortage, shortage, "{refused}, {stored:?}: {error}");
        assert_eq!(error.is_transient(), shortage, "{refused}: {error}");
        assert!(error.to_string().contains("no keys today"), "{error}");
    }
    let (_server, source) = entity(|asked| match asked.what.as_str() {
        "enc_keys" => container(Vec::new()),
        _ => in_order(asked),
    });
    let error = source.encryption_keys(4).await.unwrap_err();
    assert!(matches!(error, SourceError::Shortage { .. }), "{error}");
}

#[actix_web::test]
async fn keys_of_another_size_or_that_came_before_are_not_used() {
    let twice = new_id();
    let again = twice.clone();
    let answers: [Box<dyn Fn() -> HttpResponse + Send + Sync>; 9] = [
        Box::new(|| container(vec![key(&new_id(), &[1; 4])])),
        Box::new(|| container(vec![key(&new_id(), &[1; 33])])),
        Box::new(|| container(vec![key(&new_id(), &[])])),
        Box::new(|| container((0..3).map(|_| key(&new_id(), &[1; 32])).collect())),
        Box::new(move || container(vec![key(&again, &[1; 32]), key(&again, &[1; 32])])),
        Box::new(|| container(vec![json!({ "key_ID": new_id(), "key": "no base64 !" })])),
        Box::new(|| container(vec![json!({ "key_ID": "no id", "key": "" })])),
        Box::new(|| HttpResponse::Ok().body("<html>")),
        Box::new(|| HttpResponse::Ok().body("x".repeat(1 << 20))),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let (_server, source) = entity(move |asked| match asked.what.as_str() {
            "enc_keys" => answer(),
            _ => in_order(asked),
        });
        let error = source.encryption_keys(2).await.unwrap_err();
        let is_unexpected = matches!(error, SourceError::Unexpected { .. });
        assert!(is_unexpected, "{number}: {error}");
        assert!(!error.to_string().contains("no base64 !"), "{error}");
    }
    // One that stays at the entity and is given again.
    let (_server, source) = entity(move |asked| match asked.what.as_str() {
        "enc_keys" => container(vec![key(&twice, &[1; 32])]),
        _ => in_order(asked),
    });
    source.encryption_keys(1).await.unwrap();
    let error = source.encryption_keys(1).await.unwrap_err();
    assert!(error.to_string().contains("came before"), "{error}");
}

#[actix_web::test]
async fn a_key_of_the_other_end_is_the_one_asked_for_or_none() {
    let read = Mutex::new(HashSet::new());
    let (_server, source) = entity(move |asked| {
        let id = asked.body["key_IDs"][0]["key_ID"].as_str().unwrap();
        // It is deleted on reading.
        match read.lock().unwrap().insert(id.to_owned()) {
            true => in_order(asked),
            false => refusal(400, "one or more keys specified are not found on KME"),
        }
    });
    assert_eq!(source.decryption_key(id(1)).await.unwrap().id, id(1));
    let error = source.decryption_key(id(1)).await.unwrap_err();
    let is_unknown = matches!(error, SourceError::Unknown { id: which, .. } if which == id(1));
    assert!(is_unknown, "{error}");

    for (refused, unknown, transient) in [
        (404, true, false),
        (401, false, false),
        (403, false, false),
        (503, false, true),
        (500, false, false),
    ] {
        let (_server, source) = entity(move |_| refusal(refused, "no"));
        let error = source.decryption_key(id(1)).await.unwrap_err();
        let is_unknown = matches!(error, SourceError::Unknown { .. });
        assert_eq!(is_unknown, unknown, "{refused}: {error}");
        assert_eq!(error.is_transient(), transient, "{refused}: {error}");
    }

    let answers: [fn() -> HttpResponse; 4] = [
        || container(vec![key(&new_id(), &[1; 32])]),
        || container(vec![key(&new_id(), &[1; 32]), key(&new_id(), &[1; 32])]),
        || container(vec![key(&Uuid::from_u128(1).to_string(), &[1; 16])]),
        || HttpResponse::Ok().json(json!([])),
    ];
    for answer in answers {
        let (_server, source) = entity(move |_| answer());
        let error = source.decryption_key(id(1)).await.unwrap_err();
        assert!(matches!(error, SourceError::Unexpected { .. }), "{error}");
    }
}

#[actix_web::test]
async fn who_is_not_known_is_told_so() {
    for status in [401, 403] {
        let (_server, source) = entity(move |_| refusal(status, "SAE gateway is not registered"));
        let error = source.encryption_keys(1).await.unwrap_err();
        assert!(matches!(error, SourceError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("not registered"), "{error}");
    }
    // Words without end, or none, or an answer that is no JSON.
    for words in ["ü".repeat(5000), String::new()] {
        let (_server, source) = entity(move |_| refusal(401, &words));
        let error = source.encryption_keys(1).await.unwrap_err().to_string();
        assert!(error.chars().count() < 300, "{error}");
    }
}

#[actix_web::test]
async fn certificates_that_do_not_hold_are_no_way_to_keys() {
    type Spoil = fn(&Certificates);
    let spoils: [(Spoil, bool); 4] = [
        (|all| all.expired("entity"), true),
        (|all| all.foreign("entity"), true),
        (|all| all.expired("gateway"), false),
        (|all| all.foreign("gateway"), false),
    ];
    for (spoil, at_entity) in spoils {
        let certificates = Certificates::new();
        spoil(&certificates);
        let server = certificates.serve(port(), in_order);
        let source = certificates.source(server.address, EtsiMethod::Post);
        let error = source.encryption_keys(1).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
        assert_eq!(server.asked(), [], "nothing is asked of it");
        if at_entity {
            assert!(error.to_string().contains("certificate"), "{error}");
        }
    }
}

#[actix_web::test]
async fn a_reserve_lives_through_an_entity_that_is_down_at_the_start_and_in_the_middle() {
    let certificates = Certificates::new();
    let listener = port();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let source = certificates.source(address, EtsiMethod::Post);
    let error = source.encryption_keys(1).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let settings = ReserveSettings {
        keys: 4,
        patience_ms: 200,
        ..ReserveSettings::default()
    };
    let reserve = Reserve::start(source, settings);
    let error = reserve.take().await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");

    for _ in 0..2 {
        let again = std::net::TcpListener::bind(address).unwrap();
        let server = certificates.serve(again, in_order);
        let mut tries = 0;
        while reserve.level() < 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            tries += 1;
            assert!(tries < 200, "it does not recover");
        }
        server.stop().await;
        let mut ids = HashSet::new();
        while let Ok(key) = reserve.take().await {
            assert!(ids.insert(key.id), "a key twice");
            assert!(ids.len() <= 8);
        }
        assert!(ids.len() >= 4);
    }
}

#[actix_web::test]
async fn an_entity_that_keeps_silent_or_breaks_off_is_not_waited_for() {
    let silent = port();
    let certificates = Certificates::new();
    let source = certificates.source(silent.local_addr().unwrap(), EtsiMethod::Post);
    let error = source.encryption_keys(1).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");

    static BROKEN: AtomicBool = AtomicBool::new(true);
    let (_server, source) = entity(|asked| match asked.what.as_str() {
        "enc_keys" if BROKEN.swap(false, Ordering::Relaxed) => {
            let piece = Ok::<_, std::io::Error>(actix_web::web::Bytes::from_static(b"{\"keys\":["));
            let cut = Err(std::io::Error::other("cut"));
            HttpResponse::Ok().streaming(futures_util::stream::iter([piece, cut]))
        }
        _ => in_order(asked),
    });
    let error = source.encryption_keys(1).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    // What was lost on the way is lost; the next is another one.
    source.encryption_keys(1).await.unwrap();
}
