//! Measured noise beside predicted noise: thousands of encryptions, so natively alone.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::eval::{Control, cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::noise::{Noise, fresh_variance};
use darkroom_fhe::params::IMAGE;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;
use support::{Folder, white_noise, xray};

/// Standard deviation of the scores' noise, measured over this many encryptions.
fn measured(weights: &[f64], side: u32, more: &str, samples: u128) -> (f64, f64) {
    let mut r = Randomness::danger_fixed(77);
    let model = Folder::linear(side, side, 2, &[weights.to_vec()])
        .with(more)
        .load()
        .unwrap();
    let mut squares = 0.0;
    for number in 0..samples {
        // A key each, as the modulus switch depends on how many of its bits are set.
        let key = ClientKey::generate(&mut r).unwrap();
        let pixels = white_noise(side, side, number);
        let image = key.encrypt_image(&pixels, &mut r).unwrap();
        let found = key
            .decrypt_result(
                &cipher::evaluate(&model, &image, None, &Control::unattended()).unwrap(),
            )
            .unwrap();
        let exact = clear::evaluate(&model, &pixels).unwrap();
        squares += (found.scores[0] - exact.scores[0]).powi(2);
    }
    let predicted = model.layer().scores()[0].noise_deviation();
    ((squares / samples as f64).sqrt(), predicted)
}

/// 1500 samples give the deviation to 1.8 % (one sigma), so 10 % is five sigma and more.
#[test]
fn rounded_bodies_make_the_noise_that_is_predicted() {
    let weights = support::weights(16, 16, 10.0, 1);
    let (measured, predicted) = measured(&weights, 16, "", 1500);
    assert!(
        (measured / predicted - 1.0).abs() < 0.1,
        "{measured:e} {predicted:e}"
    );
}

/// A wide range and small weights: what remains is the modulus switch.
#[test]
fn the_modulus_switch_makes_the_noise_that_is_predicted() {
    let weights = support::weights(16, 16, 4e-3, 2);
    let more = "bias = 0\n[output]\ntolerance = 3e3\n";
    let model = Folder::linear(16, 16, 2, std::slice::from_ref(&weights))
        .with(more)
        .load();
    let noise = model.unwrap().layer().scores()[0].noise();
    assert!(
        noise.modulus_switch > 10.0 * (noise.bodies + noise.encryption),
        "{noise:?}"
    );
    let (measured, predicted) = measured(&weights, 16, more, 1500);
    assert!(
        (measured / predicted - 1.0).abs() < 0.1,
        "{measured:e} {predicted:e}"
    );
}

#[test]
fn fresh_noise_is_that_of_tfhe() {
    use tfhe::core_crypto::commons::dispersion::DispersionParameter;
    use tfhe::core_crypto::commons::math::random::TUniform;
    let theirs = TUniform::<u64>::new(IMAGE.noise_bound_log2).variance(64.0_f64.exp2());
    let theirs = theirs.get_modular_variance(64.0_f64.exp2()).value;
    assert!((fresh_variance(&IMAGE) / theirs - 1.0).abs() < 1e-9);
}

/// The share of each step, as docs/PARAMETERS.md tells it.
#[test]
fn the_rounding_of_bodies_outweighs_the_rest_for_an_x_ray_model() {
    let weights = support::weights(128, 128, 193.0, 11);
    let model = Folder::linear(128, 128, 2, &[weights]).load().unwrap();
    let score = &model.layer().scores()[0];
    let Noise {
        encryption,
        bodies,
        modulus_switch,
        ..
    } = score.noise();
    assert!(bodies > 100.0 * encryption);
    assert!(bodies > modulus_switch);
    assert!(
        score.noise_deviation() < 2e-5,
        "{}",
        score.noise_deviation()
    );
    assert!(score.log2_failure() < -128.0);
}

/// Error diffusion: the twin's scores of pictures are far nearer to float than plain rounding would be.
#[test]
fn rounding_errors_cancel_over_neighbouring_pixels() {
    let weights = support::weights(128, 128, 193.0, 11);
    let model = Folder::linear(128, 128, 2, std::slice::from_ref(&weights))
        .load()
        .unwrap();
    let score = &model.layer().scores()[0];
    let error = |pixels: &Pixels| {
        let exact = support::float_score(&weights, 0.0, 255.0, pixels);
        (clear::evaluate(&model, pixels).unwrap().scores[0] - exact).powi(2)
    };
    let rms = |errors: f64| (errors / 40.0).sqrt();
    let on_noise = rms((0..40).map(|n| error(&white_noise(128, 128, n))).sum());
    let on_pictures = rms((0..40).map(|n| error(&xray(128, 128, n))).sum());
    assert!(
        (on_noise / score.rounding_deviation() - 1.0).abs() < 0.5,
        "{on_noise:e}"
    );
    assert!(
        on_pictures < score.rounding_deviation() / 4.0,
        "{on_pictures:e}"
    );
}
