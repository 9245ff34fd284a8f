//! The masks of seeded ciphertexts, from their public seed.

use tfhe::core_crypto::algorithms::decompress_seeded_glwe_ciphertext_with_pre_seeded_generator;
use tfhe::core_crypto::commons::generators::MaskRandomGenerator;
use tfhe::core_crypto::commons::math::random::{CompressionSeed, DefaultRandomGenerator, Seed};
use tfhe::core_crypto::entities::{
    GlweCiphertext, GlweCiphertextOwned, SeededGlweCiphertext, SeededGlweCiphertextOwned,
};
use tfhe::core_crypto::prelude::{CiphertextModulus, GlweDimension, PolynomialSize};

use crate::params::ParameterSet;

/// The masks of one image, one GLWE after the other, as tfhe's seeded encryption drew them.
///
/// Cost: 16 KB of AES-CTR keystream a GLWE.
/// Source: `decompress_seeded_glwe_ciphertext_list` of tfhe, without its bodies.
pub(crate) struct Masks {
    generator: MaskRandomGenerator<DefaultRandomGenerator>,
    seeded: SeededGlweCiphertextOwned<u64>,
    glwe: GlweCiphertextOwned<u64>,
    elements: usize,
}

impl Masks {
    pub(crate) fn new(parameters: &ParameterSet, seed: &[u8; 16]) -> Self {
        let k = GlweDimension(parameters.glwe_dimension).to_glwe_size();
        let size = PolynomialSize(parameters.polynomial_size);
        let (seed, modulus) = (compression_seed(seed), CiphertextModulus::new_native());
        Self {
            generator: MaskRandomGenerator::new(seed.clone()),
            seeded: SeededGlweCiphertext::new(0, k, size, seed, modulus),
            glwe: GlweCiphertext::new(0, k, size, modulus),
            elements: parameters.key_bits(),
        }
    }

    /// The mask of the next GLWE.
    pub(crate) fn next(&mut self) -> &[u64] {
        decompress_seeded_glwe_ciphertext_with_pre_seeded_generator(
            &mut self.glwe,
            &self.seeded,
            &mut self.generator,
        );
        &self.glwe.as_ref()[..self.elements]
    }
}

/// The 16 bytes of an image's payload as tfhe takes them.
pub(crate) fn compression_seed(seed: &[u8; 16]) -> CompressionSeed {
    Seed(u128::from_le_bytes(*seed)).into()
}
