//! Values of fewer than 64 bits, packed.

/// Bytes that hold `count` values of `bits` bits.
pub(super) fn packed_bytes(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// Appends the low `bits` bits of every value; fills up the last byte with zeros.
pub(super) fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, bits: u32) {
    let mut held: u128 = 0;
    let mut held_bits = 0;
    for value in values {
        held |= u128::from(value & low(bits)) << held_bits;
        held_bits += bits;
        while held_bits >= 8 {
            out.push((held & 0xff) as u8);
            held >>= 8;
            held_bits -= 8;
        }
    }
    if held_bits > 0 {
        out.push((held & 0xff) as u8);
    }
}

/// Reads `count` values back; `None` if the bytes are not exactly theirs, filling included.
pub(super) fn unpack(bytes: &[u8], count: usize, bits: u32) -> Option<Vec<u64>> {
    if bytes.len() != packed_bytes(count, bits) {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    let mut held: u128 = 0;
    let mut held_bits = 0;
    for &byte in bytes {
        held |= u128::from(byte) << held_bits;
        held_bits += 8;
        while held_bits >= bits && values.len() < count {
            values.push(u64::try_from(held & u128::from(low(bits))).ok()?);
            held >>= bits;
            held_bits -= bits;
        }
    }
    (values.len() == count && held == 0).then_some(values)
}

fn low(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Randomness;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_packed_unpacks() {
        let mut randomness = Randomness::danger_fixed(0);
        for bits in [1, 7, 8, 9, 20, 28, 31, 32, 33, 40, 63, 64] {
            for count in [0, 1, 2, 3, 7, 100] {
                let values: Vec<u64> = (0..count)
                    .map(|_| u64::from_le_bytes(randomness.bytes()) & low(bits))
                    .collect();
                let mut packed = vec![];
                pack(&mut packed, values.iter().copied(), bits);
                assert_eq!(
                    unpack(&packed, count, bits).as_ref(),
                    Some(&values),
                    "{bits}"
                );
                packed.push(0);
                assert_eq!(unpack(&packed, count, bits), None);
            }
        }
    }

    #[test]
    fn filling_must_be_zero() {
        let mut packed = vec![];
        pack(&mut packed, [5, 6, 7].into_iter(), 28);
        assert_eq!(packed.len(), 11);
        packed[10] |= 0x80;
        assert_eq!(unpack(&packed, 3, 28), None);
    }
}
