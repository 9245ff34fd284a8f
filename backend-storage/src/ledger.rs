//! How much each vault holds: counted once from the store, then kept up to date.
//!
//! A vault's slot is also the lock under which its content changes, so that the limits hold exactly
//! within one process. Several processes on one store see each other's changes when they count
//! again; there the limits hold to within a minute.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use darkroom_api::problem::{Quota, QuotaUnit};
use futures_util::TryStreamExt;
use tokio::sync::OwnedMutexGuard;

use crate::config::Limits;
use crate::error::Error;
use crate::keys::{Content, content_key, parse_content_key};
use crate::store::Store;
use crate::vaults::OpenVault;

const RECOUNT_AFTER: Duration = Duration::from_secs(60);

/// What a vault holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Objects.
    pub(crate) objects: u64,
    /// Objects, and notes without their object.
    pub(crate) entries: u64,
    /// Bytes of the objects.
    pub(crate) bytes: u64,
}

impl Usage {
    /// Checks that there is room for so much more.
    pub(crate) fn check(&self, limits: &Limits, entries: u64, bytes: u64) -> Result<(), Error> {
        if self.entries + entries > limits.objects {
            return Err(Error::VaultFull(Quota {
                unit: QuotaUnit::Objects,
                used: self.entries,
                max: limits.objects,
                free_at_ms: None,
            }));
        }
        if self.bytes.saturating_add(bytes) > limits.vault_bytes {
            return Err(Error::VaultFull(Quota {
                unit: QuotaUnit::Bytes,
                used: self.bytes,
                max: limits.vault_bytes,
                free_at_ms: None,
            }));
        }
        Ok(())
    }
}

/// A vault's place in the ledger, and the right to change what it holds.
pub(crate) struct Account {
    slot: OwnedMutexGuard<Option<Counted>>,
}

struct Counted {
    usage: Usage,
    at: Instant,
}

impl Account {
    /// What the vault holds.
    pub(crate) fn usage(&self) -> Usage {
        self.slot
            .as_ref()
            .map(|counted| counted.usage)
            .unwrap_or_default()
    }

    /// Writes down a change.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Usage)) {
        if let Some(counted) = self.slot.as_mut() {
            change(&mut counted.usage);
        }
    }

    /// Forgets the count, because a change failed half-way.
    pub(crate) fn forget(&mut self) {
        *self.slot = None;
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<Counted>>>;

/// All accounts.
#[derive(Default)]
pub(crate) struct Ledger {
    slots: Mutex<HashMap<OpenVault, Slot>>,
}

impl Ledger {
    /// The account of a vault, for this task alone until it is dropped.
    pub(crate) async fn account(&self, store: &Store, vault: OpenVault) -> Result<Account, Error> {
        let slot = Arc::clone(self.lock().entry(vault).or_default());
        let mut slot = slot.lock_owned().await;
        if slot
            .as_ref()
            .is_none_or(|counted| counted.at.elapsed() > RECOUNT_AFTER)
        {
            *slot = None;
            let usage = count(store, vault).await?;
            *slot = Some(Counted {
                usage,
                at: Instant::now(),
            });
        }
        Ok(Account { slot })
    }

    /// Drops the accounts that nobody uses now.
    pub(crate) fn forget_idle(&self) {
        self.lock().retain(|_, slot| Arc::strong_count(slot) > 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OpenVault, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what a vault holds.
pub(crate) async fn count(store: &Store, vault: OpenVault) -> Result<Usage, Error> {
    let mut usage = Usage::default();
    let mut entries = HashSet::new();
    let mut listed = store.list(&content_key(vault));
    while let Some(meta) = listed.try_next().await? {
        let Some((content, kind, id)) = parse_content_key(&meta.location) else {
            continue;
        };
        entries.insert((kind, id));
        if content == Content::Object {
            usage.objects += 1;
            usage.bytes += meta.size;
        }
    }
    usage.entries = entries.len() as u64;
    Ok(usage)
}
