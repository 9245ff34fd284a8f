//! The cache, with keys that are numbers.

use std::sync::atomic::{AtomicUsize, Ordering};

use darkroom_api::problem::{Problem, ProblemType};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use super::*;

/// How long a key stays at least.
const RESIDENT: Duration = Duration::from_millis(50);
/// All keys are so large.
const BYTES: u64 = 100;

fn cache(keys: u64) -> (KeyCache<u8>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    let residence = RESIDENT;
    (
        KeyCache::new(keys * BYTES, residence, Arc::clone(&metrics)),
        metrics,
    )
}

fn name(number: u8) -> KeyName {
    KeyName {
        vault: VaultId([number; 16]),
        key: KeyId([0; 16]),
        parameters: ParameterSetId(2),
    }
}

fn refused(kind: ProblemType) -> Trouble {
    Trouble::Refused(Problem::new(kind, ""))
}

impl<K: Send + Sync + 'static> Clone for KeyCache<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Lends a key that is there as soon as it is asked for.
async fn lend(cache: &KeyCache<u8>, number: u8) -> Lent<u8> {
    cache
        .lend(name(number), BYTES, move || async move { Ok(number) })
        .await
        .unwrap()
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

#[tokio::test]
async fn ten_who_ask_at_once_get_one_key() {
    let (cache, metrics) = cache(1);
    let (gate, loads) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let ask = || {
        let (cache, gate, loads) = (cache.clone(), Arc::clone(&gate), Arc::clone(&loads));
        tokio::spawn(async move {
            let load = move || {
                let (gate, loads) = (Arc::clone(&gate), Arc::clone(&loads));
                async move {
                    loads.fetch_add(1, Ordering::Relaxed);
                    gate.acquire().await.unwrap().forget();
                    Ok(7)
                }
            };
            *cache.lend(name(1), BYTES, load).await.unwrap()
        })
    };
    let ten: Vec<_> = (0..10).map(|_| ask()).collect();
    settle().await;
    gate.add_permits(1);
    for one in ten {
        assert_eq!(one.await.unwrap(), 7);
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert_eq!(metrics.key_expansions.get(), 1);
    assert_eq!(
        (metrics.key_cache_misses.get(), metrics.key_cache_hits.get()),
        (10, 0)
    );
    lend(&cache, 1).await;
    assert_eq!(metrics.key_cache_hits.get(), 1);
    assert_eq!(
        (metrics.key_cache_keys.get(), metrics.key_cache_bytes.get()),
        (1, BYTES)
    );
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_tried_again_by_the_next() {
    let (cache, metrics) = cache(1);
    let gate = Arc::new(Semaphore::new(0));
    let fail = || {
        let (cache, gate) = (cache.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = move || {
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    Err(Failure::OfKey(refused(ProblemType::EvaluationKeyDamaged)))
                }
            };
            cache.lend(name(1), BYTES, load).await.map(drop)
        })
    };
    let all: Vec<_> = (0..5).map(|_| fail()).collect();
    settle().await;
    gate.add_permits(1);
    for one in all {
        assert_eq!(
            one.await.unwrap(),
            Err(refused(ProblemType::EvaluationKeyDamaged))
        );
    }
    settle().await;
    assert_eq!(
        (metrics.key_cache_keys.get(), metrics.key_cache_bytes.get()),
        (0, 0)
    );
    assert_eq!(*lend(&cache, 1).await, 1);
}

#[tokio::test]
async fn one_mans_grant_is_not_anothers() {
    let (cache, _) = cache(1);
    let gate = Arc::new(Semaphore::new(0));
    let ask = |good: bool| {
        let (cache, gate) = (cache.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = move || {
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    match good {
                        true => Ok(7),
                        false => Err(Failure::OfGrant(refused(ProblemType::GrantExpired))),
                    }
                }
            };
            cache.lend(name(1), BYTES, load).await.map(|lent| *lent)
        })
    };
    let bad = [ask(false), ask(false)];
    settle().await;
    let good = ask(true);
    settle().await;
    gate.add_permits(3);
    for one in bad {
        // Either his own grant was tried, or a better one had brought the key before.
        let outcome = one.await.unwrap();
        assert!(
            matches!(outcome, Ok(7) | Err(Trouble::Refused(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(good.await.unwrap(), Ok(7));
}

#[tokio::test]
async fn what_was_used_least_recently_goes_first() {
    let (cache, metrics) = cache(2);
    lend(&cache, 1).await;
    lend(&cache, 2).await;
    lend(&cache, 1).await;
    lend(&cache, 3).await;
    assert_eq!(metrics.key_expansions.get(), 3);
    lend(&cache, 1).await;
    assert_eq!(metrics.key_expansions.get(), 3, "1 was used after 2");
    lend(&cache, 2).await;
    assert_eq!(metrics.key_expansions.get(), 4, "2 had to go");
    assert_eq!(
        (metrics.key_cache_keys.get(), metrics.key_cache_bytes.get()),
        (2, 2 * BYTES)
    );
}

#[tokio::test]
async fn the_same_key_in_another_vault_is_another() {
    let (cache, metrics) = cache(2);
    let load = |number: u8| move || async move { Ok(number) };
    let one = cache.lend(name(1), BYTES, load(1)).await.unwrap();
    let two = cache.lend(name(2), BYTES, load(2)).await.unwrap();
    assert_eq!((*one, *two, metrics.key_expansions.get()), (1, 2, 2));
}

#[tokio::test]
async fn a_key_in_use_stays_and_its_bytes_count() {
    let (cache, metrics) = cache(2);
    let (one, two) = (lend(&cache, 1).await, lend(&cache, 2).await);
    let third = tokio::spawn({
        let cache = cache.clone();
        async move { *lend(&cache, 3).await }
    });
    settle().await;
    assert!(!third.is_finished());
    assert_eq!(
        (*one, *two, metrics.key_cache_bytes.get()),
        (1, 2, 2 * BYTES)
    );
    drop(one);
    assert_eq!(third.await.unwrap(), 3);
    assert_eq!((*two, metrics.key_cache_bytes.get()), (2, 2 * BYTES));
}

#[tokio::test]
async fn a_key_that_served_for_a_while_makes_room() {
    let (cache, _) = cache(1);
    // One image after another, so that the key is never unused.
    let mut images = vec![lend(&cache, 1).await];
    let other = tokio::spawn({
        let cache = cache.clone();
        async move { *lend(&cache, 2).await }
    });
    settle().await;
    images.push(lend(&cache, 1).await);
    tokio::time::sleep(2 * RESIDENT).await;

    let next = tokio::spawn({
        let cache = cache.clone();
        async move { *lend(&cache, 1).await }
    });
    settle().await;
    assert!(!next.is_finished() && !other.is_finished());
    images.clear();
    assert_eq!(other.await.unwrap(), 2);
    assert_eq!(next.await.unwrap(), 1);
}

#[tokio::test]
async fn who_stops_waiting_is_not_missed() {
    let (cache, metrics) = cache(1);
    let never = std::future::pending::<Result<u8, Failure>>;
    let ask = || {
        let cache = cache.clone();
        tokio::spawn(async move { cache.lend(name(1), BYTES, never).await.map(drop) })
    };
    let (first, second) = (ask(), ask());
    settle().await;
    assert_eq!(metrics.key_cache_bytes.get(), BYTES);
    // The one who asked first goes: the loading goes on for the other.
    first.abort();
    settle().await;
    assert_eq!(metrics.key_cache_bytes.get(), BYTES);
    second.abort();
    settle().await;
    assert_eq!(
        (metrics.key_cache_keys.get(), metrics.key_cache_bytes.get()),
        (0, 0)
    );
    assert_eq!(*lend(&cache, 1).await, 1);
}

#[tokio::test]
async fn a_loading_that_breaks_is_an_error_and_no_end() {
    let (cache, metrics) = cache(1);
    let load = || async { panic!("as this test wants it") };
    let broken = cache.lend(name(1), BYTES, load).await.unwrap_err();
    assert_eq!(broken, refused_by(Error::BrokenOff));
    settle().await;
    assert_eq!(metrics.key_cache_bytes.get(), 0);
    assert_eq!(*lend(&cache, 1).await, 1);
}

fn refused_by(error: Error) -> Trouble {
    Trouble::Refused(error.problem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_never_take_more_than_there_is() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let cache = KeyCache::new(3 * BYTES, Duration::from_millis(1), Arc::clone(&metrics));
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let ask = |number: u8| {
        let cache: KeyCache<u8> = cache.clone();
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        tokio::spawn(async move {
            for round in 0..50u8 {
                let number = (number + round) % 8;
                let load = || {
                    let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
                    async move {
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        Ok(number)
                    }
                };
                let lent = cache.lend(name(number), BYTES, load).await.unwrap();
                assert_eq!(*lent, number);
                yield_now().await;
            }
        })
    };
    let all: Vec<_> = (0..16).map(ask).collect();
    for one in all {
        tokio::time::timeout(Duration::from_secs(60), one)
            .await
            .unwrap()
            .unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert!(metrics.key_cache_keys.get() <= 3);
    assert!(metrics.key_cache_bytes.get() <= 3 * BYTES);
}
