//! The whole way: encrypt, evaluate, decrypt; the twin as oracle.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::eval::{Control, cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::noise::deviations_for;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::{EncryptedImage, EncryptedResult};
use darkroom_fhe::{Answer, Error};
use support::{Folder, float_score, weights, white_noise, xray};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn client(number: u128) -> (ClientKey, Randomness) {
    let mut randomness = Randomness::danger_fixed(number);
    let key = ClientKey::generate(&mut randomness).unwrap();
    (key, randomness)
}

/// Through bytes both ways, as the services do it.
fn roundtrip(key: &ClientKey, r: &mut Randomness, model: &Model, pixels: &Pixels) -> Answer {
    let image = key.encrypt_image(pixels, r).unwrap().to_payload();
    let image = EncryptedImage::from_payload(model.parameters(), &image).unwrap();
    let result = cipher::evaluate(model, &image, None, &Control::unattended())
        .unwrap()
        .to_payload();
    assert_eq!(result.len() as u64, model.result_payload_bytes());
    let result = EncryptedResult::from_payload(model.parameters(), &result).unwrap();
    key.decrypt_result(&result).unwrap()
}

fn assert_twins(model: &Model, found: &Answer, expected: &Answer) {
    let scores = model.layer().scores();
    assert_eq!(found.scores.len(), scores.len());
    for (score, (found, expected)) in scores.iter().zip(found.scores.iter().zip(&expected.scores)) {
        let bound = deviations_for(-40.0) * score.noise_deviation();
        assert!(
            (found - expected).abs() < bound,
            "{found} {expected} {bound}"
        );
    }
}

#[test]
fn encrypted_answers_are_the_twins() {
    let (key, mut r) = client(1);
    // One GLWE in part, exactly, several; one score and many; pooled; not square.
    for (width, height, classes, more) in [
        (1, 1, 2, ""),
        (28, 28, 10, ""),
        (64, 32, 2, ""),
        (64, 32, 3, "bias = [1, -2, 0.5]\n"),
        (96, 50, 2, "bias = -0.3\n[output]\nrange = 9\n"),
        (128, 128, 6, ""),
    ] {
        let scores = if classes == 2 { 1 } else { classes };
        let all: Vec<_> = (0..scores as u128)
            .map(|c| weights(width, height, 30.0, c))
            .collect();
        let model = Folder::linear(width, height, classes, &all)
            .with(more)
            .load()
            .unwrap();
        for pixels in [
            xray(width, height, 3),
            white_noise(width, height, 3),
            Pixels::new(width, height, vec![0; (width * height) as usize]).unwrap(),
            Pixels::new(width, height, vec![255; (width * height) as usize]).unwrap(),
        ] {
            let expected = clear::evaluate(&model, &pixels).unwrap();
            let found = roundtrip(&key, &mut r, &model, &pixels);
            assert_twins(&model, &found, &expected);
        }
    }
}

#[test]
fn the_worst_picture_for_a_score_does_not_wrap() {
    let (key, mut r) = client(2);
    let weights = weights(64, 64, 97.0, 4);
    let model = Folder::linear(64, 64, 2, std::slice::from_ref(&weights))
        .load()
        .unwrap();
    for sign in [1.0, -1.0] {
        let white = |w: &f64| if w * sign > 0.0 { 255 } else { 0 };
        let pixels = Pixels::new(64, 64, weights.iter().map(white).collect()).unwrap();
        let found = roundtrip(&key, &mut r, &model, &pixels).scores[0];
        let exact = float_score(&weights, 0.0, 255.0, &pixels);
        assert!((found - exact).abs() < 0.01, "{found} {exact}");
    }
}

#[test]
fn images_decrypt_to_their_pixels_and_not_for_others() {
    let (key, mut r) = client(3);
    let (other, _) = client(4);
    for (width, height) in [(1, 1), (45, 46), (128, 128)] {
        let pixels = white_noise(width, height, 1);
        let image = key.encrypt_image(&pixels, &mut r).unwrap();
        assert_eq!(key.decrypt_image(&image).unwrap(), pixels);
        assert_eq!(other.decrypt_image(&image), Err(Error::ForeignKey));
    }
}

#[test]
fn another_key_reads_nothing_and_breaks_nothing() {
    let (key, mut r) = client(5);
    let (other, _) = client(6);
    let weights = weights(32, 32, 20.0, 7);
    let model = Folder::linear(32, 32, 2, &[weights]).load().unwrap();
    let pixels = xray(32, 32, 4);
    let expected = clear::evaluate(&model, &pixels).unwrap().scores[0];
    // Scores read with another key lie anywhere in the range of 40: near ones are rare.
    let near = (0..20).filter(|_| {
        let image = key.encrypt_image(&pixels, &mut r).unwrap();
        let result = cipher::evaluate(&model, &image, None, &Control::unattended()).unwrap();
        let score = other.decrypt_result(&result).unwrap().scores[0];
        assert!(score.abs() < 25.0, "{score}");
        (score - expected).abs() < 0.5
    });
    assert!(near.count() < 8);
}

#[test]
fn the_same_randomness_gives_the_same_bytes_and_other_gives_others() {
    let weights = weights(64, 64, 20.0, 8);
    let model = Folder::linear(64, 64, 2, &[weights]).load().unwrap();
    let pixels = xray(64, 64, 5);
    let image = |(key, mut r): (ClientKey, Randomness)| key.encrypt_image(&pixels, &mut r).unwrap();
    let first = image(client(7));
    assert_eq!(first.to_payload(), image(client(7)).to_payload());
    assert_ne!(first.to_payload(), image(client(8)).to_payload());
    let (key, mut r) = client(7);
    key.encrypt_image(&pixels, &mut r).unwrap();
    let second = key.encrypt_image(&pixels, &mut r).unwrap();
    assert_ne!(first.to_payload(), second.to_payload());
    let result = |image| {
        cipher::evaluate(&model, image, None, &Control::unattended())
            .unwrap()
            .to_payload()
    };
    assert_eq!(
        result(&first),
        result(&first),
        "evaluation is exact, so it repeats to the bit"
    );
}

#[test]
fn ciphertexts_look_alike_whatever_they_hold() {
    // The bodies of a black and of a white image: the same share of set bits in every place.
    let (key, mut r) = client(9);
    for grey in [0, 255] {
        let pixels = Pixels::new(128, 128, vec![grey; 128 * 128]).unwrap();
        let payload = key.encrypt_image(&pixels, &mut r).unwrap().to_payload();
        let bodies = &payload[24..];
        for bit in 0..40 {
            let set = bodies
                .chunks(5)
                .filter(|b| b[bit / 8] >> (bit % 8) & 1 == 1);
            let share = set.count() as f64 / 16384.0;
            assert!(
                (share - 0.5).abs() < 0.03,
                "grey {grey}, bit {bit}: {share}"
            );
        }
    }
}

#[test]
fn images_of_other_shapes_are_refused() {
    let (key, mut r) = client(10);
    let model = Folder::linear(32, 16, 2, &[weights(32, 16, 5.0, 1)])
        .load()
        .unwrap();
    let expected = Error::ImageShape {
        expected_width: 32,
        expected_height: 16,
        found_width: 16,
        found_height: 32,
    };
    let pixels = xray(16, 32, 1);
    assert_eq!(clear::evaluate(&model, &pixels).unwrap_err(), expected);
    let image = key.encrypt_image(&pixels, &mut r).unwrap();
    assert_eq!(
        cipher::evaluate(&model, &image, None, &Control::unattended()).unwrap_err(),
        expected
    );
    let large = Pixels::new(8192, 1, vec![0; 8192]).unwrap();
    let error = key.encrypt_image(&large, &mut r).unwrap_err();
    assert!(error.to_string().contains("8192x1"), "{error}");
}

#[test]
fn the_model_that_the_project_replaces_is_within_1e_4() {
    let (key, mut r) = client(11);
    let weights = weights(128, 128, 193.0, 11);
    let bias = -0.059_910_28;
    let model = Folder::linear(128, 128, 2, std::slice::from_ref(&weights))
        .with(&format!("bias = {bias}\n"))
        .load()
        .unwrap();
    let sum: f64 = weights.iter().map(|w| w.abs()).sum();
    assert!(
        (190.0..=194.0).contains(&sum),
        "{sum}: the range of the original"
    );
    for number in 0..8 {
        let pixels = xray(128, 128, number);
        let found = roundtrip(&key, &mut r, &model, &pixels).scores[0];
        let exact = float_score(&weights, bias, 255.0, &pixels);
        assert!((found - exact).abs() < 1e-4, "{found} {exact}");
    }
    assert!(model.result_payload_bytes() + 72 <= 8400);
    assert!(EncryptedImage::payload_bytes(128, 128) + 72 <= 84_000);
}
