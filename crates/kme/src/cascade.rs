//! Error correction by Cascade (Brassard and Salvail, "Secret-key reconciliation by public
//! discussion", EUROCRYPT '93): Bob asks for parities of Alice's string until his is the same.
//!
//! In each pass the string is shuffled and cut into blocks. A block whose parities differ has an odd
//! number of errors; halving finds one. A corrected error makes blocks of earlier passes odd, which
//! shows further errors. All blocks of a pass are searched at once, so that a step is one message.

use std::collections::{BTreeSet, HashMap};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;

use crate::bits::Bits;

/// Passes with blocks that double, and passes after them with halves of the string, each of which
/// finds what is left with probability one half.
const DOUBLING: u32 = 4;
const HALVES: u32 = 8;

/// What Bob asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Begin a pass: shuffle by this seed, and tell the parity of each block of this length.
    Pass { seed: [u8; 32], block: u32 },
    /// The parities of ranges in the order of a pass.
    Ranges { pass: u8, ranges: Vec<(u32, u32)> },
}

/// Alice's end: answers and counts what it gives away.
pub(crate) struct Answerer {
    bits: Bits,
    /// For each pass the parity of all bits before each place.
    passes: Vec<Bits>,
    disclosed: usize,
}

impl Answerer {
    pub(crate) fn new(bits: Bits) -> Self {
        Self {
            bits,
            passes: Vec::new(),
            disclosed: 0,
        }
    }

    /// The parities, or nothing if the question makes no sense.
    pub(crate) fn answer(&mut self, question: &Question) -> Option<Bits> {
        let parities = match question {
            Question::Pass { seed, block } => self.begin(*seed, *block)?,
            Question::Ranges { pass, ranges } => {
                let before = self.passes.get(usize::from(*pass))?;
                parities(before, ranges)?
            }
        };
        self.disclosed += parities.len();
        // Who asks for more than there is to know is no honest Bob.
        (self.disclosed <= self.bits.len()).then_some(parities)
    }

    fn begin(&mut self, seed: [u8; 32], block: u32) -> Option<Bits> {
        let length = u32::try_from(self.bits.len()).ok()?;
        if block == 0 || block > length || self.passes.len() >= (DOUBLING + HALVES) as usize {
            return None;
        }
        let mut before = Bits::with_capacity(self.bits.len() + 1);
        let mut parity = false;
        before.push(parity);
        for index in order(length, seed) {
            parity ^= self.bits.bit(index as usize);
            before.push(parity);
        }
        let answer = parities(&before, &blocks(length, block))?;
        self.passes.push(before);
        Some(answer)
    }

    pub(crate) fn disclosed(&self) -> usize {
        self.disclosed
    }

    pub(crate) fn into_bits(self) -> Bits {
        self.bits
    }
}

fn parities(before: &Bits, ranges: &[(u32, u32)]) -> Option<Bits> {
    let mut parities = Bits::with_capacity(ranges.len());
    for &(start, end) in ranges {
        let (start, end) = (start as usize, end as usize);
        if start >= end || end >= before.len() {
            return None;
        }
        parities.push(before.bit(start) ^ before.bit(end));
    }
    Some(parities)
}

fn order(length: u32, seed: [u8; 32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..length).collect();
    order.shuffle(&mut ChaCha12Rng::from_seed(seed));
    order
}

fn blocks(length: u32, block: u32) -> Vec<(u32, u32)> {
    (0..length)
        .step_by(block as usize)
        .map(|start| (start, start.saturating_add(block).min(length)))
        .collect()
}

/// Bob's end.
struct Corrector<'a, A> {
    bits: &'a mut Bits,
    passes: Vec<Pass>,
    ask: A,
    disclosed: usize,
}

struct Pass {
    order: Vec<u32>,
    place: Vec<u32>,
    block: u32,
    /// Blocks with an odd number of errors.
    odd: BTreeSet<u32>,
    /// Alice's parities as far as they are known, so that none is asked for twice.
    known: HashMap<(u32, u32), bool>,
}

/// Corrects Bob's bits towards Alice's, who answers through `ask`; returns how many bits she gave
/// away. That all errors are found is likely, not sure. Seeds come from `seed`.
pub(crate) fn correct<E>(
    bits: &mut Bits,
    error_rate: f64,
    mut seed: impl FnMut() -> Result<[u8; 32], E>,
    ask: impl FnMut(&Question) -> Result<Bits, E>,
) -> Result<usize, E> {
    let length = u32::try_from(bits.len()).unwrap_or(u32::MAX);
    let mut corrector = Corrector {
        bits,
        passes: Vec::new(),
        ask,
        disclosed: 0,
    };
    let half = length.div_ceil(2).max(1);
    for pass in 0..DOUBLING + HALVES {
        let block = match pass {
            0..DOUBLING => first_block(error_rate).saturating_mul(1 << pass).min(half),
            _ => half,
        };
        corrector.begin(seed()?, block, length)?;
        corrector.settle()?;
    }
    Ok(corrector.disclosed)
}

/// 0.73 divided by the error rate, which leaves an even number of errors in few blocks.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn first_block(error_rate: f64) -> u32 {
    (0.73 / error_rate.max(1e-4)).ceil().max(4.0) as u32
}

impl<A, E> Corrector<'_, A>
where
    A: FnMut(&Question) -> Result<Bits, E>,
{
    fn begin(&mut self, seed: [u8; 32], block: u32, length: u32) -> Result<(), E> {
        let order = order(length, seed);
        let mut place = vec![0; order.len()];
        for (at, &index) in (0..).zip(&order) {
            place[index as usize] = at;
        }
        let answer = (self.ask)(&Question::Pass { seed, block })?;
        self.disclosed += answer.len();
        let mut pass = Pass {
            order,
            place,
            block,
            odd: BTreeSet::new(),
            known: HashMap::new(),
        };
        for ((number, range), theirs) in (0..).zip(blocks(length, block)).zip(answer.iter()) {
            pass.known.insert(range, theirs);
            if theirs != pass.parity(self.bits, range) {
                pass.odd.insert(number);
            }
        }
        self.passes.push(pass);
        Ok(())
    }

    /// Until no block is odd, the smallest blocks first.
    fn settle(&mut self) -> Result<(), E> {
        while let Some(pass) = self.passes.iter().position(|pass| !pass.odd.is_empty()) {
            for place in self.search(pass)? {
                let index = self.passes[pass].order[place as usize];
                self.bits.flip(index as usize);
                for pass in &mut self.passes {
                    let block = pass.place[index as usize] / pass.block;
                    if !pass.odd.remove(&block) {
                        pass.odd.insert(block);
                    }
                }
            }
        }
        Ok(())
    }

    /// One wrong place in each odd block of a pass.
    fn search(&mut self, number: usize) -> Result<Vec<u32>, E> {
        let pass = &mut self.passes[number];
        let length = u32::try_from(pass.order.len()).unwrap_or(u32::MAX);
        let starts = pass.odd.iter().map(|block| block * pass.block);
        let mut ranges: Vec<(u32, u32)> = starts
            .map(|start| (start, (start + pass.block).min(length)))
            .collect();
        while ranges.iter().any(|range| range.1 - range.0 > 1) {
            let halves = ranges.iter().filter(|range| range.1 - range.0 > 1);
            let unknown: Vec<(u32, u32)> = halves
                .map(|&range| left(range))
                .filter(|half| !pass.known.contains_key(half))
                .collect();
            if !unknown.is_empty() {
                let question = Question::Ranges {
                    pass: u8::try_from(number).unwrap_or(u8::MAX),
                    ranges: unknown.clone(),
                };
                let answer = (self.ask)(&question)?;
                self.disclosed += answer.len();
                pass.known.extend(unknown.into_iter().zip(answer.iter()));
            }
            for range in ranges.iter_mut().filter(|range| range.1 - range.0 > 1) {
                *range = pass.wrong_half(self.bits, *range);
            }
        }
        Ok(ranges.into_iter().map(|range| range.0).collect())
    }
}

fn left(range: (u32, u32)) -> (u32, u32) {
    (range.0, range.0 + (range.1 - range.0) / 2)
}

impl Pass {
    fn parity(&self, bits: &Bits, range: (u32, u32)) -> bool {
        let places = &self.order[range.0 as usize..range.1 as usize];
        places
            .iter()
            .fold(false, |parity, &index| parity ^ bits.bit(index as usize))
    }

    /// The half of an odd range that is odd itself; Alice's parity of the left one is known.
    fn wrong_half(&mut self, bits: &Bits, range: (u32, u32)) -> (u32, u32) {
        let (left, right) = (left(range), (left(range).1, range.1));
        let theirs = self.known.get(&left).copied().unwrap_or_default();
        if let Some(&both) = self.known.get(&range) {
            self.known.insert(right, both ^ theirs);
        }
        match theirs == self.parity(bits, left) {
            true => right,
            false => left,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::{Rng, RngExt};

    use super::*;
    use crate::amplify::entropy;

    fn run(length: usize, error_rate: f64, rng: &mut ChaCha12Rng) -> (bool, f64) {
        let alice = Bits::random(length, rng);
        let mut bob = alice.clone();
        for index in 0..length {
            if rng.random_bool(error_rate) {
                bob.flip(index);
            }
        }
        let mut answerer = Answerer::new(alice.clone());
        let seed = || -> Result<_, Infallible> {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            Ok(seed)
        };
        let Ok(leaked) = correct(&mut bob, error_rate, seed, |question| {
            Ok(answerer.answer(question).unwrap())
        });
        assert_eq!(leaked, answerer.disclosed());
        (bob == alice, leaked as f64)
    }

    #[test]
    fn errors_are_corrected_and_little_more_than_needed_is_given_away() {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        for error_rate in [0.005, 0.01, 0.03, 0.06, 0.1] {
            let mut leaked = 0.0;
            for _ in 0..8 {
                let (equal, leak) = run(10_000, error_rate, &mut rng);
                assert!(equal, "{error_rate}");
                leaked += leak / 8.0;
            }
            let efficiency = leaked / (1e4 * entropy(error_rate));
            assert!(
                (1.0..1.3).contains(&efficiency),
                "{error_rate}: {efficiency}"
            );
        }
    }

    #[test]
    fn strings_without_errors_and_tiny_ones_are_fine() {
        let mut rng = ChaCha12Rng::seed_from_u64(8);
        assert!(run(5_000, 0.0, &mut rng).0);
        let mut answerer = Answerer::new(Bits::zeros(600));
        let none = correct(
            &mut Bits::zeros(600),
            0.0,
            || Ok([0; 32]),
            |question| answerer.answer(question).ok_or(()),
        );
        assert!(none.unwrap() <= 32);
    }

    #[test]
    fn questions_without_sense_get_no_answer() {
        let seed = [0; 32];
        let ranges = |pass, range| Question::Ranges {
            pass,
            ranges: vec![range],
        };
        let mut answerer = Answerer::new(Bits::zeros(100));
        assert!(answerer.answer(&ranges(0, (0, 1))).is_none());
        assert!(
            answerer
                .answer(&Question::Pass { seed, block: 0 })
                .is_none()
        );
        assert!(
            answerer
                .answer(&Question::Pass { seed, block: 101 })
                .is_none()
        );
        assert!(
            answerer
                .answer(&Question::Pass { seed, block: 50 })
                .is_some()
        );
        assert!(answerer.answer(&ranges(0, (99, 100))).is_some());
        for range in [(1, 1), (2, 1), (99, 101), (u32::MAX, u32::MAX)] {
            assert!(answerer.answer(&ranges(0, range)).is_none(), "{range:?}");
        }
        // Not more than there is to know.
        let mut answerer = Answerer::new(Bits::zeros(100));
        assert!(
            answerer
                .answer(&Question::Pass { seed, block: 1 })
                .is_some()
        );
        assert!(answerer.answer(&ranges(0, (0, 1))).is_none());
    }
}
