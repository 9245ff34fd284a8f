//! The tokens of vaults: the owner's present one, and limited ones.
//!
//! | key under the vault's content | content |
//! |---|---|
//! | `tokens/{id}` | a limited token, or that this one became the owner's by rotation |
//! | `replaced/{id}` | by which token this owner's token was replaced; made create-only |
//!
//! The vault's record is never written again: it holds the first owner's token. A rotation happens in
//! the instant in which `replaced/` of the present token appears, so that of two at once one wins,
//! whichever process they ask, and the old token is refused by all of them from then on. What comes
//! after that instant is finished by the same request asked again.

use darkroom_api::access::{TokenInfo, TokenRequest};
use darkroom_api::audit::Who;
use darkroom_api::ids::{TokenId, VaultId};
use darkroom_api::problem::{Quota, QuotaUnit};
use darkroom_api::token::TokenHash;
use futures_util::{StreamExt, TryStreamExt, stream, try_join};
use object_store::PutMode;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::error::Error;
use crate::keys::content_key;
use crate::limited::Limited;
use crate::store::Store;
use crate::vaults::{Epoch, OpenVault, Opened, Vaults};

/// How many tokens of a list are read in parallel.
const LIST_PARALLEL: usize = 8;
/// How many tokens are kept for each that may be live, so that the owner sees what was revoked.
const KEPT_FACTOR: usize = 2;

/// What is stored of a token that is not the vault's first.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    token_sha256: TokenHash,
    role: Role,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Role {
    Owner,
    Limited(Limited),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Replaced {
    by_sha256: TokenHash,
}

/// What a token is to a vault.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// The owner's.
    Owner(Opened),
    /// A limited one that is good now.
    Limited(Opened, TokenId, Limited),
    /// Nothing, or nothing any more; then it is still known whose it was.
    Refused(Option<(OpenVault, Former)>),
}

/// What a token was.
#[derive(Debug, Clone)]
pub(crate) enum Former {
    /// The owner's, before it was rotated.
    Owner,
    /// A limited one that ended or was revoked.
    Limited(TokenId, Limited),
}

impl Former {
    /// Who holds it, as the log says it.
    pub(crate) fn who(self) -> Who {
        match self {
            Self::Owner => Who::FormerOwner,
            Self::Limited(id, limited) => Who::Token {
                id,
                label: limited.label,
            },
        }
    }
}

/// The tokens of all vaults.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    store: Store,
    vaults: Vaults,
    live_max: usize,
}

impl Tokens {
    pub(crate) fn new(store: Store, vaults: Vaults, live_max: usize) -> Self {
        Self {
            store,
            vaults,
            live_max,
        }
    }

    /// What a token is to a vault. The same is read and compared whatever the answer, also for a
    /// vault that is not there, and hashes are compared in constant time.
    pub(crate) async fn find(&self, id: VaultId, token: TokenHash) -> Result<Standing, Error> {
        let record = self.vaults.record(id).await?;
        // No epoch is 0 save by a chance of 2^-128: nothing is there.
        let epoch = record.as_ref().map_or(Epoch(0), |record| record.epoch);
        let vault = OpenVault { id, epoch };
        let (kept, replaced) = try_join!(
            self.kept(vault, token.id()),
            self.replaced(vault, token.id()),
        )?;
        let first = record
            .as_ref()
            .map_or(TokenHash([0; 32]), |r| r.token_sha256);
        let is_first = first == token;
        let Some(record) = record else {
            return Ok(Standing::Refused(None));
        };
        let opened = Opened {
            vault,
            created_ms: record.created_ms,
            is_new: false,
        };
        let role = kept
            .filter(|kept| kept.token_sha256 == token)
            .map(|kept| kept.role);
        let now = now_ms()?;
        Ok(match role {
            Some(Role::Limited(limited)) if limited.is_live(now) => {
                Standing::Limited(opened, token.id(), limited)
            }
            Some(Role::Limited(limited)) => {
                Standing::Refused(Some((vault, Former::Limited(token.id(), limited))))
            }
            None if !is_first => Standing::Refused(None),
            Some(Role::Owner) | None if replaced.is_some() => {
                Standing::Refused(Some((vault, Former::Owner)))
            }
            Some(Role::Owner) | None => Standing::Owner(opened),
        })
    }

    /// Whether a limited token is good now, for what was signed in its name.
    pub(crate) async fn is_live(&self, vault: OpenVault, id: TokenId) -> Result<bool, Error> {
        let now = now_ms()?;
        Ok(match self.kept(vault, id).await?.map(|kept| kept.role) {
            Some(Role::Limited(limited)) => limited.is_live(now),
            Some(Role::Owner) | None => false,
        })
    }

    /// Puts a new owner's token in the place of the present one.
    pub(crate) async fn rotate(
        &self,
        vault: OpenVault,
        old: TokenHash,
        new: TokenHash,
    ) -> Result<(), Error> {
        if old == new {
            return Ok(());
        }
        self.check_unused(vault, new).await?;
        let json = to_json(&Replaced { by_sha256: new })?;
        let key = replaced_key(vault, old.id());
        if !self.store.put(&key, json, PutMode::Create).await? {
            return if self.finish_rotation(vault, old, new).await? {
                Ok(())
            } else {
                Err(Error::Unauthorized)
            };
        }
        self.become_owner(vault, new).await
    }

    /// Finishes a rotation from this token to that one if it was begun. Changes nothing otherwise.
    pub(crate) async fn finish_rotation(
        &self,
        vault: OpenVault,
        old: TokenHash,
        new: TokenHash,
    ) -> Result<bool, Error> {
        let replaced = self.replaced(vault, old.id()).await?;
        if replaced.is_none_or(|replaced| replaced.by_sha256 != new) {
            return Ok(false);
        }
        self.become_owner(vault, new).await?;
        Ok(true)
    }

    async fn become_owner(&self, vault: OpenVault, token: TokenHash) -> Result<(), Error> {
        let kept = Kept {
            token_sha256: token,
            role: Role::Owner,
        };
        // Over a limited token that was made of the same secret meanwhile: the owner's goes first.
        let key = token_key(vault, token.id());
        self.store
            .put(&key, to_json(&kept)?, PutMode::Overwrite)
            .await?;
        Ok(())
    }

    /// Makes a limited token; whether it is new.
    pub(crate) async fn make(
        &self,
        vault: OpenVault,
        owner: TokenHash,
        wanted: &TokenRequest,
    ) -> Result<(TokenInfo, bool), Error> {
        let id = wanted.token_sha256.id();
        if wanted.token_sha256 == owner {
            return Err(Error::TokenExists);
        }
        let now = now_ms()?;
        let limited = Limited {
            label: wanted.label.clone(),
            scope: wanted.scope,
            created_ms: now,
            not_after_ms: wanted.not_after_ms,
            revoked_ms: None,
        };
        if let Some(found) = self.same(vault, wanted, &limited).await? {
            return Ok((found.info(id), false));
        }
        self.check_unused(vault, wanted.token_sha256).await?;
        self.make_room(vault, now).await?;
        let kept = Kept {
            token_sha256: wanted.token_sha256,
            role: Role::Limited(limited.clone()),
        };
        let key = token_key(vault, id);
        if self
            .store
            .put(&key, to_json(&kept)?, PutMode::Create)
            .await?
        {
            return Ok((limited.info(id), true));
        }
        let found = self.same(vault, wanted, &limited).await?;
        let found = found.ok_or(Error::TokenExists)?;
        Ok((found.info(id), false))
    }

    /// The same limited token, if an earlier try made it and it was not revoked since.
    async fn same(
        &self,
        vault: OpenVault,
        wanted: &TokenRequest,
        limited: &Limited,
    ) -> Result<Option<Limited>, Error> {
        let kept = self.kept(vault, wanted.token_sha256.id()).await?;
        let kept = kept.filter(|kept| kept.token_sha256 == wanted.token_sha256);
        let Some(Kept { role, .. }) = kept else {
            return Ok(None);
        };
        Ok(match role {
            Role::Limited(found) => Some(found).filter(|found| found.is_same(limited)),
            Role::Owner => None,
        })
    }

    /// Refuses a secret that is or was a token of the vault.
    async fn check_unused(&self, vault: OpenVault, token: TokenHash) -> Result<(), Error> {
        let (kept, replaced) = try_join!(
            self.kept(vault, token.id()),
            self.replaced(vault, token.id()),
        )?;
        if kept.is_some() || replaced.is_some() {
            return Err(Error::TokenExists);
        }
        Ok(())
    }

    /// Refuses one live token too many; forgets the oldest of the others. Several at once may get
    /// past the limit by as many as they are.
    async fn make_room(&self, vault: OpenVault, now: u64) -> Result<(), Error> {
        let all = self.list(vault).await?;
        let live = all.iter().filter(|token| token.is_live(now)).count();
        if live >= self.live_max {
            return Err(Error::TooManyTokens(Quota {
                unit: QuotaUnit::Tokens,
                used: live as u64,
                max: self.live_max as u64,
                free_at_ms: None,
            }));
        }
        let over = (all.len() + 1).saturating_sub(self.live_max.saturating_mul(KEPT_FACTOR));
        let ended = all.iter().filter(|token| !token.is_live(now)).take(over);
        for token in ended {
            self.store.delete(&token_key(vault, token.id)).await?;
        }
        Ok(())
    }

    /// All limited tokens of a vault that are kept, oldest first.
    pub(crate) async fn list(&self, vault: OpenVault) -> Result<Vec<TokenInfo>, Error> {
        let listed = self
            .store
            .list(&Path::from(format!("{}/tokens", content_key(vault))));
        let ids: Vec<TokenId> = listed
            .try_filter_map(|meta| async move {
                let name = meta.location.filename();
                Ok(name.and_then(|name| name.parse::<TokenId>().ok()))
            })
            .try_collect()
            .await?;
        let mut tokens: Vec<TokenInfo> = stream::iter(ids)
            .map(|id| async move { Ok::<_, Error>((id, self.kept(vault, id).await?)) })
            .buffered(LIST_PARALLEL)
            .try_filter_map(|(id, kept)| async move {
                Ok(match kept.map(|kept| kept.role) {
                    Some(Role::Limited(limited)) => Some(limited.info(id)),
                    Some(Role::Owner) | None => None,
                })
            })
            .try_collect()
            .await?;
        tokens.sort_by_key(|token| (token.created_ms, token.id));
        Ok(tokens)
    }

    /// Revokes a limited token: every process refuses it from here on. Twice is no error.
    pub(crate) async fn revoke(&self, vault: OpenVault, id: TokenId) -> Result<(), Error> {
        let kept = self.kept(vault, id).await?.ok_or(Error::NoToken)?;
        let Role::Limited(mut limited) = kept.role else {
            return Err(Error::NoToken);
        };
        if limited.revoked_ms.is_some() {
            return Ok(());
        }
        limited.revoked_ms = Some(now_ms()?);
        let revoked = Kept {
            token_sha256: kept.token_sha256,
            role: Role::Limited(limited),
        };
        self.store
            .put(
                &token_key(vault, id),
                to_json(&revoked)?,
                PutMode::Overwrite,
            )
            .await?;
        Ok(())
    }

    async fn kept(&self, vault: OpenVault, id: TokenId) -> Result<Option<Kept>, Error> {
        self.read(&token_key(vault, id)).await
    }

    async fn replaced(&self, vault: OpenVault, id: TokenId) -> Result<Option<Replaced>, Error> {
        self.read(&replaced_key(vault, id)).await
    }

    async fn read<T: DeserializeOwned>(&self, key: &Path) -> Result<Option<T>, Error> {
        let Some(json) = self.store.read(key).await? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&json);
        read.map(Some)
            .map_err(|_| Error::Damaged { what: "a token" })
    }
}

fn to_json(content: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(content).map_err(|_| Error::Task)
}

fn token_key(vault: OpenVault, id: TokenId) -> Path {
    Path::from(format!("{}/tokens/{id}", content_key(vault)))
}

fn replaced_key(vault: OpenVault, id: TokenId) -> Path {
    Path::from(format!("{}/replaced/{id}", content_key(vault)))
}
