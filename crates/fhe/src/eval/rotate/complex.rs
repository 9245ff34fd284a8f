//! Complex numbers in the lanes of vector registers, and butterflies of them.
//!
//! A node of the tree of moduli is X^len - c. With s^r = c, radix r splits a polynomial x modulo it
//! into its remainders modulo X^(len/r) - s w^k, w the r-th root of unity. The twiddles of a node are
//! s, s^2, s^3.
//!
//! No closures here: one that the compiler does not inline loses the vector instructions.

use pulp::Simd;

/// A complex number in every lane.
pub(super) struct Complex<S: Simd> {
    pub(super) re: S::f64s,
    pub(super) im: S::f64s,
}

impl<S: Simd> Clone for Complex<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd> Copy for Complex<S> {}

/// How one lies in memory: real parts, then imaginary parts.
pub(super) type Pair<S> = [<S as Simd>::f64s; 2];

impl<S: Simd> Complex<S> {
    #[inline(always)]
    pub(super) fn of([re, im]: &Pair<S>) -> Self {
        Self { re: *re, im: *im }
    }

    #[inline(always)]
    pub(super) fn pair(self) -> Pair<S> {
        [self.re, self.im]
    }

    #[inline(always)]
    pub(super) fn splat(simd: S, [re, im]: [f64; 2]) -> Self {
        Self {
            re: simd.splat_f64s(re),
            im: simd.splat_f64s(im),
        }
    }

    #[inline(always)]
    fn add(self, simd: S, b: Self) -> Self {
        Self {
            re: simd.add_f64s(self.re, b.re),
            im: simd.add_f64s(self.im, b.im),
        }
    }

    #[inline(always)]
    fn sub(self, simd: S, b: Self) -> Self {
        Self {
            re: simd.sub_f64s(self.re, b.re),
            im: simd.sub_f64s(self.im, b.im),
        }
    }

    /// self + i b
    #[inline(always)]
    fn add_i(self, simd: S, b: Self) -> Self {
        Self {
            re: simd.sub_f64s(self.re, b.im),
            im: simd.add_f64s(self.im, b.re),
        }
    }

    /// self - i b
    #[inline(always)]
    fn sub_i(self, simd: S, b: Self) -> Self {
        Self {
            re: simd.add_f64s(self.re, b.im),
            im: simd.sub_f64s(self.im, b.re),
        }
    }

    #[inline(always)]
    fn mul(self, simd: S, b: Self) -> Self {
        let re = simd.mul_f64s(self.re, b.re);
        let im = simd.mul_f64s(self.im, b.re);
        Self {
            re: simd.negate_mul_add_e_f64s(self.im, b.im, re),
            im: simd.mul_add_e_f64s(self.re, b.im, im),
        }
    }

    /// self * conj(b)
    #[inline(always)]
    fn mul_conj(self, simd: S, b: Self) -> Self {
        let re = simd.mul_f64s(self.re, b.re);
        let im = simd.mul_f64s(self.im, b.re);
        Self {
            re: simd.mul_add_e_f64s(self.im, b.im, re),
            im: simd.negate_mul_add_e_f64s(self.re, b.im, im),
        }
    }

    /// self + a * b
    #[inline(always)]
    pub(super) fn mul_add(self, simd: S, a: Self, b: Self) -> Self {
        let re = simd.mul_add_e_f64s(a.re, b.re, self.re);
        let im = simd.mul_add_e_f64s(a.re, b.im, self.im);
        Self {
            re: simd.negate_mul_add_e_f64s(a.im, b.im, re),
            im: simd.mul_add_e_f64s(a.im, b.re, im),
        }
    }

    /// 2 self - b
    #[inline(always)]
    fn twice_less(self, simd: S, b: Self) -> Self {
        let two = simd.splat_f64s(2.0);
        Self {
            re: simd.mul_add_e_f64s(two, self.re, simd.neg_f64s(b.re)),
            im: simd.mul_add_e_f64s(two, self.im, simd.neg_f64s(b.im)),
        }
    }
}

#[inline(always)]
pub(super) fn forward2<S: Simd>(simd: S, x: [Complex<S>; 2], s: Complex<S>) -> [Complex<S>; 2] {
    let b = x[1].mul(simd, s);
    [x[0].add(simd, b), x[0].sub(simd, b)]
}

/// Undoes [`forward2`], but for a factor of 2.
#[inline(always)]
pub(super) fn inverse2<S: Simd>(simd: S, y: [Complex<S>; 2], s: Complex<S>) -> [Complex<S>; 2] {
    let b = y[0].sub(simd, y[1]);
    [y[0].add(simd, y[1]), b.mul_conj(simd, s)]
}

/// The sum x0 + s^2 x2 takes the multipliers, the difference follows from it: on processors that
/// multiply and add in different pipes this is faster than a product and two sums, and than
/// multiply-adds alone.
#[inline(always)]
pub(super) fn forward4<S: Simd>(
    simd: S,
    x: [Complex<S>; 4],
    s: [Complex<S>; 3],
) -> [Complex<S>; 4] {
    let e = x[0].mul_add(simd, x[2], s[1]);
    let f = x[0].twice_less(simd, e);
    let b = x[1].mul(simd, s[0]);
    let d = x[3].mul(simd, s[2]);
    let (g, h) = (b.add(simd, d), b.sub(simd, d));
    [
        e.add(simd, g),
        f.add_i(simd, h),
        e.sub(simd, g),
        f.sub_i(simd, h),
    ]
}

/// Undoes [`forward4`], but for a factor of 4.
#[inline(always)]
pub(super) fn inverse4<S: Simd>(
    simd: S,
    y: [Complex<S>; 4],
    s: [Complex<S>; 3],
) -> [Complex<S>; 4] {
    let (e, g) = (y[0].add(simd, y[2]), y[0].sub(simd, y[2]));
    let (f, h) = (y[1].add(simd, y[3]), y[1].sub(simd, y[3]));
    [
        e.add(simd, f),
        g.sub_i(simd, h).mul_conj(simd, s[0]),
        e.sub(simd, f).mul_conj(simd, s[1]),
        g.add_i(simd, h).mul_conj(simd, s[2]),
    ]
}
