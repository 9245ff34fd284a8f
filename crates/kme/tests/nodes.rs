//! Two real nodes, and applications that ask them.

#![allow(clippy::unwrap_used)]

mod pair;

use std::time::{Duration, SystemTime};

use darkroom_kme::{Outcome, State};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::pair::{Pair, until};

const SLAVE: &str = "/api/v1/keys/storage";
const MASTER: &str = "/api/v1/keys/gateway";

#[tokio::test]
async fn a_key_of_the_master_is_found_by_the_slave_once() {
    let pair = Pair::start();
    let (gateway, storage) = (pair.sae("gateway"), pair.sae("storage"));
    pair.keys_at_both().await;
    let (status, told) = pair.alice_get(&gateway, &format!("{SLAVE}/status")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(told["source_KME_ID"], "kme-alice");
    assert_eq!(told["target_KME_ID"], "kme-bob");
    assert_eq!(told["master_SAE_ID"], "gateway");
    assert_eq!(told["slave_SAE_ID"], "storage");
    assert_eq!(told["key_size"], 256);
    assert_eq!(told["max_key_count"], 40);
    assert_eq!(told["max_key_per_request"], 8);
    assert_eq!(told["max_key_size"], 256);
    assert_eq!(told["min_key_size"], 256);
    assert_eq!(told["max_SAE_ID_count"], 0);
    assert!(told["stored_key_count"].as_u64().unwrap() > 0);

    let (status, given) = pair
        .alice_post(
            &gateway,
            &format!("{SLAVE}/enc_keys"),
            json!({"number": 3, "size": 256, "extension_optional": [{"a": 1}]}),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{given}");
    let keys = given["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    let ids: Vec<Value> = keys
        .iter()
        .map(|key| json!({"key_ID": key["key_ID"]}))
        .collect();
    let body = json!({ "key_IDs": ids });
    let (status, found) = pair
        .bob_post(&storage, &format!("{MASTER}/dec_keys"), body.clone())
        .await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!(found, given);
    let (status, refused) = pair
        .bob_post(&storage, &format!("{MASTER}/dec_keys"), body)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(refused["message"].as_str().unwrap().contains("not found"));
    assert!(refused["details"].is_array());

    // By GET, and the other way round: Bob's application is the master.
    let (status, given) = pair
        .bob_get(&storage, &format!("{MASTER}/enc_keys?number=1&size=256"))
        .await;
    assert_eq!(status, StatusCode::OK, "{given}");
    let id = given["keys"][0]["key_ID"].as_str().unwrap();
    let path = format!("{SLAVE}/dec_keys?key_ID={id}");
    let (status, found) = pair.alice_get(&gateway, &path).await;
    assert_eq!((status, found), (StatusCode::OK, given.clone()));
    let key = given["keys"][0]["key"].as_str().unwrap();
    assert_eq!(key.len(), 44);
}

#[tokio::test]
async fn requests_that_cannot_be_served_are_told_why() {
    let pair = Pair::start();
    let gateway = pair.sae("gateway");
    pair.keys_at_both().await;
    let enc = format!("{SLAVE}/enc_keys");
    for (body, why) in [
        (json!({"size": 128}), "256"),
        (json!({"size": 255}), "multiple of 8"),
        (json!({"size": 0}), "256"),
        (json!({"number": 9}), "from 1 to 8"),
        (json!({"number": 0}), "from 1 to 8"),
        (json!({"number": -1}), "from 1 to 8"),
        (json!({"number": "one"}), "malformed"),
        (
            json!({"additional_slave_SAE_IDs": ["other"]}),
            "additional_slave_SAE_IDs",
        ),
        (
            json!({"extension_mandatory": [{"a": 1}]}),
            "extension_mandatory",
        ),
    ] {
        let (status, refused) = pair.alice_post(&gateway, &enc, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(why), "{body}: {message}");
    }
    for query in ["size=100", "number=9", "number=x", "other=1"] {
        let (status, _) = pair.alice_get(&gateway, &format!("{enc}?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
    let dec = format!("{SLAVE}/dec_keys");
    for body in [
        json!({"key_IDs": []}),
        json!({"key_IDs": [{"key_ID": "no uuid"}]}),
        json!({"key_IDs": [{"key_ID": "7d3cbf62-9f4c-4b19-8a6a-3c9c3a2f8d10"}]}),
        json!({}),
    ] {
        let (status, refused) = pair.alice_post(&gateway, &dec, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(refused["message"].is_string());
    }
    for text in ["{", "", "null", "[1]"] {
        let (status, _) = pair.alice_text(&gateway, &dec, text).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
    }
    let (status, _) = pair.alice_text(&gateway, &enc, "{").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = pair.alice_text(&gateway, &enc, "").await;
    assert_eq!(status, StatusCode::OK);
    let (status, refused) = pair.alice_get(&gateway, "/api/v1/keys/storage/other").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(refused["message"].is_string());
}

#[tokio::test]
async fn only_those_who_share_a_link_get_its_keys() {
    let pair = Pair::start();
    pair.keys_at_both().await;
    let (gateway, stranger) = (pair.sae("gateway"), pair.sae("stranger"));
    let (storage, compute) = (pair.sae("storage"), pair.sae("compute"));
    for path in ["status", "enc_keys"] {
        let (status, refused) = pair.alice_get(&stranger, &format!("{SLAVE}/{path}")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(refused["message"].is_string());
    }
    let (status, _) = pair
        .alice_get(&gateway, "/api/v1/keys/other/enc_keys")
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    // A key for storage is not compute's, though compute shares keys with the same master.
    let (_, given) = pair.alice_get(&gateway, &format!("{SLAVE}/enc_keys")).await;
    let id = given["keys"][0]["key_ID"].as_str().unwrap();
    let dec = format!("{MASTER}/dec_keys?key_ID={id}");
    let (status, _) = pair.bob_get(&compute, &dec).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = pair.bob_get(&stranger, &dec).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // Nor does the master get it again, and storage still gets it.
    let again = format!("{SLAVE}/dec_keys?key_ID={id}");
    let (status, _) = pair.alice_get(&gateway, &again).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, found) = pair.bob_get(&storage, &dec).await;
    assert_eq!((status, found), (StatusCode::OK, given));
}

#[tokio::test]
async fn who_shows_no_valid_certificate_is_not_heard() {
    let pair = Pair::start();
    let url = format!("https://{}{SLAVE}/status", pair.alice().etsi_address());
    assert!(pair.nobody().get(&url).send().await.is_err());
    let now = SystemTime::now();
    let day = Duration::from_secs(24 * 3600);
    let expired = pair.sae_for("gateway", now - 2 * day, now - day);
    assert!(expired.get(&url).send().await.is_err());
    assert!(
        Pair::foreign(&pair, "gateway")
            .get(&url)
            .send()
            .await
            .is_err()
    );
    assert!(pair.sae("gateway").get(&url).send().await.is_ok());
}

#[tokio::test]
async fn an_eavesdropper_stops_the_keys_and_they_come_back() {
    let pair = Pair::start();
    let (gateway, storage) = (pair.sae("gateway"), pair.sae("storage"));
    pair.keys_at_both().await;
    let page = format!("http://{}", pair.alice().status_address());
    let plain = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let switch = |on: &'static str, origin: String| {
        let post = plain.post(format!("{page}/eavesdropper")).body(on);
        post.header("Origin", origin).send()
    };
    let foreign = switch("eavesdropper=on", "http://evil.example".to_owned());
    assert_eq!(foreign.await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(!pair.alice().status().eavesdropper);
    let own = switch("eavesdropper=on", page.clone()).await.unwrap();
    assert_eq!(own.status(), StatusCode::SEE_OTHER);
    for node in [pair.alice(), pair.bob()] {
        until(|| node.status().state == State::EavesdropperSuspected).await;
    }
    for (client, node, slave) in [
        (&gateway, pair.alice(), SLAVE),
        (&storage, pair.bob(), MASTER),
    ] {
        let path = format!("{slave}/enc_keys");
        let (status, refused) = pair.get(client, node, &path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            refused["message"]
                .as_str()
                .unwrap()
                .contains("somebody may listen")
        );
        let (_, told) = pair.get(client, node, &format!("{slave}/status")).await;
        assert_eq!(told["status_extension"]["state"], "eavesdropper-suspected");
    }
    let told: Value = plain
        .get(format!("{page}/status.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(told["state"], "eavesdropper-suspected");
    let block = pair.alice().status().blocks[0].clone();
    assert_eq!((block.outcome, block.keys), (Outcome::Discarded, 0));
    let sigma = (0.25 * 0.75 / block.sample_bits as f64).sqrt();
    assert!(
        (block.error_rate - 0.25).abs() < 5.0 * sigma + 0.005,
        "{block:?}"
    );

    let off = switch("off", page.clone()).await.unwrap();
    assert_eq!(off.status(), StatusCode::SEE_OTHER);
    until(|| pair.alice().status().state != State::EavesdropperSuspected).await;
    until(|| pair.bob().status().state != State::EavesdropperSuspected).await;
    let (status, _) = pair.alice_get(&gateway, &format!("{SLAVE}/enc_keys")).await;
    assert_eq!(status, StatusCode::OK);
    let html = plain.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("kme-alice (alice) and kme-bob") && !html.contains("{blocks}"));
    let health = plain.get(format!("{page}/healthz")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_eavesdropper_from_the_start_leaves_the_pool_empty() {
    let pair = Pair::start_with(|config| config.channel.eavesdropper = true);
    let gateway = pair.sae("gateway");
    until(|| pair.alice().status().blocks.len() >= 3).await;
    let status = pair.alice().status();
    assert!(
        status
            .links
            .iter()
            .all(|link| link.local_is_master.stored == 0)
    );
    let (status, _) = pair.alice_get(&gateway, &format!("{SLAVE}/enc_keys")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    pair.alice().set_eavesdropper(false);
    pair.bob().set_eavesdropper(false);
    pair.keys_at_both().await;
}

#[tokio::test]
async fn an_empty_pool_says_so() {
    // So much loss that no block is enough for a key.
    let pair = Pair::start_with(|config| config.channel.loss = 0.99);
    let gateway = pair.sae("gateway");
    until(|| !pair.alice().status().blocks.is_empty()).await;
    let (status, refused) = pair.alice_get(&gateway, &format!("{SLAVE}/enc_keys")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("not so many keys")
    );
}

#[tokio::test]
async fn a_node_that_was_started_anew_begins_anew_with_its_peer() {
    let mut pair = Pair::start();
    let (gateway, storage) = (pair.sae("gateway"), pair.sae("storage"));
    pair.keys_at_both().await;
    let (_, lost) = pair.alice_get(&gateway, &format!("{SLAVE}/enc_keys")).await;
    let sessions = pair.alice().status().sessions;
    pair.restart_bob();
    until(|| pair.alice().status().sessions > sessions).await;
    pair.keys_at_both().await;
    // The key that Alice gave before is gone at Bob, and he says so.
    let id = lost["keys"][0]["key_ID"].as_str().unwrap();
    let dec = format!("{MASTER}/dec_keys?key_ID={id}");
    let (status, refused) = pair.bob_get(&storage, &dec).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(refused["message"].as_str().unwrap().contains("not found"));
    // All that Alice gives now is found.
    for _ in 0..20 {
        let (status, given) = pair.alice_get(&gateway, &format!("{SLAVE}/enc_keys")).await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            pair.keys_at_both().await;
            continue;
        }
        let id = given["keys"][0]["key_ID"].as_str().unwrap();
        let dec = format!("{MASTER}/dec_keys?key_ID={id}");
        assert_eq!(pair.bob_get(&storage, &dec).await, (StatusCode::OK, given));
    }
    pair.stop_bob();
    until(|| pair.alice().status().state == State::PeerAway).await;
}
