//! Vaults: their records, and what opens them.

use std::fmt;
use std::str::FromStr;

use darkroom_api::ids::VaultId;
use darkroom_api::token::TokenHash;
use object_store::PutMode;
use serde::{Deserialize, Serialize, de};

use crate::chain::log_key;
use crate::clock::now_ms;
use crate::error::Error;
use crate::keys::{content_key, random_u128, record_key};
use crate::store::Store;

/// One life of a vault, from its opening to its deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct OpenVault {
    /// The vault.
    pub(crate) id: VaultId,
    /// Drawn when it was opened: a vault that is opened again finds nothing of its former life.
    pub(crate) epoch: Epoch,
}

impl fmt::Display for OpenVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.id, self.epoch)
    }
}

impl FromStr for OpenVault {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, EpochError> {
        let (id, epoch) = text.split_once('-').ok_or(EpochError)?;
        Ok(Self {
            id: id.parse().map_err(|_| EpochError)?,
            epoch: epoch.parse()?,
        })
    }
}

/// 128 random bits, written as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Epoch(pub(crate) u128);

/// A text is not an epoch.
#[derive(Debug, thiserror::Error)]
#[error("an epoch is 32 lower-case hexadecimal digits")]
pub(crate) struct EpochError;

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, EpochError> {
        let epoch = Self(u128::from_str_radix(text, 16).map_err(|_| EpochError)?);
        if epoch.to_string() == text {
            Ok(epoch)
        } else {
            Err(EpochError)
        }
    }
}

impl Serialize for Epoch {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// What is stored of a vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) epoch: Epoch,
    /// The first owner's token; rotations leave it as it is.
    pub(crate) token_sha256: TokenHash,
    pub(crate) created_ms: u64,
}

impl Record {
    fn opened(&self, id: VaultId) -> Opened {
        Opened {
            vault: OpenVault {
                id,
                epoch: self.epoch,
            },
            created_ms: self.created_ms,
            is_new: false,
        }
    }
}

/// An opened vault as its owner sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    /// The vault.
    pub(crate) vault: OpenVault,
    /// When it was opened, Unix time.
    pub(crate) created_ms: u64,
    /// Whether this call opened it.
    pub(crate) is_new: bool,
}

/// The vaults' records.
#[derive(Debug, Clone)]
pub(crate) struct Vaults {
    store: Store,
}

impl Vaults {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Opens a vault for the first time; nothing if it is open already.
    pub(crate) async fn create(
        &self,
        id: VaultId,
        token: TokenHash,
    ) -> Result<Option<Opened>, Error> {
        let record = Record {
            epoch: Epoch(random_u128()?),
            token_sha256: token,
            created_ms: now_ms()?,
        };
        let json = serde_json::to_vec(&record).map_err(|_| Error::Task)?;
        let is_new = self
            .store
            .put(&record_key(id), json, PutMode::Create)
            .await?;
        Ok(is_new.then(|| Opened {
            is_new,
            ..record.opened(id)
        }))
    }

    /// This life of the vault, if it goes on.
    pub(crate) async fn opened(&self, vault: OpenVault) -> Result<Option<Opened>, Error> {
        let record = self.record(vault.id).await?;
        let record = record.filter(|record| record.epoch == vault.epoch);
        Ok(record.map(|record| record.opened(vault.id)))
    }

    /// Whether this life of the vault goes on.
    pub(crate) async fn is_open(&self, vault: OpenVault) -> Result<bool, Error> {
        Ok(self.opened(vault).await?.is_some())
    }

    /// Ends the vault: from here on nothing in it can be read. Then deletes what it held; what is
    /// left by a crash in between is swept.
    pub(crate) async fn delete(&self, vault: OpenVault) -> Result<(), Error> {
        // Of two deletions the later must not end the vault's next life.
        if self.is_open(vault).await? {
            self.store.delete_durably(&record_key(vault.id)).await?;
        }
        self.erase(vault).await
    }

    /// Deletes what a vault held that is closed for ever, and its log.
    pub(crate) async fn erase(&self, vault: OpenVault) -> Result<(), Error> {
        self.store.delete_all(&content_key(vault)).await?;
        self.store.delete_all(&log_key(vault)).await
    }

    /// What is stored of a vault.
    pub(crate) async fn record(&self, id: VaultId) -> Result<Option<Record>, Error> {
        let Some(json) = self.store.read(&record_key(id)).await? else {
            return Ok(None);
        };
        let record = serde_json::from_slice(&json);
        record.map(Some).map_err(|_| Error::Damaged {
            what: "a vault's record",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_their_vault_and_epoch() {
        let vault = OpenVault {
            id: VaultId([0xab; 16]),
            epoch: Epoch(7),
        };
        assert_eq!(vault.to_string().parse::<OpenVault>().unwrap(), vault);
        let digits = "0".repeat(31);
        for bad in [
            String::new(),
            "-".into(),
            format!("+{digits}"),
            format!("{digits}A"),
        ] {
            assert!(bad.parse::<Epoch>().is_err(), "{bad:?}");
        }
    }
}
