//! TLS and sealed links between the real services, with keys of a real pair of key nodes.

use std::time::{Duration, Instant};

use aho_corasick::AhoCorasick;
use darkroom_api::client::{Access, ClientError};
use darkroom_api::compute::State;
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::protection::{LinkMode, Party, Protection};
use darkroom_api::routes::GATEWAY_PROTECTION;
use darkroom_tls::ClientSettings;
use e2e::owner::{Owner, load_model, pattern};
use e2e::services::{Darkroom, Plan};
use e2e::transit::Transit;

use crate::zoo;

const MODEL: &str = "left-right";

async fn through(transit: Transit<'_>, recorded: bool) -> (Darkroom, Owner) {
    let models = zoo::small();
    let plan = Plan {
        models: Some(models.path()),
        transit,
        recorded,
        ..Plan::default()
    };
    let darkroom = Darkroom::start_as(plan).await.unwrap();
    let mut owner = Owner::open(&darkroom).await.unwrap();
    let picture = pattern(5, 8, 8).unwrap();
    let image = owner.upload(&picture).await.unwrap();
    let job = owner.submit(MODEL, &[image]).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    assert_eq!(job.state, State::Done, "{job:?}");
    let answer = owner.answer(job.items[0].result).await.unwrap();
    let folder = models.path().join(MODEL);
    let twin = zoo::twin(&folder, &picture);
    zoo::assert_same(&load_model(&folder).unwrap(), &answer, &twin);
    let bytes = fetch(&owner, image).await.unwrap();
    assert!(bytes.starts_with(b"DARKROOM"));
    (darkroom, owner)
}

async fn fetch(owner: &Owner, image: ObjectId) -> Result<Vec<u8>, ClientError> {
    let access = Access::Owner(&owner.vault_token);
    let storage = &owner.storage;
    let answer = storage.object(owner.vault, ObjectKind::Image, image, access, 1 << 20);
    Ok(answer.await?.to_vec())
}

async fn protection(darkroom: &Darkroom) -> Protection {
    let settings = ClientSettings {
        roots: darkroom.protection.root(),
        ..ClientSettings::default()
    };
    let http = darkroom_tls::http_client(&settings).unwrap();
    let url = format!("{}{GATEWAY_PROTECTION}", darkroom.gateway.url());
    let answer = http.build().unwrap().get(url).send().await.unwrap();
    answer.json().await.unwrap()
}

const SEALED: Transit<'static> = Transit {
    tls: false,
    links: Some("hybrid"),
};

#[tokio::test(flavor = "multi_thread")]
async fn every_hop_says_what_protects_it() {
    for mode in ["hybrid", "qkd"] {
        let transit = Transit {
            tls: true,
            links: Some(mode),
        };
        let (darkroom, _) = through(transit, false).await;
        let hops = protection(&darkroom).await.hops;
        let ends: Vec<_> = hops.iter().map(|hop| (hop.from, hop.to)).collect();
        let expected = [
            (Party::Browser, Party::Gateway),
            (Party::Gateway, Party::Storage),
            (Party::Gateway, Party::Compute),
            (Party::Compute, Party::Storage),
        ];
        assert_eq!(ends, expected);
        for hop in hops {
            let seen = hop.seen.unwrap();
            let tls = seen.tls.unwrap();
            assert_eq!(tls.key_exchange, "X25519MLKEM768");
            let is_service = hop.from != Party::Browser;
            assert_eq!(tls.client_certificate, is_service, "{:?}", hop.from);
            assert_eq!(seen.link.is_some(), hop.to == Party::Storage);
            if let Some(link) = seen.link {
                let wanted = match mode {
                    "qkd" => LinkMode::Qkd,
                    _ => LinkMode::Hybrid,
                };
                assert_eq!(link.mode, wanted);
                assert!(link.messages > 0);
                assert!(link.key_used_ms_ago.unwrap() < 60_000);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_object_is_seen_between_gateway_and_storage_and_each_is_with_the_link_off() {
    let marks = |owner: &Owner| {
        // Every object begins so, and has the public name of its key in its header.
        AhoCorasick::new([&b"DARKROOM"[..], &owner.key_id().0[..]]).unwrap()
    };
    for (transit, visible) in [(SEALED, false), (Transit::default(), true)] {
        let (darkroom, owner) = through(transit, true).await;
        let wire = darkroom.wire.as_ref().unwrap();
        let marks = marks(&owner);
        for bytes in [wire.sent(), wire.received()] {
            let all = bytes.concat();
            assert!(all.len() > 1000, "nothing was recorded");
            let mut found = [0, 0];
            for place in marks.find_iter(&all) {
                found[place.pattern().as_usize()] += 1;
            }
            assert_eq!(found[0] > 0, visible, "{found:?} in {} bytes", all.len());
            assert_eq!(found[1] > 0, visible, "{found:?} in {} bytes", all.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nothing_passes_and_with_new_ones_it_does_again() {
    let (mut darkroom, mut owner) = through(SEALED, false).await;
    let (alice, bob) = darkroom.protection.nodes.as_mut().unwrap();
    alice.kill().unwrap();
    bob.kill().unwrap();
    // What is in reserve at both ends may still be used; the other end of a key is at the node.
    let image = owner.draw_id();
    let refused = fetch(&owner, image).await.unwrap_err();
    let ClientError::Problem(problem) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(problem.kind, ProblemType::LinkKeyShortage, "{problem:?}");
    let text = problem.to_string();
    assert!(text.contains("key"), "{text}");

    let (alice, bob) = darkroom.protection.nodes.as_mut().unwrap();
    bob.start().await.unwrap();
    alice.start().await.unwrap();
    let picture = pattern(6, 8, 8).unwrap();
    let began = Instant::now();
    loop {
        match owner.upload(&picture).await {
            Ok(_) => break,
            Err(error) if began.elapsed() > Duration::from_secs(60) => panic!("{error:#}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_with_links_answers_no_one_without() {
    let (darkroom, owner) = through(SEALED, false).await;
    let storage = darkroom_api::client::Storage::new(&darkroom.storage.url()).unwrap();
    let answer = storage.list(owner.vault, ObjectKind::Image, &owner.vault_token);
    let refused = answer.await.unwrap_err();
    let ClientError::Problem(problem) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(problem.kind, ProblemType::LinkUnsealed, "{problem:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_pass_through_little_memory_sealed() {
    let (darkroom, mut owner) = through(SEALED, false).await;
    let peaks = || [&darkroom.gateway, &darkroom.storage].map(|it| it.peak_mib().unwrap());
    let before = peaks();
    let payload: Vec<u8> = (0..200_000_000_u32)
        .map(|at| (at / 1000).to_le_bytes()[0])
        .collect();
    let (kind, set) = (ObjectKind::EvaluationKey, ParameterSetId(1));
    let object = header::seal(kind, set, owner.key_id(), &payload);
    let (id, access) = (owner.draw_id(), Access::Owner(&owner.vault_token));
    let storage = &owner.storage;
    storage
        .put(owner.vault, kind, id, access, object.clone())
        .await
        .unwrap();
    let back = storage.object(owner.vault, kind, id, access, object.len());
    assert_eq!(back.await.unwrap(), object);
    for (before, after) in before.into_iter().zip(peaks()) {
        // What is on its way at once, and what the allocator keeps: a third of the object would not fit.
        assert!(after < before + 64.0, "{before} MiB grew to {after} MiB");
    }
}
