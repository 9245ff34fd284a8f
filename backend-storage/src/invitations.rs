//! Who may open a new vault, and the invitations for it.
//!
//! | key | content |
//! |---|---|
//! | `invitations/{sha256}` | until when the invitation of this hash is good |
//! | `invitations-used/{sha256}` | for which vault and token it was used: made create-only, so of two that bring it at once one wins, whichever process they ask |
//!
//! An invitation stands for one vault. Whoever opened that one may try again with the same token, so
//! that a lost answer or a crash after the mark costs nobody an invitation; the vault may also be
//! deleted and opened again with it, until it ends.

use std::time::{Duration, SystemTime};

use darkroom_api::ids::VaultId;
use darkroom_api::token::{Token, TokenHash};
use futures_util::TryStreamExt;
use object_store::PutMode;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::{ms_of, now_ms};
use crate::config::Config;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::store::Store;

const MADE: &str = "invitations";
const USED: &str = "invitations-used";

/// Who may open a new vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opening {
    /// Everyone who reaches storage.
    #[default]
    Open,
    /// Whoever brings an invitation of the operator.
    Invitation,
    /// Nobody.
    Closed,
}

#[derive(Serialize, Deserialize)]
struct Made {
    not_after_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Used {
    vault: VaultId,
    token_sha256: TokenHash,
}

/// The invitations of a store.
#[derive(Debug, Clone)]
pub(crate) struct Invitations {
    store: Store,
}

impl Invitations {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Makes an invitation; its secret is nowhere but in the answer.
    async fn make(&self, valid_ms: u64) -> Result<Token, Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| Error::Randomness)?;
        let token = Token::new(secret);
        let made = Made {
            not_after_ms: now_ms()?.saturating_add(valid_ms),
        };
        let json = serde_json::to_vec(&made).map_err(|_| Error::Task)?;
        let key = key(MADE, token.hash());
        self.store.put(&key, json, PutMode::Create).await?;
        Ok(token)
    }

    /// Whether the invitation opens this vault for this token.
    pub(crate) async fn check(
        &self,
        invitation: TokenHash,
        vault: VaultId,
        token: TokenHash,
    ) -> Result<(), Error> {
        // Both are read in any case: what is wrong with an invitation is not told by time either.
        let made: Option<Made> = self.read(&key(MADE, invitation)).await?;
        let used: Option<Used> = self.read(&key(USED, invitation)).await?;
        let now = now_ms()?;
        let is_free = used.is_none_or(|used| used.is_for(vault, token));
        if is_free && made.is_some_and(|made| now < made.not_after_ms) {
            Ok(())
        } else {
            Err(Error::InvitationRefused)
        }
    }

    /// Uses up an invitation that was checked.
    pub(crate) async fn take(
        &self,
        invitation: TokenHash,
        vault: VaultId,
        token: TokenHash,
    ) -> Result<(), Error> {
        let used = Used {
            vault,
            token_sha256: token,
        };
        let json = serde_json::to_vec(&used).map_err(|_| Error::Task)?;
        let key = key(USED, invitation);
        if self.store.put(&key, json, PutMode::Create).await? {
            return Ok(());
        }
        let used: Option<Used> = self.read(&key).await?;
        if used.is_some_and(|used| used.is_for(vault, token)) {
            Ok(())
        } else {
            Err(Error::InvitationRefused)
        }
    }

    /// Removes invitations that ended, first their marks' cause and then their marks. How many.
    pub(crate) async fn sweep(&self, now: SystemTime) -> Result<u64, Error> {
        let now = ms_of(now)?;
        let mut count = 0;
        let mut listed = self.store.list(&Path::from(MADE));
        while let Some(meta) = listed.try_next().await? {
            let made: Option<Made> = self.read(&meta.location).await?;
            if made.is_none_or(|made| now < made.not_after_ms) {
                continue;
            }
            self.store.delete_durably(&meta.location).await?;
            count += 1;
            if let Some(name) = meta.location.filename() {
                self.store.delete(&Path::from_iter([USED, name])).await?;
            }
        }
        Ok(count)
    }

    async fn read<T: DeserializeOwned>(&self, key: &Path) -> Result<Option<T>, Error> {
        let Some(json) = self.store.read(key).await? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&json);
        read.map(Some).map_err(|_| Error::Damaged {
            what: "an invitation",
        })
    }
}

impl Used {
    fn is_for(&self, vault: VaultId, token: TokenHash) -> bool {
        self.vault == vault && self.token_sha256 == token
    }
}

fn key(folder: &str, invitation: TokenHash) -> Path {
    Path::from(format!("{folder}/{invitation}"))
}

/// Makes invitations in the store of this configuration, beside a running storage or before it
/// starts. They are kept nowhere: whoever calls hands them on.
///
/// # Errors
/// The configuration is not valid, or the store cannot be written.
pub async fn invite(config: Config, count: u32, valid: Duration) -> Result<Vec<Token>, Error> {
    config.validate()?;
    let invitations = Invitations::new(Store::open(&config, &Metrics::new()?).await?);
    let valid_ms = u64::try_from(valid.as_millis()).unwrap_or(u64::MAX);
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(invitations.make(valid_ms).await?);
    }
    Ok(made)
}
