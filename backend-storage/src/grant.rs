//! Grants: what may be read and written, of which vault and until when, signed by this storage.
//!
//! A grant carries all it says, so nothing is stored for it. Layout, before base64:
//! version (1 byte), of version 2 the token that minted it (16, [`TokenHash::id`]), vault (16), epoch (16), end (8, little endian, Unix ms), count of reads (2),
//! reads (kind 1, id 16 each), count of writes (2), writes (16 each), HMAC-SHA256 of all that (32).
//! Version 1 is the owner's.
//!
//! [`TokenHash::id`]: darkroom_api::token::TokenHash::id

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, TokenId, VaultId};
use darkroom_api::storage::ObjectRef;
use hmac::{Hmac, KeyInit, Mac};
use object_store::PutMode;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keys::grant_key_key;
use crate::store::Store;
use crate::vaults::{Epoch, OpenVault};

const VERSION_OWNER: u8 = 1;
const VERSION_TOKEN: u8 = 2;
const TAG_BYTES: usize = 32;
/// How often to look for the key that another process is writing.
const OPEN_TRIES_MAX: u32 = 20;
const OPEN_PAUSE: Duration = Duration::from_millis(100);
const DOMAIN: &[u8] = b"darkroom storage grant 1";

/// What a grant says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) vault: OpenVault,
    /// The limited token that minted it; the owner's where there is none.
    pub(crate) minter: Option<TokenId>,
    pub(crate) not_after_ms: u64,
    pub(crate) reads: Vec<ObjectRef>,
    pub(crate) writes: Vec<ObjectId>,
}

/// Signs grants and checks them.
pub(crate) struct Signer {
    key: Zeroizing<[u8; 32]>,
}

impl Signer {
    /// Takes this store's key, which is made on first use.
    pub(crate) async fn open(store: &Store) -> Result<Self, Error> {
        let place = grant_key_key();
        for _ in 0..OPEN_TRIES_MAX {
            if let Some(stored) = store.read(&place).await? {
                let key = Zeroizing::new(parse_key(&stored)?);
                return Ok(Self { key });
            }
            let mut key = Zeroizing::new([0; 32]);
            getrandom::fill(key.as_mut()).map_err(|_| Error::Randomness)?;
            // Another process on the same store may be first: then its key counts.
            if store.put(&place, key.to_vec(), PutMode::Create).await? {
                return Ok(Self { key });
            }
            tokio::time::sleep(OPEN_PAUSE).await;
        }
        Err(Error::Damaged {
            what: "the grant key",
        })
    }

    /// Writes a grant: ASCII without spaces.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let mut bytes = claims.to_bytes()?;
        let tag = self.mac(&bytes)?.finalize().into_bytes();
        bytes.extend_from_slice(&tag);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a grant that this storage signed. Says nothing about its time or its vault.
    pub(crate) fn verify(&self, grant: &str) -> Result<Claims, Error> {
        let bytes = URL_SAFE_NO_PAD
            .decode(grant)
            .map_err(|_| Error::GrantInvalid)?;
        let (claims, tag) = bytes
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(Error::GrantInvalid)?;
        self.mac(claims)?
            .verify_slice(tag)
            .map_err(|_| Error::GrantInvalid)?;
        Claims::from_bytes(claims).ok_or(Error::GrantInvalid)
    }

    fn mac(&self, bytes: &[u8]) -> Result<Hmac<Sha256>, Error> {
        let mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref());
        let mut mac = mac.map_err(|_| Error::Damaged {
            what: "the grant key",
        })?;
        mac.update(DOMAIN);
        mac.update(bytes);
        Ok(mac)
    }
}

/// What a grant is called in the log.
pub(crate) fn grant_id(grant: &str) -> String {
    let hash = Sha256::digest(grant);
    hex::encode(&hash[..16])
}

fn parse_key(stored: &[u8]) -> Result<[u8; 32], Error> {
    stored.try_into().map_err(|_| Error::Damaged {
        what: "the grant key",
    })
}

impl Claims {
    fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        match self.minter {
            None => out.push(VERSION_OWNER),
            Some(minter) => {
                out.push(VERSION_TOKEN);
                out.extend_from_slice(&minter.0);
            }
        }
        out.extend_from_slice(&self.vault.id.0);
        out.extend_from_slice(&self.vault.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.not_after_ms.to_le_bytes());
        out.extend_from_slice(&length(self.reads.len())?);
        for read in &self.reads {
            out.push(kind_code(read.kind));
            out.extend_from_slice(&read.id.0);
        }
        out.extend_from_slice(&length(self.writes.len())?);
        for write in &self.writes {
            out.extend_from_slice(&write.0);
        }
        Ok(out)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let minter = match take::<1>(&mut rest)? {
            [VERSION_OWNER] => None,
            [VERSION_TOKEN] => Some(TokenId(take(&mut rest)?)),
            _ => return None,
        };
        let id = VaultId(take(&mut rest)?);
        let epoch = Epoch(u128::from_le_bytes(take(&mut rest)?));
        let not_after_ms = u64::from_le_bytes(take(&mut rest)?);
        let mut reads = Vec::new();
        for _ in 0..u16::from_le_bytes(take(&mut rest)?) {
            let [code] = take(&mut rest)?;
            let kind = ObjectKind::ALL
                .into_iter()
                .find(|kind| kind_code(*kind) == code)?;
            reads.push(ObjectRef {
                kind,
                id: ObjectId(take(&mut rest)?),
            });
        }
        let mut writes = Vec::new();
        for _ in 0..u16::from_le_bytes(take(&mut rest)?) {
            writes.push(ObjectId(take(&mut rest)?));
        }
        let vault = OpenVault { id, epoch };
        rest.is_empty().then_some(Self {
            vault,
            minter,
            not_after_ms,
            reads,
            writes,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn length(count: usize) -> Result<[u8; 2], Error> {
    let count = u16::try_from(count);
    let count = count.map_err(|_| Error::Malformed {
        detail: "too many objects".to_owned(),
    })?;
    Ok(count.to_le_bytes())
}

fn kind_code(kind: ObjectKind) -> u8 {
    match kind {
        ObjectKind::Image => 1,
        ObjectKind::EvaluationKey => 2,
        ObjectKind::Result => 3,
    }
}

/// Reads bytes as what a grant says, and as a grant of a key of ones, for the fuzz targets: what is
/// read is written as it was, and signed it is a grant.
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    let signer = Signer {
        key: Zeroizing::new([1; 32]),
    };
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(claims) = signer.verify(text)
    {
        let again = signer.sign(&claims);
        assert!(again.is_ok_and(|again| again == text));
        return true;
    }
    let Some(claims) = Claims::from_bytes(bytes) else {
        return false;
    };
    assert!(claims.to_bytes().is_ok_and(|again| again == bytes));
    let signed = signer.sign(&claims);
    let verified = signed.and_then(|signed| signer.verify(&signed));
    assert!(verified.is_ok_and(|verified| verified == claims));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            minter: None,
            vault: OpenVault {
                id: VaultId([1; 16]),
                epoch: Epoch(2),
            },
            not_after_ms: 3,
            reads: vec![ObjectRef {
                kind: ObjectKind::EvaluationKey,
                id: ObjectId([4; 16]),
            }],
            writes: vec![ObjectId([5; 16]), ObjectId([6; 16])],
        }
    }

    #[test]
    fn a_grant_says_what_was_signed() {
        let signer = Signer {
            key: Zeroizing::new([7; 32]),
        };
        for minter in [None, Some(TokenId([9; 16]))] {
            let claims = Claims { minter, ..claims() };
            let grant = signer.sign(&claims).unwrap();
            assert!(grant.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(signer.verify(&grant).unwrap(), claims);
        }
        let grant = signer.sign(&claims()).unwrap();
        let other = Signer {
            key: Zeroizing::new([8; 32]),
        };
        assert!(matches!(other.verify(&grant), Err(Error::GrantInvalid)));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let signer = Signer {
            key: Zeroizing::new([7; 32]),
        };
        let grant = signer.sign(&claims()).unwrap();
        for at in 0..grant.len() {
            assert!(matches!(
                signer.verify(&grant[..at]),
                Err(Error::GrantInvalid)
            ));
            for bit in 0..7 {
                let mut bytes = grant.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let forged = String::from_utf8(bytes).unwrap();
                assert!(
                    matches!(signer.verify(&forged), Err(Error::GrantInvalid)),
                    "{at} {bit}"
                );
            }
        }
        assert!(matches!(
            signer.verify(&format!("{grant}A")),
            Err(Error::GrantInvalid)
        ));
        assert!(matches!(
            signer.verify(&format!("{grant}=")),
            Err(Error::GrantInvalid)
        ));
    }
}
