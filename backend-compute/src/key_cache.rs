//! Expanded evaluation keys, kept for the next image.
//!
//! A key takes a hundred megabytes and nearly a second to expand, so it is expanded once for all who
//! ask for it at the same time, and kept while there is room. What is kept, and what is being
//! expanded, never takes more bytes than configured: the key that was used least recently goes first,
//! and none that is in use. Where all are in use, who wants another waits in line; a key that has
//! served for a while is then lent to nobody else until it has made room.
//!
//! A key is kept under the vault that it came from, and is never lent for another vault.

mod room;
mod slots;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{KeyId, VaultId};
use tokio::sync::watch;
use tokio::time::Instant;

use self::slots::{Claim, Slots, Standing};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::storage::Trouble;

/// How long a key serves, once it is there, before it has to make room for those that wait.
pub const RESIDENCE: Duration = Duration::from_secs(5);

/// Which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyName {
    /// The vault that it is kept in.
    pub vault: VaultId,
    /// The secret key that it belongs to.
    pub key: KeyId,
    /// Its parameter set.
    pub parameters: ParameterSetId,
}

/// Why a key did not come.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// For a reason that all who want it share.
    OfKey(Trouble),
    /// For the grant of whoever asked first; another's may do.
    OfGrant(Trouble),
}

/// The keys. Generic so that its tests need no real ones.
#[derive(Debug)]
pub struct KeyCache<K>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K> {
    bytes_max: u64,
    residence: Duration,
    slots: Mutex<Slots<K>>,
    /// Who waits for room, first come, first served.
    line: tokio::sync::Mutex<()>,
    /// Told whenever a key is given back or goes.
    changed: tokio::sync::Notify,
    metrics: Arc<Metrics>,
}

/// A key on loan. It stays in memory until it is given back, by dropping this.
#[derive(Debug)]
pub struct Lent<K: Send + Sync + 'static> {
    key: Arc<K>,
    _claim: Claim<K>,
}

impl<K: Send + Sync + 'static> std::ops::Deref for Lent<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.key
    }
}

impl<K: Send + Sync + 'static> KeyCache<K> {
    /// A cache without keys.
    pub fn new(bytes_max: u64, residence: Duration, metrics: Arc<Metrics>) -> Self {
        metrics.key_cache_bytes_max.set(bytes_max);
        Self(Arc::new(Shared {
            bytes_max,
            residence,
            slots: Mutex::default(),
            line: tokio::sync::Mutex::default(),
            changed: tokio::sync::Notify::new(),
            metrics,
        }))
    }

    /// The keys that are here or on their way.
    pub fn names(&self) -> Vec<KeyName> {
        self.0.slots().names()
    }

    /// Lends the key of this name, which takes so many bytes. If it is not there, `load` brings it,
    /// on a task of its own that goes on as long as anybody waits for it. If that fails, all who wait
    /// are told, and whoever asks next tries again.
    ///
    /// Dropping the future stops waiting.
    ///
    /// # Errors
    /// What `load` says.
    pub async fn lend<F>(
        &self,
        name: KeyName,
        bytes: u64,
        load: impl Fn() -> F,
    ) -> Result<Lent<K>, Trouble>
    where
        F: Future<Output = Result<K, Failure>> + Send + 'static,
    {
        loop {
            // Before looking, so that no change falls in between.
            let changed = self.0.changed.notified();
            let (claim, mut told, ours) = match self.0.claim(name) {
                Standing::Here(key, claim) => return Ok(Lent { key, _claim: claim }),
                Standing::Leaving => {
                    changed.await;
                    continue;
                }
                Standing::Coming(claim, told) => (claim, told, false),
                Standing::Absent(claim, tell) => {
                    let told = tell.subscribe();
                    self.0.bring(claim.ticket(), bytes, load(), tell);
                    (claim, told, true)
                }
            };
            // An error of the channel means that the loading broke.
            let outcome = match told.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => None,
            };
            match outcome {
                Some(Ok(key)) => return Ok(Lent { key, _claim: claim }),
                Some(Err(Failure::OfGrant(_))) if !ours => {}
                Some(Err(Failure::OfKey(trouble) | Failure::OfGrant(trouble))) => {
                    return Err(trouble);
                }
                None => return Err(Trouble::Refused(Error::BrokenOff.problem())),
            }
        }
    }
}

/// What a waiter is told in the end.
type Outcome<K> = Option<Result<Arc<K>, Failure>>;

impl<K: Send + Sync + 'static> Shared<K> {
    fn claim(self: &Arc<Self>, name: KeyName) -> Standing<K> {
        let standing = self.slots().claim(self, name);
        let counter = match standing {
            Standing::Here(..) => &self.metrics.key_cache_hits,
            Standing::Coming(..) | Standing::Absent(..) => &self.metrics.key_cache_misses,
            Standing::Leaving => return standing,
        };
        counter.inc();
        standing
    }

    /// Starts to load the key of a slot.
    fn bring<F>(
        self: &Arc<Self>,
        ticket: slots::Ticket,
        bytes: u64,
        load: F,
        tell: watch::Sender<Outcome<K>>,
    ) where
        F: Future<Output = Result<K, Failure>> + Send + 'static,
    {
        let shared = Arc::clone(self);
        let task = tokio::spawn(async move {
            let room = shared.room(bytes).await;
            let loaded = load.await.map(Arc::new);
            match &loaded {
                Ok(key) => {
                    shared.metrics.key_expansions.inc();
                    let (bytes, now) = (room.keep(), Instant::now());
                    shared.slots().arrived(ticket, Arc::clone(key), bytes, now);
                }
                Err(_) => shared.slots().failed(ticket),
            }
            tell.send_replace(Some(loaded));
            shared.tell_changed();
        });
        self.slots().comes_by(ticket, task.abort_handle());
    }

    fn slots(&self) -> MutexGuard<'_, Slots<K>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After slots changed: wakes those who wait, and shows the figures.
    fn tell_changed(&self) {
        let ((keys, bytes), evicted) = {
            let mut slots = self.slots();
            (slots.in_memory(), slots.evicted())
        };
        self.metrics.key_cache_evictions.inc_by(evicted);
        self.metrics.key_cache_keys.set(keys);
        self.metrics.key_cache_bytes.set(bytes);
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
