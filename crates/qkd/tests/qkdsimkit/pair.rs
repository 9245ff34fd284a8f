//! Both ends at nodes that are in order.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use darkroom_qkd::key::{Key, KeyId};
use darkroom_qkd::source::{KeySource, QkdsimkitRole, SourceError};
use uuid::Uuid;

use crate::nodes::Pair;

/// A key to seal with.
async fn key(source: &dyn KeySource) -> Key {
    source.encryption_keys(1).await.unwrap().remove(0)
}

fn is_unknown(outcome: Result<Key, SourceError>) -> bool {
    matches!(outcome, Err(SourceError::Unknown { .. }))
}

#[actix_web::test]
async fn both_ends_have_the_same_keys_by_the_same_ids_and_none_for_both_directions() {
    let Pair { alice, bob, .. } = Pair::open().await;
    for (from, to, bit) in [(&alice, &bob, 0), (&bob, &alice, 1)] {
        for _ in 0..100 {
            let key = key(from.as_ref()).await;
            assert_eq!(key.id.0.as_u128() & 1, bit);
            let other = to.decryption_key(key.id).await.unwrap();
            assert_eq!((other.id, other.secret()), (key.id, key.secret()));
            assert!(is_unknown(from.decryption_key(key.id).await));
        }
    }
}

#[actix_web::test]
async fn no_key_is_handed_out_twice_also_when_many_ask_at_once() {
    let Pair { alice, bob, .. } = Pair::open().await;
    let take = async || {
        let mut ids = HashSet::new();
        for _ in 0..60 {
            let id = key(alice.as_ref()).await.id;
            let (first, second) = tokio::join!(bob.decryption_key(id), bob.decryption_key(id));
            assert!(first.is_ok() != second.is_ok());
            ids.insert(id);
        }
        ids
    };
    let (left, right) = tokio::join!(take(), take());
    assert_eq!((left.len(), right.len()), (60, 60));
    assert!(left.is_disjoint(&right));
    let began = Instant::now();
    for id in left {
        assert!(is_unknown(bob.decryption_key(id).await));
    }
    // None of them was waited for.
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[actix_web::test]
async fn a_key_that_is_not_here_yet_is_waited_for_and_one_that_never_comes_is_not_for_ever() {
    let Pair { alice, bob, .. } = Pair::idle();
    // Bob's end has asked for nothing so far.
    let (key, _) = tokio::join!(key(alice.as_ref()), bob.encryption_keys(1));
    bob.decryption_key(key.id).await.unwrap();
    let began = Instant::now();
    let stranger = KeyId(Uuid::from_u128(4));
    assert!(is_unknown(bob.decryption_key(stranger).await));
    assert!((1..10).contains(&began.elapsed().as_secs()));
}

#[actix_web::test]
async fn a_key_that_one_end_lost_is_unknown_there_and_the_next_is_in_order() {
    let pair = Pair::open().await;
    *pair.channel.lost.lock().unwrap() = Some((QkdsimkitRole::Bob, 3));
    let mut lost = 0;
    for _ in 0..40 {
        let key = key(pair.alice.as_ref()).await;
        match pair.bob.decryption_key(key.id).await {
            Ok(other) => assert_eq!(other.secret(), key.secret()),
            Err(SourceError::Unknown { .. } | SourceError::Shortage { .. }) => lost += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(lost <= 3, "{lost}");
}

#[actix_web::test]
async fn what_is_kept_is_bounded_and_of_the_keys_to_seal_with_the_newest() {
    let Pair {
        channel,
        alice,
        bob,
    } = Pair::open().await;
    // Alice's end needs none of its own, but must help Bob's to many.
    for _ in 0..200 {
        let key = key(bob.as_ref()).await;
        alice.decryption_key(key.id).await.unwrap();
    }
    let made = channel.made.lock().unwrap().len();
    assert!(made >= 200);
    let held = alice.encryption_keys(usize::MAX).await.unwrap();
    assert!(held.len() <= 32, "{}", held.len());
    for key in held {
        let made = channel.made.lock().unwrap().clone();
        let is_new = made.iter().rev().take(200).any(|made| made == key.secret());
        assert!(is_new);
        bob.decryption_key(key.id).await.unwrap();
    }
}

#[actix_web::test]
async fn ends_that_have_enough_rest() {
    let pair = Pair::open().await;
    let made = || pair.channel.made.lock().unwrap().len();
    let began = Instant::now();
    loop {
        let before = made();
        tokio::time::sleep(Duration::from_secs(2)).await;
        if made() - before <= 3 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{}", made());
    }
}
