//! Our numbers are tfhe's numbers. Slow to build, so behind a feature of its own:
//! `cargo test -p darkroom-fhe --features client,parameters-check --test parameters`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use darkroom_fhe::params::{IMAGE, NETWORK};
use tfhe::core_crypto::commons::math::random::DynamicDistribution;
use tfhe::core_crypto::prelude::{CiphertextModulus, StandardDev};
use tfhe::shortint::parameters::v1_0::V1_0_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128;
use tfhe::shortint::parameters::v1_8::{
    V1_8_PARAM_GPU_MESSAGE_1_CARRY_1_KS_PBS_GAUSSIAN_2M128,
    V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
};

#[test]
fn images_take_the_glwe_of_a_published_set() {
    let theirs = V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
    assert_eq!(theirs.glwe_dimension.0, IMAGE.glwe_dimension);
    assert_eq!(theirs.polynomial_size.0, IMAGE.polynomial_size);
    let noise = DynamicDistribution::new_t_uniform(IMAGE.noise_bound_log2);
    assert_eq!(theirs.glwe_noise_distribution, noise);
    assert_eq!(theirs.ciphertext_modulus, CiphertextModulus::new_native());
}

#[test]
fn networks_take_the_glwe_of_one_published_set_and_the_lwe_of_another() {
    let glwe = V1_0_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128;
    assert_eq!(glwe.glwe_dimension.0, NETWORK.glwe_dimension);
    assert_eq!(glwe.polynomial_size.0, NETWORK.polynomial_size);
    let noise = DynamicDistribution::new_t_uniform(NETWORK.noise_bound_log2);
    assert_eq!(glwe.glwe_noise_distribution, noise);
    assert_eq!(glwe.ciphertext_modulus, CiphertextModulus::new_native());
    let bootstrap = NETWORK.bootstrap.unwrap();
    assert_eq!(glwe.pbs_base_log.0, bootstrap.base_log as usize);
    assert_eq!(glwe.pbs_level.0, 1);

    let lwe = V1_8_PARAM_GPU_MESSAGE_1_CARRY_1_KS_PBS_GAUSSIAN_2M128;
    assert_eq!(lwe.lwe_dimension.0, bootstrap.small_dimension);
    let deviation = StandardDev(bootstrap.small_deviation);
    let noise = DynamicDistribution::new_gaussian_from_std_dev(deviation);
    assert_eq!(lwe.lwe_noise_distribution, noise);
    assert_eq!(lwe.ks_base_log.0, bootstrap.keyswitch_base_log as usize);
    assert_eq!(lwe.ks_level.0, bootstrap.keyswitch_levels);
}
