//! The kernel beside tfhe's external product, over all vectors that this machine has.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use tfhe::core_crypto::prelude::{
    CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, DefaultRandomGenerator,
    DynamicDistribution, EncryptionRandomGenerator, GlweDimension, GlweSecretKey, LweDimension,
    LweSecretKey, PolynomialSize, SecretRandomGenerator, StandardDev,
    allocate_and_generate_new_binary_glwe_secret_key,
    allocate_and_generate_new_binary_lwe_secret_key, allocate_and_generate_new_lwe_bootstrap_key,
};

use super::instructions::Instructions;
use super::*;
use crate::seed::Randomness;
use tfhe::core_crypto::commons::math::random::Seeder;

const SHAPES: [RotationShape; 3] = [
    RotationShape {
        small_dimension: 24,
        glwe_dimension: 1,
        polynomial_size: 256,
        base_log: 23,
    },
    RotationShape {
        small_dimension: 24,
        glwe_dimension: 2,
        polynomial_size: 1024,
        base_log: 23,
    },
    RotationShape {
        small_dimension: 24,
        glwe_dimension: 4,
        polynomial_size: 512,
        base_log: 23,
    },
];

struct Secret {
    shape: RotationShape,
    small: Vec<u64>,
    glwe: Vec<u64>,
    standard: Vec<u64>,
}

impl Secret {
    fn new(shape: RotationShape, r: &mut Randomness) -> Self {
        let mut secrets = SecretRandomGenerator::<DefaultRandomGenerator>::new(r.seed());
        let small: LweSecretKey<Vec<u64>> = allocate_and_generate_new_binary_lwe_secret_key(
            LweDimension(shape.small_dimension),
            &mut secrets,
        );
        let glwe: GlweSecretKey<Vec<u64>> = allocate_and_generate_new_binary_glwe_secret_key(
            GlweDimension(shape.glwe_dimension),
            PolynomialSize(shape.polynomial_size),
            &mut secrets,
        );
        let seed = r.seed();
        let mut noise = EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seed, r);
        let standard = allocate_and_generate_new_lwe_bootstrap_key(
            &small,
            &glwe,
            DecompositionBaseLog(shape.base_log as usize),
            DecompositionLevelCount(1),
            DynamicDistribution::new_gaussian_from_std_dev(StandardDev(2.8e-15)),
            CiphertextModulus::new_native(),
            &mut noise,
        );
        Self {
            shape,
            small: small.into_container(),
            glwe: glwe.into_container(),
            standard: standard.into_container(),
        }
    }

    fn key(&self, rotation: Rotation) -> FourierKey {
        let mut key = FourierKey::new(self.shape, rotation).unwrap();
        let ggsws = self.standard.chunks(self.shape.ggsw_len());
        for (bit, ggsw) in ggsws.enumerate() {
            key.set_bit(bit, ggsw).unwrap();
        }
        key
    }

    /// The phase of every coefficient of a GLWE.
    fn phases(&self, glwe: &[u64]) -> Vec<u64> {
        let size = self.shape.polynomial_size;
        let (mask, body) = glwe.split_at(glwe.len() - size);
        let mut phases = body.to_vec();
        for (mask, bits) in mask.chunks(size).zip(self.glwe.chunks(size)) {
            for (shift, _) in bits.iter().enumerate().filter(|(_, bit)| **bit == 1) {
                for (i, element) in mask.iter().enumerate() {
                    match i + shift {
                        at if at < size => phases[at] = phases[at].wrapping_sub(*element),
                        at => phases[at - size] = phases[at - size].wrapping_add(*element),
                    }
                }
            }
        }
        phases
    }

    /// Root mean square of the distance of rotated accumulators from what they should hold.
    fn error(&self, rotated: &[u64], plain: &[u64], exponents: &[u16]) -> f64 {
        let size = self.shape.polynomial_size;
        let units = rotated
            .chunks(self.shape.accumulator_len())
            .zip(plain.chunks(size));
        let exponents = exponents.chunks(self.shape.exponents_len());
        let mut squares = 0.0;
        for ((glwe, plain), exponents) in units.zip(exponents) {
            let (mask, body) = exponents.split_at(self.shape.small_dimension);
            let terms = mask.iter().zip(&self.small);
            let product: u64 = terms.map(|(a, s)| u64::from(*a) * s).sum();
            let turn = (u64::from(body[0]) + 2048 * size as u64 - product) as usize % (2 * size);
            for (i, phase) in self.phases(glwe).into_iter().enumerate() {
                // X^-turn times the plain polynomial.
                let exact = match (i + turn) % (2 * size) {
                    at if at < size => plain[at],
                    at => plain[at - size].wrapping_neg(),
                };
                squares += (phase.wrapping_sub(exact).cast_signed() as f64).powi(2);
            }
        }
        (squares / plain.len() as f64).sqrt()
    }
}

/// Accumulators without noise, what they hold, and random exponents with the edges among them.
fn units(
    shape: &RotationShape,
    count: usize,
    r: &mut Randomness,
) -> (Vec<u64>, Vec<u64>, Vec<u16>) {
    let size = u16::try_from(shape.polynomial_size).unwrap();
    let (mut accumulators, mut plain, mut exponents) = (vec![], vec![], vec![]);
    for unit in 0..count {
        let body: Vec<u64> = (0..size)
            .map(|_| u64::from_le_bytes(r.bytes()) >> 56 << 56)
            .collect();
        accumulators.extend(vec![0; shape.glwe_dimension * shape.polynomial_size]);
        accumulators.extend(&body);
        plain.extend(body);
        let edges = [0, size, 2 * size - 1, 1, size - 1, size + 1];
        let drawn = (0..shape.exponents_len()).map(|i| match (i + unit) % 5 {
            0 => edges[(i / 5 + unit) % edges.len()],
            _ => u16::from_le_bytes(r.bytes()) % (2 * size),
        });
        exponents.extend(drawn);
    }
    (accumulators, plain, exponents)
}

fn on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn all_vectors_rotate_as_tfhe_does() {
    let mut r = Randomness::danger_fixed(31);
    for shape in SHAPES {
        let secret = Secret::new(shape, &mut r);
        let (lanes, tfhe) = (secret.key(Rotation::Lanes), secret.key(Rotation::Tfhe));
        for count in [1, 3, 4, 5, 8, 9] {
            let (accumulators, plain, exponents) = units(&shape, count, &mut r);
            let mut by_tfhe = accumulators.clone();
            let done = rotate(&tfhe, &mut by_tfhe, &exponents, &mut on).unwrap();
            assert!(done.is_continue());
            let oracle = secret.error(&by_tfhe, &plain, &exponents);
            assert!(
                oracle < 2f64.powi(50),
                "{shape:?}: tfhe itself errs by {oracle:e}"
            );
            let Form::Lanes(kernel) = &lanes.form else {
                panic!("another form than asked for");
            };
            for instructions in Instructions::all() {
                let mut rotated = accumulators.clone();
                let done = kernel.rotate_by(instructions, &mut rotated, &exponents, &mut on);
                assert!(done.is_continue());
                let ratio = secret.error(&rotated, &plain, &exponents) / oracle;
                assert!(
                    (0.6..1.5).contains(&ratio),
                    "{shape:?}, {count} units, {instructions:?}: {ratio}"
                );
            }
        }
    }
}

#[test]
fn a_rotation_breaks_off_when_told() {
    let mut r = Randomness::danger_fixed(32);
    let shape = SHAPES[0];
    let secret = Secret::new(shape, &mut r);
    for rotation in [Rotation::Lanes, Rotation::Tfhe] {
        let key = secret.key(rotation);
        let (mut accumulators, _, exponents) = units(&shape, 5, &mut r);
        let mut bits = vec![];
        let done = rotate(&key, &mut accumulators, &exponents, &mut |bit| {
            bits.push(bit);
            match bit {
                7 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        assert!(done.unwrap().is_break());
        assert_eq!(bits, (0..8).collect::<Vec<_>>());
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let shape = SHAPES[0];
    let mut key = FourierKey::new(shape, Rotation::Lanes).unwrap();
    assert!(
        key.set_bit(shape.small_dimension, &vec![0; shape.ggsw_len()])
            .is_err()
    );
    assert!(key.set_bit(0, &vec![0; shape.ggsw_len() - 1]).is_err());
    let (mut one, exponents) = (
        vec![0; shape.accumulator_len()],
        vec![0; shape.exponents_len()],
    );
    assert!(rotate(&key, &mut one, &exponents[1..], &mut on).is_err());
    assert!(rotate(&key, &mut one[1..], &exponents, &mut on).is_err());
    assert!(rotate(&key, &mut [], &[], &mut on).unwrap().is_continue());
    let odd = RotationShape {
        polynomial_size: 300,
        ..shape
    };
    assert!(FourierKey::new(odd, Rotation::Lanes).is_err());
}
