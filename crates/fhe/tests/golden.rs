//! The same bytes on every machine, natively and in the browser.
//!
//! A change here is a change of what is stored in people's vaults: it needs a new payload version.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::eval::{Control, cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::{Picture, Pixels};
use darkroom_fhe::seed::Randomness;
use sha2::{Digest, Sha256};
use support::{Folder, hex};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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

#[test]
fn derivations() {
    let key = ClientKey::from_master(master());
    assert_eq!(key.danger_master(), &master());
    assert_eq!(hex(&key.key_id()), "353cf53361196bf899128b19da937916");
    assert_eq!(hex(&key.vault_id()), "96e2e6770d6068eec54f59259ce79ade");
    for (generation, token) in [
        (
            0,
            "2723d9795be4ae0a6e24b0c1a7d93f5795a942813fc97057b1ab88cf933c374e",
        ),
        (
            1,
            "0a00778356fb30ba744863ed0c046a9bbf9340165f3ff4ad1151f586db3afcfc",
        ),
        (
            64,
            "384ff92ba9c3ea3a6ed8f5fa23cfc9ed426e6f7c15cb0cb0219c05562acc4baf",
        ),
    ] {
        assert_eq!(hex(&key.vault_token(generation)), token);
    }
    assert_eq!(
        hex(&key.compute_token()),
        "9fd2552c1260a4a415e586154d92f0d4f7122818a16351e47f986bae6846fafc"
    );
    let sealed = key
        .seal(b"name", b"hand.png", &mut Randomness::danger_fixed(9))
        .unwrap();
    assert_eq!(
        hex(&sealed),
        "14a9c94fdcb302fc5487e03d541ba6733ea7ad4806424236c63f26c6529dd4cd53f005e8038c03099c5a70ef7d93e69c"
    );
    assert_eq!(key.open(b"name", &sealed).unwrap(), b"hand.png");
    let drawn = ClientKey::generate(&mut Randomness::danger_fixed(9)).unwrap();
    assert_eq!(
        hex(drawn.danger_master()),
        "14a9c94fdcb302fc5487e03d541ba6733ea7ad48064242367246f34f042b3c91"
    );
}

#[test]
fn pictures() {
    let rgba: Vec<u8> = (0..4 * 37 * 23)
        .map(|i| u8::try_from(i * i / 7 % 256).unwrap())
        .collect();
    let picture = Picture::from_rgba(37, 23, rgba).unwrap();
    let down = picture.stretch(16, 16).unwrap();
    let up = picture.stretch(64, 31).unwrap();
    assert_eq!(
        sha256(down.as_bytes()),
        "9f65e49e78dc12c6f68aa5111a900940167ebd872f5db8c5418883e5add4a6ee"
    );
    assert_eq!(
        sha256(up.as_bytes()),
        "6bc775cee61c709cb88d0c2b8c3540ebb51a2b5acf36849f2594a81a8e9f5b0d"
    );
}

#[test]
fn the_whole_way() {
    let key = ClientKey::from_master(master());
    let model = model();
    assert_eq!(
        model.digest(),
        "16700f1b3e38b94da584c3077bd3f061200f8f0c35ae43fb248d9ef185ea7ba9"
    );
    let weights: Vec<u8> = model
        .layer()
        .scores()
        .iter()
        .flat_map(|score| score.weights().iter().flat_map(|w| w.to_le_bytes()))
        .collect();
    assert_eq!(
        sha256(&weights),
        "8947f7452f41dcb045bcfe3734d3083330dc8f483791706c6e30b4a46cc51a79"
    );
    let pixels = pixels(60, 40);
    let image = key
        .encrypt_image(&pixels, &mut Randomness::danger_fixed(10))
        .unwrap();
    assert_eq!(
        sha256(&image.to_payload()),
        "10285ddef52c9483ecd7e52df9fe3aacf751193d15b9dafcabfdeca412d8991f"
    );
    assert_eq!(key.decrypt_image(&image).unwrap(), pixels);
    let result = cipher::evaluate(&model, &image, None, &Control::unattended()).unwrap();
    assert_eq!(
        sha256(&result.to_payload()),
        "542735bd9e33d9a7f0e289ebde74ffa68abaa76e501db6e99ad27733bb1dfdd7"
    );
    let answer = key.decrypt_result(&result).unwrap();
    let twin = clear::evaluate(&model, &pixels).unwrap();
    assert_eq!((answer.class, answer.label.as_str()), (2, "class 2"));
    for (found, expected) in answer.scores.iter().zip(&twin.scores) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn the_system_gives_randomness() {
    let draw = || Randomness::system().unwrap().bytes::<16>();
    assert_ne!(draw(), draw());
}
