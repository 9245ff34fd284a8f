//! Keys fetched ahead, so that a message need not wait for their source.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::key::{Key, KeyId};
use crate::source::{KeySource, SourceError};

/// The first pause after a source failed; it doubles with each failure.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The pauses before a key of the other end is asked for again: it may be there before its twin.
const KEY_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];

/// How many keys are fetched ahead, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReserveSettings {
    /// Keys in reserve.
    pub keys: usize,
    /// How long a message waits for a key when none is left, in ms.
    pub patience_ms: u64,
    /// How old a key in reserve may become, in ms: some sources forget theirs.
    pub max_age_ms: u64,
}

impl Default for ReserveSettings {
    fn default() -> Self {
        Self {
            keys: 32,
            patience_ms: 2000,
            max_age_ms: 600_000,
        }
    }
}

/// A source of keys with some of them at hand. Its task ends when it is dropped.
#[derive(Debug)]
pub struct Reserve {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    source: Arc<dyn KeySource>,
    settings: ReserveSettings,
    stock: Mutex<Stock>,
    fetched: AtomicU64,
    /// Keys came, or the source failed.
    news: Notify,
    /// A key was taken.
    taken: Notify,
}

#[derive(Debug, Default)]
struct Stock {
    keys: VecDeque<(Key, Instant)>,
    /// Why the last attempt to fetch brought nothing.
    error: Option<SourceError>,
}

impl Reserve {
    /// Begins to fetch keys. Within a tokio runtime.
    pub fn start(source: Arc<dyn KeySource>, settings: ReserveSettings) -> Self {
        let shared = Arc::new(Shared {
            source,
            settings,
            stock: Mutex::default(),
            fetched: AtomicU64::new(0),
            news: Notify::new(),
            taken: Notify::new(),
        });
        let task = tokio::spawn(fill(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// A key to seal a message with; nobody else gets it.
    ///
    /// # Errors
    /// There is none in reserve, and none came within the patience.
    pub async fn take(&self) -> Result<Key, SourceError> {
        let shared = &self.shared;
        let until = Instant::now() + Duration::from_millis(shared.settings.patience_ms);
        loop {
            // Listened for before looking, so that nothing is missed in between.
            let mut news = std::pin::pin!(shared.news.notified());
            news.as_mut().enable();
            let key = shared.stock().take(shared.max_age());
            shared.taken.notify_one();
            match key {
                Ok(key) => return Ok(key),
                Err(Some(error)) if !error.is_transient() => return Err(error),
                Err(error) if timeout_at(until, news).await.is_err() => {
                    return Err(error.unwrap_or_else(|| SourceError::Shortage {
                        detail: "the source gives none in time".to_owned(),
                    }));
                }
                Err(_) => {}
            }
        }
    }

    /// Takes a key back that was taken and not used for anything.
    pub fn put_back(&self, key: Key) {
        self.shared.stock().keys.push_front((key, Instant::now()));
    }

    /// The key with which the other end has sealed a message.
    ///
    /// # Errors
    /// The source does not give it.
    pub async fn key(&self, id: KeyId) -> Result<Key, SourceError> {
        for pause in KEY_PAUSES {
            match self.shared.source.decryption_key(id).await {
                Err(error)
                    if error.is_transient() || matches!(error, SourceError::Unknown { .. }) =>
                {
                    sleep(pause).await;
                }
                outcome => return outcome,
            }
        }
        self.shared.source.decryption_key(id).await
    }

    /// Keys at hand.
    pub fn level(&self) -> usize {
        self.shared.stock().keys.len()
    }

    /// Keys fetched since the start.
    pub fn fetched(&self) -> u64 {
        self.shared.fetched.load(Ordering::Relaxed)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn max_age(&self) -> Duration {
        Duration::from_millis(self.settings.max_age_ms)
    }
}

impl Stock {
    fn take(&mut self, max_age: Duration) -> Result<Key, Option<SourceError>> {
        self.drop_old(max_age);
        match self.keys.pop_front() {
            Some((key, _)) => Ok(key),
            None => Err(self.error.clone()),
        }
    }

    fn drop_old(&mut self, max_age: Duration) {
        self.keys.retain(|(_, since)| since.elapsed() < max_age);
    }
}

async fn fill(shared: Arc<Shared>) {
    let mut pause = PAUSE_MIN;
    loop {
        let level = {
            let mut stock = shared.stock();
            stock.drop_old(shared.max_age());
            stock.keys.len()
        };
        let missing = shared.settings.keys.saturating_sub(level);
        if missing == 0 {
            // Looks again in time to replace what grows old.
            let _ = timeout(shared.max_age() / 4, shared.taken.notified()).await;
            continue;
        }
        match shared.source.encryption_keys(missing).await {
            Ok(keys) => {
                pause = PAUSE_MIN;
                shared
                    .fetched
                    .fetch_add(keys.len() as u64, Ordering::Relaxed);
                let mut stock = shared.stock();
                let now = Instant::now();
                stock.keys.extend(keys.into_iter().map(|key| (key, now)));
                stock.error = None;
            }
            Err(error) => {
                if shared.stock().error.as_ref() != Some(&error) {
                    tracing::warn!("no keys for a sealed link: {error}");
                }
                shared.stock().error = Some(error);
                shared.news.notify_waiters();
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        shared.news.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::AtomicBool;

    use futures_util::future::{BoxFuture, FutureExt, join_all};
    use uuid::Uuid;
    use zeroize::Zeroizing;

    use super::*;

    /// Numbers its keys; gives three at once, or none.
    #[derive(Debug, Default)]
    struct Counter {
        given: AtomicU64,
        is_dry: AtomicBool,
    }

    impl KeySource for Counter {
        fn encryption_keys(&self, count: usize) -> BoxFuture<'_, Result<Vec<Key>, SourceError>> {
            async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                if self.is_dry.load(Ordering::Relaxed) {
                    let detail = "dry".to_owned();
                    return Err(SourceError::Shortage { detail });
                }
                let next = || self.given.fetch_add(1, Ordering::Relaxed);
                let key = |number: u64| {
                    Key::new(
                        KeyId(Uuid::from_u128(number.into())),
                        Zeroizing::new([0; 32]),
                    )
                };
                Ok((0..count.min(3)).map(|_| key(next())).collect())
            }
            .boxed()
        }

        fn decryption_key(&self, id: KeyId) -> BoxFuture<'_, Result<Key, SourceError>> {
            let detail = String::new();
            std::future::ready(Err(SourceError::Unknown { id, detail })).boxed()
        }
    }

    fn reserve(settings: ReserveSettings) -> (Arc<Counter>, Reserve) {
        let source = Arc::<Counter>::default();
        (source.clone(), Reserve::start(source, settings))
    }

    #[tokio::test]
    async fn no_key_is_given_twice_however_many_ask() {
        let (_, reserve) = reserve(ReserveSettings::default());
        let takes = (0..500).map(|_| async { reserve.take().await.unwrap().id });
        let ids: HashSet<KeyId> = join_all(takes).await.into_iter().collect();
        assert_eq!(ids.len(), 500);
    }

    #[tokio::test]
    async fn the_reserve_is_filled_ahead_and_no_further() {
        let (source, reserve) = reserve(ReserveSettings::default());
        while reserve.level() < 32 {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(50)).await;
        assert_eq!(source.given.load(Ordering::Relaxed), 32);
        let key = reserve.take().await.unwrap();
        let id = key.id;
        reserve.put_back(key);
        assert_eq!(reserve.take().await.unwrap().id, id);
    }

    #[tokio::test]
    async fn a_dry_source_is_an_error_after_the_patience_and_none_when_it_flows_again() {
        let (source, reserve) = reserve(ReserveSettings {
            patience_ms: 300,
            keys: 1,
            ..ReserveSettings::default()
        });
        reserve.take().await.unwrap();
        source.is_dry.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let error = loop {
            if let Err(error) = reserve.take().await {
                break error;
            }
        };
        assert!(matches!(error, SourceError::Shortage { .. }));
        assert!(began.elapsed() >= Duration::from_millis(300));
        source.is_dry.store(false, Ordering::Relaxed);
        sleep(PAUSE_MAX).await;
        reserve.take().await.unwrap();
    }

    #[tokio::test]
    async fn old_keys_are_replaced() {
        let (source, reserve) = reserve(ReserveSettings {
            keys: 2,
            max_age_ms: 100,
            ..ReserveSettings::default()
        });
        while reserve.level() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(400)).await;
        assert!(source.given.load(Ordering::Relaxed) >= 4);
        let id = reserve.take().await.unwrap().id;
        assert!(id.0.as_u128() >= 2);
    }
}
