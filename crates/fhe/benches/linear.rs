//! The figures of a linear model of 16384 weights, one JSON line each: name, value, unit.
//!
//! `cargo bench -p darkroom-fhe --features client --bench linear`. Times are processor time of one
//! thread, the median of many runs; the picture has 128x128 pixels, the model one score.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use cpu_time::ThreadTime;
use darkroom_fhe::eval::{Control, cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::{EncryptedImage, EncryptedResult};
use support::{Folder, float_score, weights, xray};

const HEADER_BYTES: usize = 72;
const IMAGES: u128 = 62;
const BIAS: f64 = -0.059_910_28;

fn main() {
    let mut r = Randomness::system().unwrap();
    let key = ClientKey::generate(&mut r).unwrap();
    let weights = weights(128, 128, 193.0, 11);
    let folder = Folder::linear(128, 128, 2, std::slice::from_ref(&weights));
    let folder = folder.with(&format!("bias = {BIAS}\n"));
    let model = folder.load().unwrap();
    let pixels = xray(128, 128, 0);

    let keygen = || ClientKey::generate(&mut Randomness::danger_fixed(1)).unwrap();
    report("key generation", median_ms(|| drop(keygen())), "ms cpu");
    report(
        "model load",
        median_ms(|| drop(folder.load().unwrap())),
        "ms cpu",
    );
    let encrypt = median_ms(|| drop(key.encrypt_image(&pixels, &mut r).unwrap()));
    report("encryption", encrypt, "ms cpu");
    let payload = key.encrypt_image(&pixels, &mut r).unwrap().to_payload();
    let image = EncryptedImage::from_payload(1, &payload).unwrap();
    let evaluate =
        median_ms(|| drop(cipher::evaluate(&model, &image, None, &Control::unattended()).unwrap()));
    report("evaluation", evaluate, "ms cpu");
    let server = median_ms(|| {
        let image = EncryptedImage::from_payload(1, &payload).unwrap();
        drop(
            cipher::evaluate(&model, &image, None, &Control::unattended())
                .unwrap()
                .to_payload(),
        );
    });
    report("server, payload to payload", server, "ms cpu");
    let result = cipher::evaluate(&model, &image, None, &Control::unattended())
        .unwrap()
        .to_payload();
    let decrypt = median_ms(|| {
        let result = EncryptedResult::from_payload(1, &result).unwrap();
        drop(key.decrypt_result(&result).unwrap());
    });
    report("decryption", decrypt, "ms cpu");
    report("image", (HEADER_BYTES + payload.len()) as f64, "bytes");
    report("result", (HEADER_BYTES + result.len()) as f64, "bytes");
    report("evaluation key", 0.0, "bytes");
    errors(&key, &mut r, &weights, &model);
}

/// Scores beside float64, over many pictures: of the encrypted way, and of the twin alone.
fn errors(
    key: &ClientKey,
    r: &mut Randomness,
    weights: &[f64],
    model: &darkroom_fhe::model::Model,
) {
    let (mut worst, mut squares, mut twin_squares) = (0.0_f64, 0.0, 0.0);
    for number in 0..IMAGES {
        let pixels = xray(128, 128, number);
        let exact = float_score(weights, BIAS, 255.0, &pixels);
        let image = key.encrypt_image(&pixels, r).unwrap();
        let result = cipher::evaluate(model, &image, None, &Control::unattended()).unwrap();
        let error = key.decrypt_result(&result).unwrap().scores[0] - exact;
        worst = worst.max(error.abs());
        squares += error * error;
        let twin = clear::evaluate(model, &pixels).unwrap().scores[0] - exact;
        twin_squares += twin * twin;
    }
    let rms = |squares: f64| (squares / IMAGES as f64).sqrt();
    report("score error, largest of 62 pictures", worst, "score");
    report("score error, rms", rms(squares), "score");
    report(
        "score error, rms, of rounded weights alone",
        rms(twin_squares),
        "score",
    );
    let score = &model.layer().scores()[0];
    report("score noise, predicted", score.noise_deviation(), "score");
}

fn median_ms(mut step: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..60)
        .map(|_| {
            let start = ThreadTime::now();
            step();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn report(name: &str, value: f64, unit: &str) {
    println!(
        "{}",
        serde_json::json!({"name": name, "value": value, "unit": unit})
    );
}
