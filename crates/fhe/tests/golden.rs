//! The same bytes on every machine, natively and in the browser.
//!
//! A change here is a change of what is stored in people's vaults: it needs a new payload version.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::eval::{cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::{Picture, Pixels};
use darkroom_fhe::seed::Randomness;
use sha2::{Digest, Sha256};
use support::{Folder, hex};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// A master that is no constant of a byte.
fn master() -> [u8; 32] {
    std::array::from_fn(|i| u8::try_from(i * 7 + 1).unwrap())
}

/// Integers alone: floating-point functions differ between machines.
fn pixels(width: u32, height: u32) -> Pixels {
    let value = |i: u32| u8::try_from((i * i / 3 + 11 * i) % 256).unwrap();
    Pixels::new(width, height, (0..width * height).map(value).collect()).unwrap()
}

fn model() -> Model {
    let weights = |c: i32| -> Vec<f64> {
        (0..60 * 40)
            .map(|i| f64::from((i * (7 + c) + 13 * c) % 201 - 100) / 4096.0)
            .collect()
    };
    let folder = Folder::linear(60, 40, 3, &[weights(0), weights(1), weights(2)]);
    folder.with("bias = [0.5, -0.25, 0.125]\n").load().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn derivations() {
    let key = ClientKey::from_master(master());
    assert_eq!(key.danger_master(), &master());
    assert_eq!(hex(&key.key_id()), "KEYID");
    assert_eq!(hex(&key.vault_id()), "VAULTID");
    assert_eq!(hex(&key.vault_token()), "VAULTTOKEN");
    assert_eq!(hex(&key.compute_token()), "COMPUTETOKEN");
    let sealed = key
        .seal(b"name", b"hand.png", &mut Randomness::danger_fixed(9))
        .unwrap();
    assert_eq!(hex(&sealed), "SEALED");
    assert_eq!(key.open(b"name", &sealed).unwrap(), b"hand.png");
    let drawn = ClientKey::generate(&mut Randomness::danger_fixed(9)).unwrap();
    assert_eq!(hex(drawn.danger_master()), "DRAWN");
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn pictures() {
    let rgba: Vec<u8> = (0..4 * 37 * 23)
        .map(|i| u8::try_from(i * i / 7 % 256).unwrap())
        .collect();
    let picture = Picture::from_rgba(37, 23, rgba).unwrap();
    let down = picture.prepare(16, 16).unwrap();
    let up = picture.prepare(64, 31).unwrap();
    assert_eq!(sha256(down.as_bytes()), "DOWN");
    assert_eq!(sha256(up.as_bytes()), "UP");
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn the_whole_way() {
    let key = ClientKey::from_master(master());
    let model = model();
    assert_eq!(model.digest(), "MODEL");
    let weights: Vec<u8> = model
        .layer()
        .scores()
        .iter()
        .flat_map(|score| score.weights().iter().flat_map(|w| w.to_le_bytes()))
        .collect();
    assert_eq!(sha256(&weights), "WEIGHTS");
    let pixels = pixels(60, 40);
    let image = key
        .encrypt_image(&pixels, &mut Randomness::danger_fixed(10))
        .unwrap();
    assert_eq!(sha256(&image.to_payload()), "IMAGE");
    assert_eq!(key.decrypt_image(&image).unwrap(), pixels);
    let result = cipher::evaluate(&model, &image).unwrap();
    assert_eq!(sha256(&result.to_payload()), "RESULT");
    let answer = key.decrypt_result(&result).unwrap();
    let twin = clear::evaluate(&model, &pixels).unwrap();
    assert_eq!(
        (answer.class, answer.label.as_str()),
        (CLASS, "class CLASS")
    );
    for (found, expected) in answer.scores.iter().zip(&twin.scores) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn the_system_gives_randomness() {
    let draw = || Randomness::system().unwrap().bytes::<16>();
    assert_ne!(draw(), draw());
}
