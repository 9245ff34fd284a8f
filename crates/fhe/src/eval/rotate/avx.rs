//! The ways between words and lanes with AVX2: four units by four coefficients are transposed as
//! 32-bit words, inside of 128-bit halves. AVX-512 does the same twice.

use std::arch::x86_64::{__m256, __m256d, __m256i};

use pulp::bytemuck::cast_slice_mut;
use pulp::x86::{V3, V4};
use pulp::{Simd, cast, f64x4, f64x8};

use super::complex::Pair;
use super::words::{Line, Turn, Words, in_mantissas, rounding};

/// Four lanes.
const HALF: usize = 4;

impl Words for V3 {
    #[inline(always)]
    fn digits<const W: usize>(
        self,
        units: &[Turn<'_>; W],
        base_log: u32,
        out: &mut [Pair<Self>; 8],
        part: usize,
    ) {
        let digits = digits(self, units, base_log);
        for i in 0..8 {
            out[i][part] = digits[i];
        }
    }

    #[inline(always)]
    fn add_words<const W: usize>(
        self,
        values: &[Pair<Self>; 8],
        part: usize,
        units: &mut [&mut [u32]; W],
        at: usize,
    ) {
        let mut words = [self.splat_f64s(0.0); 8];
        for i in 0..8 {
            words[i] = in_mantissas(self, values[i][part]);
        }
        add(self, words, units, at);
    }
}

impl Words for V4 {
    #[inline(always)]
    fn digits<const W: usize>(
        self,
        units: &[Turn<'_>; W],
        base_log: u32,
        out: &mut [Pair<Self>; 8],
        part: usize,
    ) {
        for (half, units) in units.chunks_exact(HALF).enumerate() {
            let digits = digits(*self, units, base_log);
            for i in 0..8 {
                let lanes: &mut [f64x4] = cast_slice_mut(&mut out[i][part..=part]);
                lanes[half] = digits[i];
            }
        }
    }

    #[inline(always)]
    fn add_words<const W: usize>(
        self,
        values: &[Pair<Self>; 8],
        part: usize,
        units: &mut [&mut [u32]; W],
        at: usize,
    ) {
        let mut halves = [[(*self).splat_f64s(0.0); 8]; 2];
        for i in 0..8 {
            let words: f64x8 = in_mantissas(self, values[i][part]);
            let words: [f64x4; 2] = cast(words);
            halves[0][i] = words[0];
            halves[1][i] = words[1];
        }
        for (words, units) in halves.into_iter().zip(units.chunks_exact_mut(HALF)) {
            add(*self, words, units, at);
        }
    }
}

/// The digits of four units: eight coefficients, a unit a lane.
#[inline(always)]
fn digits(simd: V3, units: &[Turn<'_>], base_log: u32) -> [f64x4; 8] {
    const FLIPS: [Line; 2] = [[0; 8], [u32::MAX; 8]];
    let [plain, negative] = rounding(base_log);
    let roundings = [simd.splat_u32s(plain), simd.splat_u32s(negative)];
    let dropped = simd.sse2._mm_cvtsi32_si128((32 - base_log).cast_signed());
    let mut d: [__m256i; HALF] = cast([0_u64; 16]);
    for (d, unit) in d.iter_mut().zip(units) {
        let sign = usize::from(unit.negate);
        let turned = simd
            .avx2
            ._mm256_xor_si256(cast(*unit.turned), cast(FLIPS[sign]));
        let difference = simd.avx2._mm256_sub_epi32(turned, cast(*unit.own));
        let rounded = simd
            .avx2
            ._mm256_add_epi32(difference, cast(roundings[sign]));
        *d = simd.avx2._mm256_sra_epi32(rounded, dropped);
    }
    let a = simd.avx2._mm256_unpacklo_epi32(d[0], d[1]);
    let b = simd.avx2._mm256_unpackhi_epi32(d[0], d[1]);
    let e = simd.avx2._mm256_unpacklo_epi32(d[2], d[3]);
    let f = simd.avx2._mm256_unpackhi_epi32(d[2], d[3]);
    // In the halves: coefficients i and i + 4.
    let both = [
        simd.avx2._mm256_unpacklo_epi64(a, e),
        simd.avx2._mm256_unpackhi_epi64(a, e),
        simd.avx2._mm256_unpacklo_epi64(b, f),
        simd.avx2._mm256_unpackhi_epi64(b, f),
    ];
    let mut out = [simd.splat_f64s(0.0); 8];
    for i in 0..4 {
        let low = simd.avx._mm256_castsi256_si128(both[i]);
        let high = simd.avx2._mm256_extracti128_si256::<1>(both[i]);
        out[i] = cast(simd.avx._mm256_cvtepi32_pd(low));
        out[i + 4] = cast(simd.avx._mm256_cvtepi32_pd(high));
    }
    out
}

/// Adds words in mantissas, a unit a lane, to eight coefficients of four units.
#[inline(always)]
fn add(simd: V3, words: [f64x4; 8], units: &mut [&mut [u32]], at: usize) {
    let [low_even, low_odd] = low_words(simd, [words[0], words[1], words[2], words[3]]);
    let [high_even, high_odd] = low_words(simd, [words[4], words[5], words[6], words[7]]);
    let lines = [
        simd.avx._mm256_permute2f128_ps::<0x20>(low_even, high_even),
        simd.avx._mm256_permute2f128_ps::<0x20>(low_odd, high_odd),
        simd.avx._mm256_permute2f128_ps::<0x31>(low_even, high_even),
        simd.avx._mm256_permute2f128_ps::<0x31>(low_odd, high_odd),
    ];
    for (line, unit) in lines.into_iter().zip(units) {
        let unit: Option<&mut Line> = unit.get_mut(at..).and_then(<[_]>::first_chunk_mut);
        if let Some(unit) = unit {
            let line = simd.avx._mm256_castps_si256(line);
            *unit = cast(simd.avx2._mm256_add_epi32(line, cast(*unit)));
        }
    }
}

/// The low words of four coefficients: of units 0 and 2 in the halves, and of units 1 and 3.
#[inline(always)]
fn low_words(simd: V3, words: [f64x4; 4]) -> [__m256; 2] {
    let mut w = [simd.avx._mm256_castpd_ps(cast::<f64x4, __m256d>(words[0])); 4];
    for i in 1..4 {
        w[i] = simd.avx._mm256_castpd_ps(cast::<f64x4, __m256d>(words[i]));
    }
    let a = simd.avx._mm256_shuffle_ps::<0x88>(w[0], w[1]);
    let b = simd.avx._mm256_shuffle_ps::<0x88>(w[2], w[3]);
    [
        simd.avx._mm256_shuffle_ps::<0x88>(a, b),
        simd.avx._mm256_shuffle_ps::<0xdd>(a, b),
    ]
}
