//! ML-KEM-768 (FIPS 203), by aws-lc.

use aws_lc_rs::kem::{self, EncapsulationKey, ML_KEM_768};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::MessageError;

/// Bytes of an encapsulation key.
pub const ENCAPSULATION_KEY_BYTES: usize = 1184;
/// Bytes of a ciphertext.
pub const CIPHERTEXT_BYTES: usize = 1088;
/// Bytes of a shared secret.
pub const SHARED_SECRET_BYTES: usize = 32;

/// The secret that both sides come to share. Wiped when dropped.
pub struct SharedSecret(Zeroizing<[u8; SHARED_SECRET_BYTES]>);

impl SharedSecret {
    /// A secret of these bytes.
    pub fn new(secret: Zeroizing<[u8; SHARED_SECRET_BYTES]>) -> Self {
        Self(secret)
    }

    pub(super) fn bytes(&self) -> &[u8; SHARED_SECRET_BYTES] {
        &self.0
    }

    fn of(shared: &kem::SharedSecret) -> Result<Self, MessageError> {
        let mut secret = Zeroizing::new([0; SHARED_SECRET_BYTES]);
        let bytes = shared.as_ref();
        if bytes.len() != secret.len() {
            return Err(MessageError::Kem);
        }
        secret.copy_from_slice(bytes);
        Ok(Self(secret))
    }
}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret")
    }
}

/// The secret side of a key pair.
#[derive(Debug)]
pub struct DecapsulationKey {
    key: kem::DecapsulationKey,
    public: Bytes,
}

impl DecapsulationKey {
    /// A fresh pair.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate() -> Result<Self, MessageError> {
        let key = kem::DecapsulationKey::generate(&ML_KEM_768);
        let key = key.map_err(|_| MessageError::Crypto)?;
        let public = key.encapsulation_key().and_then(|public| {
            let bytes = public.key_bytes()?;
            Ok(Bytes::copy_from_slice(bytes.as_ref()))
        });
        let public = public.map_err(|_| MessageError::Crypto)?;
        Ok(Self { key, public })
    }

    /// The public side, for the other end.
    pub fn encapsulation_key(&self) -> &Bytes {
        &self.public
    }

    /// The secret in a ciphertext. A forged ciphertext gives a secret that nobody knows (implicit
    /// rejection), and the message does not open.
    ///
    /// # Errors
    /// The ciphertext has not the length of one.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<SharedSecret, MessageError> {
        let shared = self.key.decapsulate(ciphertext.into());
        SharedSecret::of(&shared.map_err(|_| MessageError::Kem)?)
    }
}

/// A fresh secret and the ciphertext that carries it to the holder of the key.
///
/// # Errors
/// The key is not one, or the system gives no randomness.
pub fn encapsulate(encapsulation_key: &[u8]) -> Result<(Bytes, SharedSecret), MessageError> {
    let key = EncapsulationKey::new(&ML_KEM_768, encapsulation_key);
    let key = key.map_err(|_| MessageError::Kem)?;
    let (ciphertext, shared) = key.encapsulate().map_err(|_| MessageError::Kem)?;
    let shared = SharedSecret::of(&shared)?;
    Ok((Bytes::copy_from_slice(ciphertext.as_ref()), shared))
}
