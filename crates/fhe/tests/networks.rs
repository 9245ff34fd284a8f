//! Networks at the real parameters: float, clear twin and ciphertexts side by side.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use darkroom_fhe::eval::{Control, EvaluationKey, EvaluationKeyBuilder, cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::{EncryptedImage, EncryptedResult, KeyPart, evaluation_key};
use darkroom_fhe::{Answer, Error, Head};
use support::networks::Network;
use support::{Folder, weights, xray};

struct Owner {
    client: ClientKey,
    key: EvaluationKey,
}

/// A key of parts from two generations.
fn owner(number: u128) -> Owner {
    let mut r = Randomness::danger_fixed(number);
    let client = ClientKey::generate(&mut r).unwrap();
    let secret = client.evaluation_secret();
    let parts = evaluation_key::parts(2).unwrap();
    let mut make = |index| secret.part(index, &mut r).unwrap();
    let generations = [(); 2].map(|()| (0..parts).map(&mut make).collect::<Vec<_>>());
    let mut builder = EvaluationKeyBuilder::new(2).unwrap();
    for index in (0..parts).rev() {
        let payload = &generations[usize::from(index.is_multiple_of(3))][usize::from(index)];
        builder
            .add(&KeyPart::from_payload(2, payload).unwrap())
            .unwrap();
    }
    let key = builder.finish().unwrap();
    Owner { client, key }
}

static OWNER: LazyLock<Owner> = LazyLock::new(|| owner(1));

fn control(threads: usize) -> Control<'static> {
    Control {
        threads,
        ..Control::unattended()
    }
}

/// Through bytes both ways, as the services do it.
fn encrypted(owner: &Owner, model: &Model, pixels: &Pixels, threads: usize) -> Answer {
    // Of the picture alone, so that what is measured is the same every time.
    let digits = pixels.as_bytes().iter();
    let number = digits.fold(0, |number: u128, grey| {
        number.wrapping_mul(257).wrapping_add(u128::from(*grey))
    });
    let mut r = Randomness::danger_fixed(number);
    let image = owner
        .client
        .encrypt_image(pixels, &mut r)
        .unwrap()
        .to_payload();
    let image = EncryptedImage::from_payload(model.parameters(), &image).unwrap();
    let result = cipher::evaluate(model, &image, Some(&owner.key), &control(threads)).unwrap();
    assert_eq!(result.parameters(), model.result_parameters());
    let payload = result.to_payload();
    assert_eq!(payload.len() as u64, model.result_payload_bytes());
    let result = EncryptedResult::from_payload(model.result_parameters(), &payload).unwrap();
    owner.client.decrypt_result(&result).unwrap()
}

fn differences(found: &Answer, expected: &Answer) -> impl Iterator<Item = f64> {
    let pairs = found.scores.iter().zip(&expected.scores);
    pairs.map(|(a, b)| a - b).collect::<Vec<_>>().into_iter()
}

fn rms(errors: &[f64]) -> f64 {
    (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt()
}

#[test]
fn the_twin_is_the_float_network_but_for_rounding() {
    for (widths, number) in [(&[24, 5][..], 1), (&[32, 16, 3], 2), (&[12, 1], 3)] {
        let network = Network::new(20, widths, 8, number);
        let model = network.load();
        let last = model.lookups().last().unwrap();
        let mut errors = vec![];
        for picture in 0..100 {
            let pixels = xray(20, 20, picture);
            let twin = clear::evaluate(&model, &pixels).unwrap();
            let scale = last.outputs().iter().map(|o| o.noise().rounding.sqrt());
            let float = network.float(&pixels);
            let pairs = twin.scores.iter().zip(&float).zip(scale);
            errors.extend(pairs.map(|((a, b), scale)| (a - b) / scale));
        }
        // Cutting inputs to slots comes to rounding, the more the more layers.
        let error = rms(&errors);
        assert!((0.5..3.0).contains(&error), "{widths:?}: {error}");
        assert_eq!(
            model.bootstraps(),
            widths[..widths.len() - 1].iter().sum::<usize>() as u64
        );
        assert_eq!(model.evaluation_key_parameters(), Some(2));
        assert_eq!((model.parameters(), model.result_parameters()), (1, 2));
        let expected = if widths.ends_with(&[1]) {
            Head::Logistic
        } else {
            Head::Softmax
        };
        assert_eq!(model.head(), expected);
    }
}

#[test]
fn encrypted_answers_are_the_twins_within_the_noise() {
    for (widths, threads, pictures) in [
        (&[20, 4][..], 1, 6),
        (&[20, 4], 2, 6),
        (&[16, 8, 3], 2, 6),
        (&[5, 1], 1, 24),
    ] {
        let network = Network::new(20, widths, 8, 4);
        let model = network.load();
        let outputs = model.lookups().last().unwrap().outputs();
        let mut errors = vec![];
        for picture in 0..pictures {
            let pixels = xray(20, 20, picture);
            let twin = clear::evaluate(&model, &pixels).unwrap();
            let found = encrypted(&OWNER, &model, &pixels, threads);
            for (error, output) in differences(&found, &twin).zip(outputs) {
                assert!(error.abs() < output.tolerance(), "{error} {output:?}");
                errors.push(error / output.noise_deviation());
            }
        }
        let ratio = rms(&errors);
        println!("{widths:?}: ratio {ratio:.3}");
        assert!((0.5..1.6).contains(&ratio), "{widths:?}: {ratio}");
    }
}

/// A second lookup layer meets the noise of the first: measured against the simulated twin, which draws
/// what is predicted.
#[test]
fn two_layers_are_as_noisy_as_simulated() {
    for widths in [&[32, 10][..], &[24, 16, 10]] {
        let model = Network::new(20, widths, 8, 5).load();
        let mut r = Randomness::danger_fixed(9);
        let (mut measured, mut simulated) = (vec![], vec![]);
        for picture in 0..40 {
            let pixels = xray(20, 20, picture);
            let twin = clear::evaluate(&model, &pixels).unwrap();
            let found = encrypted(&OWNER, &model, &pixels, 2);
            measured.extend(differences(&found, &twin));
            for _ in 0..40 {
                let noisy = clear::simulate(&model, &pixels, &mut r).unwrap();
                simulated.extend(differences(&noisy, &twin));
            }
        }
        let ratio = rms(&measured) / rms(&simulated);
        println!(
            "{widths:?}: measured {:.4}, ratio {ratio:.3}",
            rms(&measured)
        );
        assert!((ratio - 1.0).abs() < 0.1, "{widths:?}: {ratio}");
    }
}

#[test]
fn the_average_over_pictures_is_as_noisy_as_predicted() {
    let mut r = Randomness::danger_fixed(10);
    let mut errors = vec![];
    for number in 0..16 {
        // Inputs evenly around the torus, as the prediction has them.
        let biases: Vec<f64> = (0..32).map(|unit| f64::from(unit) / 8.0).collect();
        let folder = Network::new(20, &[32, 10], 8, 600 + number).folder();
        let folder = folder.with("[output]\ntolerance = 8\n");
        let folder = folder.file("b.npy", support::networks::numbers("(32,)", &biases));
        let model = folder.load().unwrap();
        for picture in 0..40 {
            let pixels = support::white_noise(20, 20, picture);
            let twin = clear::evaluate(&model, &pixels).unwrap();
            let noisy = clear::simulate(&model, &pixels, &mut r).unwrap();
            let outputs = differences(&noisy, &twin).zip(model.lookups()[0].outputs());
            errors.extend(outputs.map(|(error, output)| error / output.noise_deviation()));
        }
    }
    let ratio = rms(&errors);
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
}

#[test]
fn without_the_right_key_nothing_begins() {
    let model = Network::new(20, &[4, 2], 2, 7).load();
    let mut r = Randomness::danger_fixed(11);
    let image = OWNER
        .client
        .encrypt_image(&xray(20, 20, 1), &mut r)
        .unwrap();
    let error = cipher::evaluate(&model, &image, None, &Control::unattended()).unwrap_err();
    assert_eq!(error, Error::EvaluationKeyMissing { parameters: 2 });
    // Linear models take no notice of a key.
    let linear = Folder::linear(20, 20, 2, &[weights(20, 20, 5.0, 1)])
        .load()
        .unwrap();
    let with = |key| cipher::evaluate(&linear, &image, key, &Control::unattended()).unwrap();
    assert_eq!(with(None).to_payload(), with(Some(&OWNER.key)).to_payload());
    assert_eq!(linear.bootstraps(), 0);
    assert_eq!(
        (
            linear.evaluation_key_parameters(),
            linear.result_parameters()
        ),
        (None, 1)
    );
}

#[test]
fn progress_counts_bootstraps_and_can_be_called_off() {
    let model = Network::new(20, &[12, 6, 2], 2, 8).load();
    let mut r = Randomness::danger_fixed(12);
    let image = OWNER
        .client
        .encrypt_image(&xray(20, 20, 1), &mut r)
        .unwrap();
    for threads in [1, 2] {
        let told = Mutex::new(vec![]);
        let control = Control {
            threads,
            progress: &|done| told.lock().unwrap().push(done),
            cancelled: &|| false,
        };
        cipher::evaluate(&model, &image, Some(&OWNER.key), &control).unwrap();
        let told = told.into_inner().unwrap();
        assert_eq!(told.iter().max(), Some(&model.bootstraps()));
        assert!(told.len() > 4, "{told:?}");

        let last = AtomicBool::new(false);
        let asked = std::sync::atomic::AtomicU64::new(0);
        let control = Control {
            threads,
            progress: &|done| last.store(done >= 5, Ordering::Relaxed),
            cancelled: &|| {
                asked.fetch_add(1, Ordering::Relaxed);
                last.load(Ordering::Relaxed)
            },
        };
        let called_off = cipher::evaluate(&model, &image, Some(&OWNER.key), &control);
        assert_eq!(called_off.unwrap_err(), Error::Cancelled);
        // Asked at every bit of the key, in every thread.
        assert!(asked.into_inner() > 300);
    }
}

#[test]
fn two_images_at_once_and_two_owners() {
    let model = Network::new(20, &[8, 3], 4, 9).load();
    let other = owner(2);
    let pictures: Vec<Pixels> = (0..2).map(|n| xray(20, 20, n)).collect();
    let tolerance = |i: usize| model.lookups()[0].outputs()[i].tolerance();
    std::thread::scope(|scope| {
        for (owner, pixels) in [&*OWNER, &other].into_iter().zip(&pictures) {
            for _ in 0..2 {
                scope.spawn(|| {
                    let twin = clear::evaluate(&model, pixels).unwrap();
                    let found = encrypted(owner, &model, pixels, 1);
                    for (i, error) in differences(&found, &twin).enumerate() {
                        assert!(error.abs() < tolerance(i), "{error}");
                    }
                });
            }
        }
    });
    // The key of another owner gives numbers without meaning, and breaks nothing.
    let mixed = Owner {
        client: OWNER.client.clone(),
        key: other.key,
    };
    let twin = clear::evaluate(&model, &pictures[0]).unwrap();
    let found = encrypted(&mixed, &model, &pictures[0], 1);
    let far = differences(&found, &twin).filter(|error| error.abs() > 0.5);
    assert!(far.count() >= 1);
}
