//! Where a message belongs, and the key that follows from it.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::MessageError;
use super::kem::{SHARED_SECRET_BYTES, SharedSecret};
use crate::key::{KEY_BYTES, Key};

/// Bytes of the id of an exchange: one request and its answer.
pub const EXCHANGE_BYTES: usize = 16;
/// Bytes of the id of a server's epoch.
pub const EPOCH_BYTES: usize = 16;

const SALT: &[u8] = b"darkroom sealed link v1";

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Request,
    /// From the server to the client, with this status.
    Response(u16),
}

/// Where a message belongs. It is not sent: both ends know it, and a message opens only where both
/// know the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// The client's end of the link (its SAE).
    pub client: &'a str,
    /// The server's end of the link (its SAE).
    pub server: &'a str,
    /// Drawn by the client for one request and its answer.
    pub exchange: [u8; EXCHANGE_BYTES],
    /// Drawn by the server at its start and every few minutes: what was sealed for an earlier one
    /// does not open.
    pub epoch: [u8; EPOCH_BYTES],
    /// The method of the request.
    pub method: &'a str,
    /// The route: path and query of the request.
    pub target: &'a str,
    /// The body's media type; empty if not given.
    pub content_type: &'a str,
}

impl Context<'_> {
    /// The message's own AES-256-GCM key.
    ///
    /// Source: HKDF, RFC 5869; QKD key and shared secret one after the other as in NIST SP 800-56C
    /// rev. 2, section 2.
    pub(super) fn message_key(
        &self,
        key: &Key,
        shared: Option<&SharedSecret>,
        header: &[u8],
    ) -> Result<LessSafeKey, MessageError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES + SHARED_SECRET_BYTES]);
        secret[..KEY_BYTES].copy_from_slice(key.secret());
        let used = match shared {
            Some(shared) => {
                secret[KEY_BYTES..].copy_from_slice(shared.bytes());
                secret.len()
            }
            None => KEY_BYTES,
        };
        let digest = self.digest(header);
        let info = [digest.as_slice()];
        let extracted = Salt::new(HKDF_SHA256, SALT).extract(&secret[..used]);
        let expanded = extracted.expand(&info, &AES_256_GCM);
        let key: UnboundKey = expanded.map_err(|_| MessageError::Crypto)?.into();
        Ok(LessSafeKey::new(key))
    }

    /// Every field with its length before it, so that no two contexts give the same bytes.
    fn digest(&self, header: &[u8]) -> [u8; 32] {
        let direction = match self.direction {
            Direction::Request => [0, 0, 0],
            Direction::Response(status) => {
                let status = status.to_be_bytes();
                [1, status[0], status[1]]
            }
        };
        let fields: [&[u8]; 9] = [
            header,
            &direction,
            self.client.as_bytes(),
            self.server.as_bytes(),
            &self.exchange,
            &self.epoch,
            self.method.as_bytes(),
            self.target.as_bytes(),
            self.content_type.as_bytes(),
        ];
        let mut hash = Sha256::new();
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }
}
