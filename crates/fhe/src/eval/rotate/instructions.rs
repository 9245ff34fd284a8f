//! Which vector instructions this machine has, and work that is compiled for each of them.

use pulp::{NullaryFnOnce, Simd};

use super::words::Words;

/// Work that is done by vectors, W units in the lanes of one.
pub(super) trait Work {
    type Output;

    /// All that it calls is to be inlined, or it is compiled without the vector instructions.
    fn run<S: Words, const W: usize>(self, simd: S) -> Self::Output;
}

/// Vector instructions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    Portable,
    #[cfg(test)]
    PortableTwo,
    #[cfg(test)]
    PortableEight,
}

impl Instructions {
    /// The widest of this machine.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V4::try_new() {
            return Self::Avx512(simd);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Self::Avx2(simd);
        }
        #[cfg(target_arch = "aarch64")]
        if let Some(simd) = pulp::aarch64::Neon::try_new() {
            return Self::Neon(simd);
        }
        Self::Portable
    }

    /// All of this machine, and portable ones of other widths.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable, Self::PortableTwo, Self::PortableEight];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(Self::Avx2));
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V4::try_new().map(Self::Avx512));
        #[cfg(target_arch = "aarch64")]
        all.extend(pulp::aarch64::Neon::try_new().map(Self::Neon));
        all
    }

    /// Units that go side by side.
    pub(super) fn lanes(self) -> usize {
        struct Lanes;
        impl Work for Lanes {
            type Output = usize;
            fn run<S: Words, const W: usize>(self, _: S) -> usize {
                W
            }
        }
        self.run(Lanes)
    }

    pub(super) fn run<T: Work>(self, work: T) -> T::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => vectorize::<_, _, 8>(simd, work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => vectorize::<_, _, 4>(simd, work),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => vectorize::<_, _, 2>(simd, work),
            Self::Portable => vectorize::<_, _, 1>(pulp::Scalar, work),
            #[cfg(test)]
            Self::PortableTwo => vectorize::<_, _, 2>(pulp::Scalar128b, work),
            #[cfg(test)]
            Self::PortableEight => vectorize::<_, _, 8>(pulp::Scalar512b, work),
        }
    }
}

struct Vectorized<S, T, const W: usize>(S, T);

impl<S: Words, T: Work, const W: usize> NullaryFnOnce for Vectorized<S, T, W> {
    type Output = T::Output;

    #[inline(always)]
    fn call(self) -> T::Output {
        self.1.run::<S, W>(self.0)
    }
}

fn vectorize<S: Words, T: Work, const W: usize>(simd: S, work: T) -> T::Output {
    const { assert!(W == S::F64_LANES) };
    Simd::vectorize(simd, Vectorized::<S, T, W>(simd, work))
}
