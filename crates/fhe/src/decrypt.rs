//! What the owner reads.

use tfhe::core_crypto::algorithms::decrypt_glwe_ciphertext;
use tfhe::core_crypto::entities::{GlweCiphertext, PlaintextList};
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweDimension, PlaintextCount, PolynomialSize,
};

use crate::keys::SecretKey;
use crate::mask::Masks;
use crate::params::PIXELS;
use crate::picture::Pixels;
use crate::wire::{EncryptedImage, EncryptedResult};
use crate::{Answer, Error};

/// Decrypts an image. Noise is far below half a pixel: the pixels are the encrypted ones.
pub(crate) fn image(key: &SecretKey, image: &EncryptedImage) -> Result<Pixels, Error> {
    let set = key.parameters;
    let size = PolynomialSize(set.polynomial_size);
    let mut masks = Masks::new(set, &image.seed);
    let mut glwe = GlweCiphertext::new(
        0,
        GlweDimension(set.glwe_dimension).to_glwe_size(),
        size,
        CiphertextModulus::new_native(),
    );
    let mut plain = PlaintextList::new(0, PlaintextCount(set.polynomial_size));
    let mut pixels = Vec::with_capacity(image.bodies.len());
    for bodies in image.bodies.chunks(set.polynomial_size) {
        glwe.get_mut_mask().as_mut().copy_from_slice(masks.next());
        glwe.get_mut_body().as_mut()[..bodies.len()].copy_from_slice(bodies);
        decrypt_glwe_ciphertext(&key.glwe, &glwe, &mut plain);
        for element in &plain.as_ref()[..bodies.len()] {
            let half = 1 << (PIXELS.scale_log2 - 1);
            let pixel = element.wrapping_add(half) >> PIXELS.scale_log2;
            pixels.push(u8::try_from(pixel).map_err(|_| Error::ForeignKey)?);
        }
    }
    Pixels::new(image.width(), image.height(), pixels)
}

/// Decrypts a result's samples and reads their scores.
pub(crate) fn result(key: &SecretKey, result: &EncryptedResult) -> Result<Answer, Error> {
    let set = key.parameters;
    let reading = result.reading();
    let mut scores = Vec::with_capacity(result.samples.len());
    for (sample, score) in result.samples.iter().zip(&reading.scores) {
        let (body, mask) = sample
            .split_last()
            .ok_or_else(|| Error::internal("an empty sample"))?;
        let mut phase = *body;
        for (element, bit) in mask.iter().zip(key.bits()) {
            phase = phase.wrapping_sub(element.wrapping_mul(*bit));
        }
        let shift = 64 - set.result_bits;
        let number = (phase << shift).cast_signed() >> shift;
        scores.push(score.centre + score.unit * number as f64);
    }
    Ok(Answer::from_scores(reading.head, &reading.classes, scores))
}
