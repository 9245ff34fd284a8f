//! Strings of bits, 64 to a word.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A string of bits. Bit `i` is bit `i % 64` of word `i / 64`; what is past the end is 0.
///
/// It is wiped when dropped: most of them are secret.
#[derive(Clone, PartialEq, Eq, Default, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Bits {
    words: Vec<u64>,
    length: usize,
}

impl Bits {
    pub(crate) fn zeros(length: usize) -> Self {
        Self {
            words: vec![0; length.div_ceil(64)],
            length,
        }
    }

    pub(crate) fn with_capacity(length: usize) -> Self {
        Self {
            words: Vec::with_capacity(length.div_ceil(64)),
            length: 0,
        }
    }

    /// From a seeded generator.
    #[cfg(test)]
    pub(crate) fn random(length: usize, rng: &mut impl rand::Rng) -> Self {
        let mut bits = Self::zeros(length);
        bits.words.fill_with(|| rng.next_u64());
        bits.clear_tail();
        bits
    }

    /// From words, of which as many as hold `length` bits are needed; nothing if they are not.
    pub(crate) fn from_words(words: Vec<u64>, length: usize) -> Option<Self> {
        if words.len() != length.div_ceil(64) {
            return None;
        }
        let mut bits = Self { words, length };
        bits.clear_tail();
        Some(bits)
    }

    fn clear_tail(&mut self) {
        let used = self.length % 64;
        if let (Some(last), true) = (self.words.last_mut(), used > 0) {
            *last &= (1 << used) - 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    #[inline]
    pub(crate) fn bit(&self, index: usize) -> bool {
        self.words[index / 64] >> (index % 64) & 1 == 1
    }

    #[inline]
    pub(crate) fn set(&mut self, index: usize) {
        debug_assert!(index < self.length);
        self.words[index / 64] |= 1 << (index % 64);
    }

    #[inline]
    pub(crate) fn flip(&mut self, index: usize) {
        debug_assert!(index < self.length);
        self.words[index / 64] ^= 1 << (index % 64);
    }

    #[inline]
    pub(crate) fn push(&mut self, bit: bool) {
        let (word, shift) = (self.length / 64, self.length % 64);
        if shift == 0 {
            self.words.push(0);
        }
        self.words[word] |= u64::from(bit) << shift;
        self.length += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.length).map(|index| self.bit(index))
    }

    pub(crate) fn ones(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// In how many places two strings of the same length differ.
    pub(crate) fn distance(&self, other: &Self) -> usize {
        debug_assert_eq!(self.length, other.length);
        let pairs = self.words.iter().zip(&other.words);
        pairs.map(|(a, b)| (a ^ b).count_ones() as usize).sum()
    }

    /// The bits at the places where `mask` is `wanted`, in their order.
    pub(crate) fn pick(&self, mask: &Self, wanted: bool) -> Self {
        debug_assert_eq!(self.length, mask.length);
        let mut picked = Self::with_capacity(self.length);
        for (bit, _) in self.iter().zip(mask.iter()).filter(|(_, m)| *m == wanted) {
            picked.push(bit);
        }
        picked
    }

    /// 32 bytes from bit `64 * word` on.
    pub(crate) fn bytes_at(&self, word: usize) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        let words = self.words.get(word..word + 4)?;
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        ((word + 4) * 64 <= self.length).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    #[test]
    fn picking_by_a_mask_and_by_its_opposite_keeps_every_bit() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        for length in [0, 1, 63, 64, 65, 1000] {
            let bits = Bits::random(length, &mut rng);
            let mask = Bits::random(length, &mut rng);
            let (yes, no) = (bits.pick(&mask, true), bits.pick(&mask, false));
            assert_eq!(yes.len(), mask.ones());
            assert_eq!(yes.len() + no.len(), length);
            let (mut yes, mut no) = (yes.iter(), no.iter());
            for (bit, chosen) in bits.iter().zip(mask.iter()) {
                let next = if chosen { yes.next() } else { no.next() };
                assert_eq!(next, Some(bit));
            }
        }
    }

    #[test]
    fn words_of_another_number_are_no_string_and_bits_past_the_end_do_not_count() {
        assert!(Bits::from_words(vec![0; 2], 64).is_none());
        let bits = Bits::from_words(vec![u64::MAX], 3).unwrap();
        assert_eq!(bits.ones(), 3);
        assert_eq!(bits.distance(&Bits::zeros(3)), 3);
    }

    #[test]
    fn keys_are_cut_only_where_all_their_bits_are() {
        let bits = Bits::zeros(64 * 8 - 1);
        assert!(bits.bytes_at(0).is_some());
        assert!(bits.bytes_at(4).is_none());
        assert!(bits.bytes_at(5).is_none());
    }
}
