//! From LWE samples of 2048 bits to the small key, many at once.
//!
//! Every mask element is cut into digits, and every digit takes its row of the key: a product of two
//! integer matrices, digits and key. The key is read once for all samples, block by block; a tile of
//! a block stays in the nearest cache while all samples pass it, and sums in registers.

use std::borrow::Cow;

use super::control::Progress;
use crate::Error;
use crate::params::Bootstrap;
use crate::stream::Stream;

/// Rows of a block.
const BLOCK: usize = 256;
/// Elements of a row in a tile.
const TILE: usize = 16;
/// Samples whose sums are in registers at once.
const SAMPLES: usize = 4;

/// A keyswitch key: for every bit of the key it comes from and every digit an LWE ciphertext under the
/// small key, a row of mask elements and the body, filled up with zeros to whole tiles.
///
/// Security: public.
pub(super) struct KeyswitchKey {
    bootstrap: Bootstrap,
    rows: Rows,
}

enum Rows {
    /// blocks x tiles x rows x elements.
    Expanded(Vec<u32>),
    /// The masks are drawn anew for every use.
    Seeded(Seeded),
}

struct Seeded {
    masks: Box<dyn Fn() -> Stream + Send + Sync>,
    bodies: Vec<u32>,
}

/// Elements of a row: mask and body.
const fn row_len(bootstrap: &Bootstrap) -> usize {
    bootstrap.small_dimension + 1
}

const fn tiles(bootstrap: &Bootstrap) -> usize {
    row_len(bootstrap).div_ceil(TILE)
}

const fn block_len(bootstrap: &Bootstrap) -> usize {
    tiles(bootstrap) * BLOCK * TILE
}

impl KeyswitchKey {
    pub(super) fn seeded(
        bootstrap: &Bootstrap,
        masks: impl Fn() -> Stream + Send + Sync + 'static,
        bodies: Vec<u32>,
    ) -> Self {
        let masks = Box::new(masks);
        Self {
            bootstrap: *bootstrap,
            rows: Rows::Seeded(Seeded { masks, bodies }),
        }
    }

    /// With its masks drawn, once and for all.
    pub(super) fn expanded(self) -> Self {
        let Rows::Seeded(seeded) = &self.rows else {
            return self;
        };
        let len = block_len(&self.bootstrap);
        let mut blocks = vec![0; seeded.bodies.len().div_ceil(BLOCK) * len];
        for (index, block) in blocks.chunks_exact_mut(len).enumerate() {
            seeded.fill(index, block, &self.bootstrap);
        }
        Self {
            rows: Rows::Expanded(blocks),
            ..self
        }
    }

    pub(super) const fn expanded_bytes(bootstrap: &Bootstrap) -> u64 {
        let blocks = bootstrap.keyswitch_rows().div_ceil(BLOCK);
        (blocks * block_len(bootstrap) * 4) as u64
    }

    pub(super) const fn seeded_bytes(bootstrap: &Bootstrap) -> u64 {
        (bootstrap.keyswitch_rows() * 4) as u64
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        match &self.rows {
            Rows::Expanded(_) => Self::expanded_bytes(&self.bootstrap),
            Rows::Seeded { .. } => Self::seeded_bytes(&self.bootstrap),
        }
    }

    fn block(&self, index: usize) -> Cow<'_, [u32]> {
        let len = block_len(&self.bootstrap);
        match &self.rows {
            Rows::Expanded(blocks) => Cow::Borrowed(&blocks[index * len..][..len]),
            Rows::Seeded(seeded) => {
                let mut block = vec![0; len];
                seeded.fill(index, &mut block, &self.bootstrap);
                Cow::Owned(block)
            }
        }
    }

    /// Switches samples.
    ///
    /// Shapes: samples of 2048 mask elements and a body become as many of n and a body, one after the
    /// other.
    /// Units: torus elements of 2^64 become those of 2^32.
    /// Noise: [`crate::noise::bootstrap::keyswitch`].
    /// Cost: bench `network`.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Internal`].
    pub(super) fn switch(
        &self,
        samples: &[&[u64]],
        progress: &Progress,
    ) -> Result<Vec<u32>, Error> {
        let rows = self.bootstrap.keyswitch_rows();
        let mask_len = rows / self.bootstrap.keyswitch_levels;
        if samples.iter().any(|sample| sample.len() != mask_len + 1) {
            return Err(Error::internal("a sample of another length"));
        }
        let mut digits = vec![0; rows * samples.len().next_multiple_of(SAMPLES)];
        let mut bodies = Vec::with_capacity(samples.len());
        for (sample, digits) in samples.iter().zip(digits.chunks_exact_mut(rows)) {
            bodies.push(decompose(&self.bootstrap, sample, digits));
        }
        let sums = self.sum_over_threads(&digits, progress)?;
        let len = row_len(&self.bootstrap);
        let mut switched = Vec::with_capacity(samples.len() * len);
        let sums = sums.chunks_exact(tiles(&self.bootstrap) * TILE);
        for (sums, body) in sums.zip(bodies) {
            switched.extend(sums[..len].iter().map(|sum| sum.wrapping_neg()));
            if let Some(last) = switched.last_mut() {
                *last = last.wrapping_add(body);
            }
        }
        Ok(switched)
    }

    /// The product of digits and key: samples x whole tiles. Each thread takes blocks of its own.
    fn sum_over_threads(&self, digits: &[i32], progress: &Progress) -> Result<Vec<u32>, Error> {
        let blocks = self.bootstrap.keyswitch_rows().div_ceil(BLOCK);
        let work = |blocks| self.sum_blocks(blocks, digits, progress);
        let sums = progress.divide(blocks, 1, work)?.into_iter();
        let add = |mut sums: Vec<u32>, others: Vec<u32>| {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = sum.wrapping_add(other);
            }
            sums
        };
        Ok(sums.reduce(add).unwrap_or_default())
    }

    fn sum_blocks(
        &self,
        blocks: std::ops::Range<usize>,
        digits: &[i32],
        progress: &Progress,
    ) -> Result<Vec<u32>, Error> {
        let rows = self.bootstrap.keyswitch_rows();
        let sums_len = tiles(&self.bootstrap) * TILE;
        let mut sums = vec![0; digits.len() / rows * sums_len];
        let arch = pulp::Arch::new();
        for index in blocks {
            progress.check()?;
            let block = self.block(index);
            let first_row = index * BLOCK;
            arch.dispatch(|| {
                for (tile, key) in block.chunks_exact(BLOCK * TILE).enumerate() {
                    let groups = sums.chunks_exact_mut(SAMPLES * sums_len);
                    for (sums, digits) in groups.zip(digits.chunks_exact(SAMPLES * rows)) {
                        let digits = std::array::from_fn(|sample| {
                            &digits[sample * rows + first_row..][..BLOCK]
                        });
                        let mut sums = sums.chunks_exact_mut(sums_len);
                        let sums = std::array::from_fn(|_| {
                            let row = sums.next().unwrap_or_default();
                            &mut row[tile * TILE..][..TILE]
                        });
                        add_rows(sums, digits, key);
                    }
                }
            });
        }
        Ok(sums)
    }
}

impl Seeded {
    /// Draws a block.
    fn fill(&self, index: usize, block: &mut [u32], bootstrap: &Bootstrap) {
        let mask_len = bootstrap.small_dimension;
        let first_row = index * BLOCK;
        let mut masks = (self.masks)();
        masks.seek((first_row * mask_len * 4) as u64);
        let mut row = vec![0; tiles(bootstrap) * TILE];
        let bodies = self.bodies[first_row..].iter().take(BLOCK);
        for (place, body) in bodies.enumerate() {
            masks.fill_u32(&mut row[..mask_len]);
            row[mask_len] = *body;
            let tiles = block.chunks_exact_mut(BLOCK * TILE);
            for (tile, elements) in tiles.zip(row.chunks_exact(TILE)) {
                tile[place * TILE..][..TILE].copy_from_slice(elements);
            }
        }
    }
}

/// Adds to the sums of some samples their digits times the rows of a tile.
#[inline(always)]
fn add_rows(sums: [&mut [u32]; SAMPLES], digits: [&[i32]; SAMPLES], key: &[u32]) {
    let mut held = [[0_u32; TILE]; SAMPLES];
    for (row, key) in key.as_chunks::<TILE>().0.iter().enumerate() {
        for (held, digits) in held.iter_mut().zip(digits) {
            let digit = digits[row].cast_unsigned();
            for (sum, element) in held.iter_mut().zip(key) {
                *sum = sum.wrapping_add(digit.wrapping_mul(*element));
            }
        }
    }
    for (sums, held) in sums.into_iter().zip(held) {
        for (sum, held) in sums.iter_mut().zip(held) {
            *sum = sum.wrapping_add(held);
        }
    }
}

/// Cuts mask elements into signed digits, from the highest on, and gives the body, on the torus of
/// 2^32.
///
/// Shapes: 2048 mask elements and a body; `levels` digits an element.
/// What the digits leave out meets a key bit, whose mean is a half: the body makes up for half of it.
fn decompose(bootstrap: &Bootstrap, sample: &[u64], digits: &mut [i32]) -> u32 {
    let (base_log, levels) = (bootstrap.keyswitch_base_log, bootstrap.keyswitch_levels);
    let kept = levels * base_log as usize;
    let dropped = 64 - kept;
    let half_base = 1_u64 << (base_log - 1);
    // Half a base at every digit turns digits from 0 on into signed ones.
    let offset = (0..levels).fold(0, |sum, level| {
        sum | half_base << (level * base_log as usize)
    });
    let mut remainders = 0_i128;
    let (body, mask) = sample.split_last().unwrap_or((&0, &[]));
    for (element, digits) in mask.iter().zip(digits.chunks_exact_mut(levels)) {
        let rounded = element.wrapping_add(1 << (dropped - 1)) >> dropped;
        let remainder = element.wrapping_sub(rounded << dropped).cast_signed();
        remainders += i128::from(remainder);
        let shifted = rounded.wrapping_add(offset);
        for (level, digit) in digits.iter_mut().rev().enumerate() {
            let place = level * base_log as usize;
            let unsigned = shifted >> place & ((1 << base_log) - 1);
            *digit = small(unsigned) - small(half_base);
        }
    }
    let body = body.wrapping_sub(low(remainders >> 1));
    upper(body.wrapping_add(1 << 31))
}

#[allow(clippy::cast_possible_truncation)] // a digit
fn small(digit: u64) -> i32 {
    digit as i32
}

#[allow(clippy::cast_possible_truncation)] // wrapping is meant
fn low(sum: i128) -> u64 {
    sum.cast_unsigned() as u64
}

#[allow(clippy::cast_possible_truncation)] // 32 bits are left
fn upper(element: u64) -> u32 {
    (element >> 32) as u32
}
