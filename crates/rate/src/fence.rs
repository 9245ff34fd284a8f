//! The buckets, and what was learnt of addresses and credentials.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;

use crate::settings::{ProxyHeader, RateError, RateSettings, quota};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a credential that was good is taken for good.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);
/// How often what is full again is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Whoever comes when there is no more room shares one of so many buckets with others.
const SHARED: u64 = 1024;

/// A hash under a key of this process: nobody can aim at another's bucket.
type Key = u64;

/// Who asks for what, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// From where, if that counts.
    pub(crate) address: Option<Key>,
    /// With what for which vault.
    pub(crate) who: Option<Key>,
    /// Whether a vault is to be opened.
    pub(crate) opens: bool,
}

/// What keeps a service from being asked too often. One for all its threads.
#[derive(Debug)]
pub struct Fence<C: Clock = DefaultClock> {
    clock: C,
    hasher: RandomState,
    keys: usize,
    pub(crate) proxies: Vec<IpNet>,
    pub(crate) proxies_say: ProxyHeader,
    owner: Option<Buckets<C>>,
    address: Option<Buckets<C>>,
    refused: Option<Buckets<C>>,
    opened: Option<Buckets<C>>,
    /// Credentials that were good, and until when that counts.
    good: Mutex<HashMap<Key, C::Instant>>,
    /// Addresses from which too much was refused, and until when they wait.
    waiting: Mutex<HashMap<Key, C::Instant>>,
    tidy_at: Mutex<C::Instant>,
}

type Limiter<C> =
    RateLimiter<Key, HashMapStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One bucket a key, and not many more than `keys` of them.
#[derive(Debug)]
struct Buckets<C: Clock> {
    limiter: Limiter<C>,
    keys: usize,
}

impl Fence {
    /// With these settings.
    ///
    /// # Errors
    /// One of them makes no sense.
    pub fn new(settings: &RateSettings) -> Result<Self, RateError> {
        Self::with_clock(settings, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Fence<C> {
    pub(crate) fn with_clock(settings: &RateSettings, clock: C) -> Result<Self, RateError> {
        settings.check()?;
        let buckets = |quota: Option<Quota>| {
            quota.map(|quota| Buckets {
                limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()),
                keys: settings.keys,
            })
        };
        let s = settings;
        Ok(Self {
            owner: buckets(quota(s.owner_per_s, SECOND, s.owner_burst)),
            address: buckets(quota(s.address_per_s, SECOND, s.address_burst)),
            refused: buckets(quota(s.refused_per_min, MINUTE, s.refused_burst)),
            opened: buckets(quota(s.opened_per_min, MINUTE, s.opened_burst)),
            hasher: RandomState::new(),
            keys: s.keys,
            proxies: s.proxies.clone(),
            proxies_say: s.proxies_say,
            good: Mutex::default(),
            waiting: Mutex::default(),
            tidy_at: Mutex::new(clock.now() + Nanos::from(TIDY_EVERY)),
            clock,
        })
    }

    /// What the fence needs to know of a request.
    pub(crate) fn asked(
        &self,
        address: Option<IpAddr>,
        who: Option<(&str, &[u8])>,
        opens: bool,
    ) -> Asked {
        Asked {
            address: address.map(|address| self.key(address)),
            who: who.map(|who| self.key(who)),
            opens,
        }
    }

    /// Lets a request in, or says how long to wait.
    pub(crate) fn admit(&self, asked: Asked) -> Result<(), Duration> {
        self.tidy();
        let now = self.clock.now();
        if let (Some(buckets), Some(address)) = (&self.address, asked.address) {
            buckets.take(address, now)?;
        }
        if let (Some(buckets), Some(who)) = (&self.owner, asked.who) {
            buckets.take(who, now)?;
        }
        let Some(address) = asked.address.filter(|_| !self.is_good(asked.who)) else {
            return Ok(());
        };
        // Whoever brings nothing may go on to look at the page and at the models.
        let waits = asked
            .who
            .and_then(|_| self.waiting().get(&address).copied());
        if let Some(until) = waits.filter(|&until| until > now) {
            return Err(until.duration_since(now).into());
        }
        match &self.opened {
            Some(buckets) if asked.opens => buckets.take(address, now),
            _ => Ok(()),
        }
    }

    /// Learns from what became of a request.
    pub(crate) fn learn(&self, asked: Asked, status: u16) {
        let now = self.clock.now();
        match (status, asked.who) {
            (200..=399, Some(who)) => {
                let mut good = self.good();
                if good.len() < self.keys || good.contains_key(&who) {
                    good.insert(who, now + Nanos::from(GOOD_FOR));
                }
            }
            (401 | 403, _) if !self.is_good(asked.who) => {
                let (Some(buckets), Some(address)) = (&self.refused, asked.address) else {
                    return;
                };
                if let Err(wait) = buckets.take(address, now) {
                    let mut waiting = self.waiting();
                    if waiting.len() < self.keys || waiting.contains_key(&address) {
                        waiting.insert(address, now + Nanos::from(wait));
                    }
                }
            }
            _ => {}
        }
    }

    fn is_good(&self, who: Option<Key>) -> bool {
        let until = who.and_then(|who| self.good().get(&who).copied());
        until.is_some_and(|until| until > self.clock.now())
    }

    /// Forgets buckets that are full again, and what is over.
    fn tidy(&self) {
        let now = self.clock.now();
        {
            let mut tidy_at = lock(&self.tidy_at);
            if *tidy_at > now {
                return;
            }
            *tidy_at = now + Nanos::from(TIDY_EVERY);
        }
        for buckets in [&self.owner, &self.address, &self.refused, &self.opened]
            .into_iter()
            .flatten()
        {
            buckets.limiter.retain_recent();
        }
        self.good().retain(|_, until| *until > now);
        self.waiting().retain(|_, until| *until > now);
    }

    fn key(&self, of: impl Hash) -> Key {
        self.hasher.hash_one(of)
    }

    fn good(&self) -> MutexGuard<'_, HashMap<Key, C::Instant>> {
        lock(&self.good)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Key, C::Instant>> {
        lock(&self.waiting)
    }
}

impl<C: Clock> Buckets<C> {
    /// Takes one from a key's bucket, or says when there will be one.
    fn take(&self, key: Key, now: C::Instant) -> Result<(), Duration> {
        let key = match self.limiter.len() < self.keys {
            true => key,
            false => key % SHARED,
        };
        let taken = self.limiter.check_key(&key);
        taken.map_err(|until| until.wait_time_from(now))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
