//! The owner's key: one 256-bit master secret, and everything that follows from it.
//!
//! Only what runs on the owner's device may turn on the feature `client` that holds this module.

mod binary;
mod derive;
mod evaluation;
mod seal;

pub use evaluation::EvaluationSecret;

use tfhe::core_crypto::entities::GlweSecretKeyOwned;
use tfhe::core_crypto::prelude::PolynomialSize;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::params::ParameterSet;
use crate::picture::Pixels;
use crate::seed::Randomness;
use crate::wire::{EncryptedImage, EncryptedResult};
use crate::{Answer, Error, decrypt, encrypt};
use derive::derive;

/// The owner's key.
///
/// All else that is secret is derived from its 256 bits by SHAKE256, each with a label of its own:
///
/// | label | bytes | what |
/// |---|---|---|
/// | `secret-key/` and the parameter set's number | 1 bit per key bit | the GLWE secret key, bit `i` is bit `i % 8` of byte `i / 8` |
/// | `small-key/` and the parameter set's number | 1 bit per key bit | the small LWE key, bits as above |
/// | `key-id` | 16 | the key's public name |
/// | `vault-id` | 16 | the vault's public name |
/// | `vault-token` | 32 | what opens the vault in storage, generation 0 |
/// | `vault-token/` and the generation, from 1 on | 32 | what opens the vault after so many rotations |
/// | `compute-token` | 32 | what owns the jobs in compute |
/// | `seal` | 32 | the XChaCha20-Poly1305 key of names and notes |
///
/// The input of the hash is `darkroom/derive/1`, the label's length in one byte, the label, the
/// master; so a key backed up today serves the parameter sets of tomorrow.
///
/// Security: for the owner's device alone. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClientKey {
    master: [u8; 32],
}

impl ClientKey {
    /// A new key.
    ///
    /// # Errors
    /// None today; kept for randomness that can fail.
    pub fn generate(randomness: &mut Randomness) -> Result<Self, Error> {
        Ok(Self::from_master(randomness.bytes()))
    }

    /// The key of a master secret, as restored from a backup.
    pub fn from_master(master: [u8; 32]) -> Self {
        Self { master }
    }

    /// The master secret, for a backup.
    pub fn danger_master(&self) -> &[u8; 32] {
        &self.master
    }

    /// The key's public name.
    pub fn key_id(&self) -> [u8; 16] {
        derive(&self.master, "key-id")
    }

    /// The vault's public name.
    pub fn vault_id(&self) -> [u8; 16] {
        derive(&self.master, "vault-id")
    }

    /// What opens the vault in storage after it was rotated so many times. Secret.
    ///
    /// Which generation is the present one, only storage knows: whoever has none noted tries them.
    pub fn vault_token(&self, generation: u32) -> [u8; 32] {
        match generation {
            0 => derive(&self.master, "vault-token"),
            later => derive(&self.master, &format!("vault-token/{later}")),
        }
    }

    /// What owns the jobs in compute. Secret, and another than storage's, so that compute cannot
    /// open the vault.
    pub fn compute_token(&self) -> [u8; 32] {
        derive(&self.master, "compute-token")
    }

    /// Encrypts a picture's pixels.
    ///
    /// Noise: fresh, and the rounding of the bodies: see [`crate::noise`].
    /// Cost: 3 ms for 128x128 pixels.
    ///
    /// # Errors
    /// [`Error::Picture`] if there are too many pixels for one image.
    pub fn encrypt_image(
        &self,
        pixels: &Pixels,
        randomness: &mut Randomness,
    ) -> Result<EncryptedImage, Error> {
        encrypt::image(&self.secret_key(&crate::params::IMAGE), pixels, randomness)
    }

    /// Decrypts an image.
    ///
    /// # Errors
    /// [`Error::ForeignKey`] if it was encrypted under another key, or damaged.
    pub fn decrypt_image(&self, image: &EncryptedImage) -> Result<Pixels, Error> {
        decrypt::image(&self.secret_key(image.parameters), image)
    }

    /// Decrypts a result. Under another key it gives a meaningless answer: compare key ids first.
    ///
    /// Security: neither the answer nor what depends on its lowest bits may go back to a server.
    ///
    /// # Errors
    /// [`Error::Internal`] if the result does not fit its reading.
    pub fn decrypt_result(&self, result: &EncryptedResult) -> Result<Answer, Error> {
        decrypt::result(&self.secret_key(result.parameters), result)
    }

    /// What the evaluation key is made of, for networks.
    ///
    /// Security: secret.
    pub fn evaluation_secret(&self) -> EvaluationSecret {
        EvaluationSecret::derive(&self.master)
    }

    /// Seals a short text, such as a file name: a random nonce of 24 bytes, the ciphertext, a tag of 16.
    /// The context must be the same when it is opened.
    ///
    /// # Errors
    /// [`Error::SealTooLong`].
    pub fn seal(
        &self,
        context: &[u8],
        plaintext: &[u8],
        randomness: &mut Randomness,
    ) -> Result<Vec<u8>, Error> {
        seal::seal(derive(&self.master, "seal"), context, plaintext, randomness)
    }

    /// Opens what [`Self::seal`] sealed.
    ///
    /// # Errors
    /// [`Error::Sealed`] if key or context are others, or a bit was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        seal::open(derive(&self.master, "seal"), context, sealed)
    }

    fn secret_key(&self, parameters: &'static ParameterSet) -> SecretKey {
        SecretKey::derive(&self.master, parameters)
    }
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientKey(..)")
    }
}

/// The secret key of one parameter set. Wiped when dropped.
pub(crate) struct SecretKey {
    pub(crate) parameters: &'static ParameterSet,
    pub(crate) glwe: GlweSecretKeyOwned<u64>,
}

impl SecretKey {
    fn derive(master: &[u8; 32], parameters: &'static ParameterSet) -> Self {
        let mut packed = vec![0; parameters.key_bits().div_ceil(8)];
        derive::fill(
            master,
            &format!("secret-key/{}", parameters.id),
            &mut packed,
        );
        let bit = |i: usize| u64::from(packed[i / 8] >> (i % 8) & 1);
        let bits = (0..parameters.key_bits()).map(bit).collect();
        packed.zeroize();
        let size = PolynomialSize(parameters.polynomial_size);
        Self {
            parameters,
            glwe: GlweSecretKeyOwned::from_container(bits, size),
        }
    }

    /// The key's bits, 0 or 1 each.
    pub(crate) fn bits(&self) -> &[u64] {
        self.glwe.as_ref()
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.glwe.as_mut().zeroize();
    }
}
