//! Our numbers are tfhe's numbers. Slow to build, so behind a feature of its own:
//! `cargo test -p darkroom-fhe --features client,parameters-check --test parameters`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use darkroom_fhe::params::IMAGE;
use tfhe::core_crypto::commons::math::random::DynamicDistribution;
use tfhe::core_crypto::prelude::CiphertextModulus;
use tfhe::shortint::parameters::v1_8::V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;

#[test]
fn images_take_the_glwe_of_a_published_set() {
    let theirs = V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
    assert_eq!(theirs.glwe_dimension.0, IMAGE.glwe_dimension);
    assert_eq!(theirs.polynomial_size.0, IMAGE.polynomial_size);
    let noise = DynamicDistribution::new_t_uniform(IMAGE.noise_bound_log2);
    assert_eq!(theirs.glwe_noise_distribution, noise);
    assert_eq!(theirs.ciphertext_modulus, CiphertextModulus::new_native());
}
