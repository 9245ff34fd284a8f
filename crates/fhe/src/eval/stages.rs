//! The noise after every stage of a bootstrap at the real parameters, measured beside the prediction.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::control::Progress;
use super::lookup::exponents;
use super::rotate::{self, Differences};
use super::{Control, EvaluationKey, EvaluationKeyBuilder};
use crate::keys::{ClientKey, EvaluationSecret};
use crate::noise::bootstrap::{RotationNoise, keyswitch, modulus_switch};
use crate::params::{NETWORK, NETWORK_BOOTSTRAP};
use crate::seed::Randomness;
use crate::wire::{KeyPart, evaluation_key};

const N: usize = NETWORK.polynomial_size;

struct Owner {
    secret: EvaluationSecret,
    key: EvaluationKey,
}

static OWNER: LazyLock<Owner> = LazyLock::new(|| {
    let mut r = Randomness::danger_fixed(21);
    let secret = ClientKey::from_master(r.bytes()).evaluation_secret();
    let mut builder = EvaluationKeyBuilder::new(2).unwrap();
    for index in 0..evaluation_key::parts(2).unwrap() {
        let part = secret.part(index, &mut r).unwrap();
        builder
            .add(&KeyPart::from_payload(2, &part).unwrap())
            .unwrap();
    }
    let key = builder.finish().unwrap();
    Owner { secret, key }
});

fn random(r: &mut Randomness) -> u64 {
    u64::from_le_bytes(r.bytes())
}

/// Samples of these phases, without noise, under a key of 2048 bits.
fn samples(bits: &[u8], phases: &[u64], r: &mut Randomness) -> Vec<Vec<u64>> {
    let sample = |phase: &u64| {
        let mut sample: Vec<u64> = bits.iter().map(|_| random(r)).collect();
        let terms = sample.iter().zip(bits);
        let body = terms.fold(*phase, |sum, (a, s)| sum.wrapping_add(a * u64::from(*s)));
        sample.push(body);
        sample
    };
    phases.iter().map(sample).collect()
}

/// The phase of a sample, in units of its own torus.
fn phase(bits: &[u8], sample: &[u64]) -> u64 {
    let (body, mask) = sample.split_last().unwrap();
    let terms = mask.iter().zip(bits);
    terms.fold(*body, |sum, (a, s)| sum.wrapping_sub(a * u64::from(*s)))
}

fn rms(errors: &[f64]) -> f64 {
    (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt()
}

fn assert_near(what: &str, errors: &[f64], variance: f64) {
    let (measured, predicted) = (rms(errors), variance.sqrt());
    let ratio = measured / predicted;
    println!(
        "{what}: measured 2^{:.2}, predicted 2^{:.2}, ratio {ratio:.3} over {} samples",
        measured.log2(),
        predicted.log2(),
        errors.len()
    );
    assert!(
        (ratio - 1.0).abs() < 0.1,
        "{what}: {measured:e} {predicted:e}"
    );
}

#[test]
fn keyswitch_and_modulus_switch_add_what_is_predicted() {
    let Owner { secret, key } = &*OWNER;
    let mut r = Randomness::danger_fixed(22);
    let control = Control::unattended();
    for (switch, bits) in [
        (&key.of_images, secret.image()),
        (&key.of_layers, secret.glwe()),
    ] {
        let phases: Vec<u64> = (0..1200).map(|_| random(&mut r)).collect();
        let samples = samples(bits, &phases, &mut r);
        let samples: Vec<&[u64]> = samples.iter().map(Vec::as_slice).collect();
        let switched = switch.switch(&samples, &Progress::new(&control)).unwrap();
        let small = secret.small();
        let (mut after_keyswitch, mut after_modulus_switch) = (vec![], vec![]);
        for (sample, exact) in switched.chunks(small.len() + 1).zip(&phases) {
            let in_64: Vec<u64> = sample.iter().map(|e| u64::from(*e) << 32).collect();
            let error = phase(small, &in_64).wrapping_sub(*exact).cast_signed();
            after_keyswitch.push(error as f64);
            let in_slots: Vec<u64> = exponents(sample, 10).map(|e| u64::from(e) << 54).collect();
            let middle = phase(small, &in_slots).wrapping_add(1 << 53);
            after_modulus_switch.push(middle.wrapping_sub(*exact).cast_signed() as f64);
        }
        let of_keyswitch = keyswitch(&NETWORK_BOOTSTRAP);
        assert_near("keyswitch", &after_keyswitch, of_keyswitch);
        // Where in its slot a phase lies is no noise, but counts here.
        let in_slot = 4f64.powi(54) / 12.0;
        let of_switch = modulus_switch(&NETWORK, &NETWORK_BOOTSTRAP);
        assert_near(
            "modulus switch",
            &after_modulus_switch,
            of_keyswitch + of_switch + in_slot,
        );
    }
}

/// Rotated constants of 2^60 at random phases, with those phases in slots.
fn rotated(units: usize, r: &mut Randomness) -> (Vec<u64>, Vec<usize>) {
    let Owner { secret, key } = &*OWNER;
    let shape = key.bootstrap.shape();
    let mut accumulator = vec![0; shape.accumulator_len()];
    accumulator[shape.accumulator_len() - N..].fill(1 << 60);
    let mut accumulators = accumulator.repeat(units);
    let mut exponents: Vec<u16> = Vec::new();
    let mut slots = Vec::new();
    for _ in 0..units {
        let drawn: Vec<u16> = (0..shape.exponents_len())
            .map(|_| u16::from_le_bytes(r.bytes()) % 1024)
            .collect();
        let wide: Vec<u64> = drawn.iter().map(|e| u64::from(*e)).collect();
        slots.push(usize::try_from(phase(secret.small(), &wide) % 1024).unwrap());
        exponents.extend(drawn);
    }
    let on_bit = &mut |_| ControlFlow::Continue(());
    let done = rotate::rotate(&key.bootstrap, &mut accumulators, &exponents, on_bit).unwrap();
    assert!(done.is_continue());
    (accumulators, slots)
}

/// Adds the product with a polynomial of bits.
fn add_product(sum: &mut [u64], factor: &[u64], bits: &[u8]) {
    for (shift, _) in bits.iter().enumerate().filter(|(_, bit)| **bit == 1) {
        for (i, element) in factor.iter().enumerate() {
            match i + shift {
                at if at < N => sum[at] = sum[at].wrapping_add(*element),
                at => sum[at - N] = sum[at - N].wrapping_sub(*element),
            }
        }
    }
}

/// The phase of every coefficient of a GLWE.
fn phases(glwe: &[u64]) -> Vec<u64> {
    let (mask, body) = glwe.split_at(glwe.len() - N);
    let mut product = vec![0; N];
    for (mask, bits) in mask.chunks(N).zip(OWNER.secret.glwe().chunks(N)) {
        add_product(&mut product, mask, bits);
    }
    let pairs = body.iter().zip(product);
    pairs
        .map(|(body, product)| body.wrapping_sub(product))
        .collect()
}

/// A function's difference polynomial.
fn difference(f: &[i32]) -> Vec<i32> {
    let before = |slot: usize| if slot == 0 { -f[N - 1] } else { f[slot - 1] };
    (0..N).map(|slot| f[slot] - before(slot)).collect()
}

fn squares(values: &[i32]) -> f64 {
    values.iter().map(|x| f64::from(*x).powi(2)).sum()
}

/// The sum of squares of the products of a difference polynomial and every polynomial of a key.
fn products_with(key: &[u8], difference: &[i32]) -> f64 {
    let difference: Vec<u64> = difference
        .iter()
        .map(|d| i64::from(*d).cast_unsigned())
        .collect();
    let of_polynomial = |bits: &[u8]| {
        let mut product = vec![0; N];
        add_product(&mut product, &difference, bits);
        let square = |element: &u64| (element.cast_signed() as f64).powi(2);
        product.iter().map(square).sum::<f64>()
    };
    key.chunks(N).map(of_polynomial).sum()
}

/// A function of some harmonics, in steps.
fn function(r: &mut Randomness, amplitude: f64, harmonics: usize) -> Vec<i32> {
    let terms: Vec<[f64; 2]> = (0..harmonics)
        .map(|_| {
            let [a, b] = [(); 2].map(|()| f64::from(i32::from_le_bytes(r.bytes())));
            [a, b].map(|x| x / f64::from(i32::MAX) * amplitude)
        })
        .collect();
    let at = |slot: usize| {
        let term = |(d, [a, b]): (usize, &[f64; 2])| {
            let multiple = (2 * d + 1) as f64 * std::f64::consts::PI;
            let angle = multiple * (slot as f64 + 0.5) / N as f64;
            a * angle.sin() + b * angle.cos()
        };
        terms.iter().enumerate().map(term).sum::<f64>()
    };
    #[allow(clippy::cast_possible_truncation)]
    (0..N).map(|slot| at(slot).round() as i32).collect()
}

fn value(function: &[i32], slot: usize) -> i64 {
    match slot {
        slot if slot < N => i64::from(function[slot]),
        slot => -i64::from(function[slot - N]),
    }
}

#[test]
fn rotation_and_product_add_what_is_predicted() {
    let mut r = Randomness::danger_fixed(23);
    let noise = RotationNoise::new(&NETWORK, &NETWORK_BOOTSTRAP);
    // Outputs share rotations: as many as leave 2 to 3 % uncertain.
    let units = 768;
    let (accumulators, slots) = rotated(units, &mut r);
    let glwe_len = accumulators.len() / units;
    let mut errors = vec![];
    for (glwe, slot) in accumulators.chunks(glwe_len).zip(&slots) {
        for (i, phase) in phases(glwe).into_iter().enumerate() {
            // X^-slot times the constant: negative where it came around.
            let turned = (i + slot) / N % 2 == 1;
            let exact: u64 = if turned {
                (1_u64 << 60).wrapping_neg()
            } else {
                1 << 60
            };
            errors.push(phase.wrapping_sub(exact).cast_signed() as f64);
        }
    }
    // Of this key, what is random about keys.
    let ones = OWNER.secret.small().iter().filter(|bit| **bit == 1).count();
    let noise = noise.with_ones(ones as f64 / OWNER.secret.small().len() as f64);
    assert_near("rotation", &errors, noise.coefficient());
    // Smooth and coarse functions: what the digits leave out weighs differently in them.
    for (amplitude, harmonics) in [(300.0, 1), (40.0, 4), (3.0, 12)] {
        let functions: Vec<Vec<i32>> = (0..8)
            .map(|_| function(&mut r, amplitude, harmonics))
            .collect();
        let mut products = Differences::new(N, units, functions.len()).unwrap();
        let mut variance = 0.0;
        for (output, f) in functions.iter().enumerate() {
            let d = difference(f);
            (0..units).for_each(|unit| products.set(unit, output, &d).unwrap());
            let with_key = products_with(OWNER.secret.glwe(), &d);
            variance += noise.product_under(squares(&d), with_key) / functions.len() as f64;
        }
        let mut errors = vec![];
        for (unit, (glwe, slot)) in accumulators.chunks(glwe_len).zip(&slots).enumerate() {
            let mut sums = vec![0; functions.len() * glwe_len];
            products.add_products(unit, glwe, &mut sums).unwrap();
            for (sum, f) in sums.chunks(glwe_len).zip(&functions) {
                let exact = value(f, *slot).cast_unsigned() << 61;
                errors.push(phases(sum)[0].wrapping_sub(exact).cast_signed() as f64);
            }
        }
        assert_near(
            &format!("product, {harmonics} harmonics"),
            &errors,
            variance,
        );
    }
}

/// What a product with one key makes of a smooth function varies from key to key; the prediction is the
/// mean over keys.
#[test]
fn the_mean_over_keys_is_what_is_predicted() {
    let mut r = Randomness::danger_fixed(24);
    let noise = RotationNoise::new(&NETWORK, &NETWORK_BOOTSTRAP);
    for (amplitude, harmonics) in [(300.0, 1), (40.0, 4), (3.0, 12)] {
        let f = function(&mut r, amplitude, harmonics);
        let d = difference(&f);
        let keys = 200;
        let mut mean = 0.0;
        for _ in 0..keys {
            let key: Vec<u8> = (0..4 * N).map(|_| r.bytes::<1>()[0] & 1).collect();
            mean += noise.product_under(squares(&d), products_with(&key, &d)) / f64::from(keys);
        }
        let ratio = (mean / noise.product(squares(&d), squares(&f))).sqrt();
        assert!((ratio - 1.0).abs() < 0.03, "{harmonics} harmonics: {ratio}");
    }
}
