//! One photon.

use rand::Rng;

/// In which pair of polarisations a bit is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// 0 and 90 degrees.
    Rectilinear,
    /// 45 and 135 degrees.
    Diagonal,
}

impl From<bool> for Basis {
    fn from(bit: bool) -> Self {
        if bit {
            Self::Diagonal
        } else {
            Self::Rectilinear
        }
    }
}

/// A photon in one of the four states of BB84. It cannot be copied and not be looked into: all that
/// one can learn of it is the outcome of one measurement, which uses it up.
#[derive(PartialEq, Eq)]
pub(crate) struct Photon {
    basis: Basis,
    bit: bool,
}

impl Photon {
    pub(crate) fn prepare(basis: Basis, bit: bool) -> Self {
        Self { basis, bit }
    }

    /// In the basis of its preparation the bit that was prepared, in the other one a fair coin.
    #[inline]
    pub(crate) fn measure(self, basis: Basis, rng: &mut impl Rng) -> bool {
        if basis == self.basis {
            self.bit
        } else {
            rng.next_u32() >> 31 == 1
        }
    }

    /// Its polarisation turned by 90 degrees: the other bit in either basis. That is a motion of the
    /// photon (the Pauli operator Y), and tells nothing about it.
    pub(super) fn turned(self) -> Self {
        Self {
            bit: !self.bit,
            ..self
        }
    }

    /// The state in two bits, for [`super::Pulses`] alone to carry it to the other process.
    #[inline]
    pub(super) fn state(&self) -> u64 {
        u64::from(self.basis == Basis::Diagonal) | u64::from(self.bit) << 1
    }

    #[inline]
    pub(super) fn from_state(state: u64) -> Self {
        Self::prepare(Basis::from(state & 1 == 1), state & 2 == 2)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    #[test]
    fn the_right_basis_gives_the_bit_and_the_wrong_one_a_fair_coin() {
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        let mut ones = 0;
        for i in 0..20_000 {
            let (basis, bit) = (Basis::from(i & 1 == 1), i & 2 == 2);
            assert_eq!(Photon::prepare(basis, bit).measure(basis, &mut rng), bit);
            let other = Basis::from(i & 1 == 0);
            ones += u32::from(Photon::prepare(basis, bit).measure(other, &mut rng));
        }
        // 5 sigma of 20000 coins
        assert!(ones.abs_diff(10_000) < 354, "{ones}");
    }
}
