//! Pixels become a seeded encryption.

use tfhe::core_crypto::algorithms::encrypt_seeded_glwe_ciphertext_list;
use tfhe::core_crypto::commons::math::random::DynamicDistribution;
use tfhe::core_crypto::entities::{PlaintextList, SeededGlweCiphertextList};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweCiphertextCount, GlweDimension, PolynomialSize,
};
use zeroize::Zeroize;

use crate::Error;
use crate::keys::SecretKey;
use crate::mask::compression_seed;
use crate::params::PIXELS;
use crate::picture::Pixels;
use crate::seed::Randomness;
use crate::wire::{EncryptedImage, shape_allowed};

/// Encrypts pixels: fresh masks and noise, bodies rounded.
///
/// Source: `encrypt_seeded_glwe_ciphertext_list` of tfhe; the order of its draws is fixed by the
/// golden test.
pub(crate) fn image(
    key: &SecretKey,
    pixels: &Pixels,
    randomness: &mut Randomness,
) -> Result<EncryptedImage, Error> {
    let (width, height) = (pixels.width(), pixels.height());
    if !shape_allowed(width, height) {
        return Err(Error::picture(format!(
            "{width}x{height} pixels are too many for one encrypted image"
        )));
    }
    let set = key.parameters;
    let size = PolynomialSize(set.polynomial_size);
    let count = set.glwes(pixels.as_bytes().len());
    let seed: [u8; 16] = randomness.bytes();
    let mut list = SeededGlweCiphertextList::new(
        0,
        GlweDimension(set.glwe_dimension).to_glwe_size(),
        size,
        GlweCiphertextCount(count),
        compression_seed(&seed),
        CiphertextModulus::new_native(),
    );
    let mut plain = vec![0; count * set.polynomial_size];
    for (element, pixel) in plain.iter_mut().zip(pixels.as_bytes()) {
        *element = u64::from(*pixel) << PIXELS.scale_log2;
    }
    let mut plain = PlaintextList::from_container(plain);
    let noise = DynamicDistribution::new_t_uniform(set.noise_bound_log2);
    encrypt_seeded_glwe_ciphertext_list(&key.glwe, &mut list, &plain, noise, randomness);
    plain.as_mut().zeroize();
    let bodies = list.as_ref().iter().copied().take(pixels.as_bytes().len());
    Ok(EncryptedImage::from_bodies(
        set,
        seed,
        (width, height),
        bodies,
    ))
}
