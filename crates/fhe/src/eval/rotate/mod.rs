//! Blind rotations: many accumulators against one bootstrap key, each key bit read once for all.
//!
//! A rotation turns the accumulator of a unit by the unit's encrypted phase: X^-phase * accumulator.
//! Bit i of the small key takes it through one external product:
//! accumulator += (X^a_i - 1) * accumulator x GGSW(s_i).
//! All accumulators go through the product of one bit before the next.
//!
//! What a unit's functions are is decided afterwards: its accumulator is a constant, and
//! [`Differences`] multiplies it by one polynomial an output and sums over the units.
//!
//! | file | what is in it |
//! |---|---|
//! | `lanes` | the kernel: external products of one accumulator a lane |
//! | `accumulators` | how the kernel holds accumulators |
//! | `words`, `avx` | torus elements become floats in lanes, and back |
//! | `transform`, `complex` | negacyclic transforms of one polynomial a lane |
//! | `instructions` | which vectors this machine has |
//! | `differences` | from rotated constants to the sums of functions |
//! | `fallback` | the rotation with tfhe's external product |

mod accumulators;
#[cfg(target_arch = "x86_64")]
mod avx;
mod complex;
mod differences;
mod fallback;
mod instructions;
mod lanes;
// Natively alone, where networks are evaluated.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
mod transform;
mod words;

use std::ops::ControlFlow;

pub use differences::Differences;

use crate::Error;

/// The dimensions of a rotation, at level 1.
///
/// Security: public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationShape {
    /// Bits of the small key, n: GGSWs of the bootstrap key.
    pub small_dimension: usize,
    /// GLWE dimension k.
    pub glwe_dimension: usize,
    /// Polynomial size N, a power of two.
    pub polynomial_size: usize,
    /// Bits of the one digit that a coefficient is decomposed into.
    pub base_log: u32,
}

impl RotationShape {
    /// Torus elements of an accumulator: k + 1 polynomials, the body last.
    pub const fn accumulator_len(&self) -> usize {
        (self.glwe_dimension + 1) * self.polynomial_size
    }

    /// Torus elements of a standard GGSW: k + 1 rows of k + 1 polynomials.
    pub const fn ggsw_len(&self) -> usize {
        (self.glwe_dimension + 1) * self.accumulator_len()
    }

    /// Exponents of a unit: n mask elements and the body, modulo 2N.
    pub const fn exponents_len(&self) -> usize {
        self.small_dimension + 1
    }

    /// Bytes that a key of this shape takes in memory.
    pub const fn key_bytes(&self) -> u64 {
        (self.small_dimension * self.ggsw_len()) as u64 * 8
    }
}

/// By which code the accumulators are rotated. Both give the same message with the same noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Our own, over the widest vector registers of the machine.
    Lanes,
    /// tfhe's external product.
    Tfhe,
}

/// A bootstrap key in the Fourier domain.
///
/// Security: public.
pub struct FourierKey {
    shape: RotationShape,
    form: Form,
}

enum Form {
    Lanes(lanes::Key),
    Tfhe(fallback::Key),
}

impl FourierKey {
    /// A key to be filled, bit by bit.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no transform of this size.
    pub fn new(shape: RotationShape, rotation: Rotation) -> Result<Self, Error> {
        let sound = shape.polynomial_size.is_power_of_two()
            && (128..=1 << 14).contains(&shape.polynomial_size)
            && (1..=28).contains(&shape.base_log)
            && (1..=6).contains(&shape.glwe_dimension);
        if !sound {
            return Err(Error::internal(format!("no rotation has {shape:?}")));
        }
        let form = match rotation {
            Rotation::Lanes => Form::Lanes(lanes::Key::new(shape)),
            Rotation::Tfhe => Form::Tfhe(fallback::Key::new(shape)),
        };
        Ok(Self { shape, form })
    }

    /// Its dimensions.
    pub fn shape(&self) -> &RotationShape {
        &self.shape
    }

    /// Bytes that it takes in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.shape.key_bytes()
    }

    /// Takes over one bit's GGSW.
    ///
    /// Shapes: as tfhe's standard bootstrap key has it, (k+1) rows of (k+1) polynomials.
    /// Units: torus elements of 2^64.
    /// Cost: [`RotationShape::ggsw_len`] conversions and (k+1)^2 transforms.
    ///
    /// # Errors
    /// [`Error::Internal`] if the bit or the length does not fit.
    pub fn set_bit(&mut self, bit: usize, ggsw: &[u64]) -> Result<(), Error> {
        let shape = &self.shape;
        if bit >= shape.small_dimension || ggsw.len() != shape.ggsw_len() {
            return Err(Error::internal(format!("a GGSW outside of {shape:?}")));
        }
        match &mut self.form {
            Form::Lanes(key) => key.set_bit(bit, ggsw),
            Form::Tfhe(key) => key.set_bit(bit, ggsw),
        }
        Ok(())
    }
}

impl std::fmt::Debug for FourierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FourierKey")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// Rotates accumulators: GLWEs become X^-phase times themselves, phase = body - <mask, key>. One
/// thread's share of the work.
///
/// Shapes: `accumulators` units x (k+1) x N, `exponents` units x (n+1), the body last.
/// Units: torus elements of 2^64; exponents modulo 2N.
/// Noise: that of n external products with digits of `base_log` bits; measured, the lanes'
/// transforms raise its deviation by some 6 %.
/// Cost: some ms a bootstrap; bench `zoo` measures whole networks.
/// `on_bit` is told after every key bit which it was. If it breaks off, the accumulators hold nothing
/// of use.
///
/// # Errors
/// [`Error::Internal`] if the lengths do not fit the key.
pub fn rotate(
    key: &FourierKey,
    accumulators: &mut [u64],
    exponents: &[u16],
    on_bit: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    let shape = &key.shape;
    let units = exponents.len() / shape.exponents_len();
    let fits = exponents.len() == units * shape.exponents_len()
        && accumulators.len() == units * shape.accumulator_len();
    if !fits {
        return Err(Error::internal(format!(
            "{} torus elements and {} exponents are not units of {shape:?}",
            accumulators.len(),
            exponents.len()
        )));
    }
    if units == 0 {
        return Ok(ControlFlow::Continue(()));
    }
    Ok(match &key.form {
        Form::Lanes(key) => key.rotate(accumulators, exponents, on_bit),
        Form::Tfhe(key) => key.rotate(accumulators, exponents, on_bit),
    })
}
