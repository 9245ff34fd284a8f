//! The rotation with tfhe's external product: the fallback, and what the kernel is compared with.

use std::ops::ControlFlow;

use tfhe::core_crypto::fft_impl::fft64::crypto::ggsw::{
    add_external_product_assign, add_external_product_assign_scratch,
};
use tfhe::core_crypto::prelude::*;

use super::RotationShape;

/// tfhe's Fourier key.
pub(super) struct Key {
    shape: RotationShape,
    key: FourierLweBootstrapKeyOwned,
    fft: Fft,
}

impl Key {
    pub(super) fn new(shape: RotationShape) -> Self {
        let size = PolynomialSize(shape.polynomial_size);
        let key = FourierLweBootstrapKeyOwned::new(
            LweDimension(shape.small_dimension),
            GlweDimension(shape.glwe_dimension).to_glwe_size(),
            size,
            DecompositionBaseLog(shape.base_log as usize),
            DecompositionLevelCount(1),
        );
        let fft = Fft::new(size);
        Self { shape, key, fft }
    }

    pub(super) fn set_bit(&mut self, bit: usize, ggsw: &[u64]) {
        let size = PolynomialSize(self.shape.polynomial_size);
        let standard = GgswCiphertext::from_container(
            ggsw,
            GlweDimension(self.shape.glwe_dimension).to_glwe_size(),
            size,
            DecompositionBaseLog(self.shape.base_log as usize),
            CiphertextModulus::new_native(),
        );
        let fft = self.fft.as_view();
        let mut buffers = ComputationBuffers::new();
        buffers.resize(fft.forward_scratch().unaligned_bytes_required());
        if let Some(fourier) = self.key.as_mut_view().into_ggsw_iter().nth(bit) {
            fourier.fill_with_forward_fourier(standard.as_view(), fft, buffers.stack());
        }
    }

    pub(super) fn rotate(
        &self,
        accumulators: &mut [u64],
        exponents: &[u16],
        on_bit: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let shape = &self.shape;
        let size = PolynomialSize(shape.polynomial_size);
        let glwe_size = GlweDimension(shape.glwe_dimension).to_glwe_size();
        let fft = self.fft.as_view();
        let mut buffers = ComputationBuffers::new();
        let scratch = add_external_product_assign_scratch::<u64>(glwe_size, size, fft);
        buffers.resize(scratch.unaligned_bytes_required());
        let mut turned = vec![0; shape.accumulator_len()];
        for (accumulator, exponents) in self.units(accumulators, exponents) {
            turned.copy_from_slice(accumulator);
            let body = MonomialDegree(usize::from(exponents[shape.small_dimension]));
            for (to, from) in polynomials(accumulator, &turned, size) {
                let mut to = Polynomial::from_container(to);
                let from = Polynomial::from_container(from);
                polynomial_algorithms::polynomial_wrapping_monic_monomial_div(&mut to, &from, body);
            }
        }
        for (bit, ggsw) in self.key.as_view().into_ggsw_iter().enumerate() {
            for (accumulator, exponents) in self.units(accumulators, exponents) {
                let degree = MonomialDegree(usize::from(exponents[bit]));
                for (to, from) in polynomials(&mut turned, accumulator, size) {
                    let mut to = Polynomial::from_container(to);
                    let standing = Polynomial::from_container(from);
                    polynomial_algorithms::polynomial_wrapping_monic_monomial_mul(
                        &mut to, &standing, degree,
                    );
                    for (to, from) in to.as_mut().iter_mut().zip(from) {
                        *to = to.wrapping_sub(*from);
                    }
                }
                let modulus = CiphertextModulus::new_native();
                add_external_product_assign(
                    GlweCiphertext::from_container(accumulator, size, modulus),
                    ggsw,
                    GlweCiphertext::from_container(&turned[..], size, modulus),
                    fft,
                    buffers.stack(),
                );
            }
            on_bit(bit)?;
        }
        ControlFlow::Continue(())
    }

    fn units<'a>(
        &self,
        accumulators: &'a mut [u64],
        exponents: &'a [u16],
    ) -> impl Iterator<Item = (&'a mut [u64], &'a [u16])> {
        let accumulators = accumulators.chunks_exact_mut(self.shape.accumulator_len());
        accumulators.zip(exponents.chunks_exact(self.shape.exponents_len()))
    }
}

fn polynomials<'a>(
    to: &'a mut [u64],
    from: &'a [u64],
    size: PolynomialSize,
) -> impl Iterator<Item = (&'a mut [u64], &'a [u64])> {
    to.chunks_exact_mut(size.0).zip(from.chunks_exact(size.0))
}
