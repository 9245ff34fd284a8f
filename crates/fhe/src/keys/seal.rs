//! Sealed names and notes: XChaCha20-Poly1305.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroize;

use crate::Error;
use crate::seed::Randomness;

const NONCE_BYTES: usize = 24;

pub(super) fn seal(
    key: [u8; 32],
    context: &[u8],
    plaintext: &[u8],
    randomness: &mut Randomness,
) -> Result<Vec<u8>, Error> {
    let nonce: [u8; NONCE_BYTES] = randomness.bytes();
    let payload = Payload {
        msg: plaintext,
        aad: context,
    };
    let ciphertext = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Error::SealTooLong {
            bytes: plaintext.len(),
        })?;
    Ok([nonce.as_slice(), &ciphertext].concat())
}

pub(super) fn open(key: [u8; 32], context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let (nonce, ciphertext) = sealed
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(Error::Sealed)?;
    let payload = Payload {
        msg: ciphertext,
        aad: context,
    };
    cipher(key)
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| Error::Sealed)
}

fn cipher(mut key: [u8; 32]) -> XChaCha20Poly1305 {
    let cipher = XChaCha20Poly1305::new(&key.into());
    key.zeroize();
    cipher
}
