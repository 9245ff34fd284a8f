//! What a node knows of its line: shown on the status page, and looked at before keys are given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Blocks that are remembered to be shown, and the time over which rates are taken.
const REMEMBERED: usize = 2_000;
const SHOWN: usize = 20;
const RATE_OVER: Duration = Duration::from_secs(10);

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// It makes keys.
    Producing,
    /// It has as many as it may keep.
    Full,
    /// So many errors that no key can be made, though nobody need listen.
    TooNoisy,
    /// So many errors that somebody may listen; no keys are given.
    EavesdropperSuspected,
    /// There is no peer to make keys with.
    PeerAway,
}

/// What came of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// Keys.
    Keys,
    /// Only errors were counted: the pool is full.
    Watched,
    /// Too many errors: somebody may listen.
    Discarded,
    /// What may be kept is not enough for a key.
    TooShort,
    /// The strings were not equal after correction.
    Unequal,
}

/// A block that was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Block {
    /// Counted from the start of the node.
    pub number: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// Bits that were measured in the right basis.
    pub sifted_bits: usize,
    /// Of those, the ones that were shown to count errors.
    pub sample_bits: usize,
    /// Errors among the sample.
    pub errors: usize,
    /// The part of the sample that was wrong.
    pub error_rate: f64,
    /// Bits that correction and comparison gave away.
    pub leaked_bits: usize,
    /// Bits that were kept.
    pub secret_bits: usize,
    /// Keys that went into the pool.
    pub keys: u32,
}

pub(crate) struct Line {
    pub(crate) connected: bool,
    pub(crate) sessions: u64,
    suspected: bool,
    too_noisy: bool,
    pub(crate) full: bool,
    blocks: VecDeque<(Instant, Block)>,
    count: u64,
    started: Instant,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self {
            connected: false,
            sessions: 0,
            suspected: false,
            too_noisy: false,
            full: false,
            blocks: VecDeque::new(),
            count: 0,
            started: Instant::now(),
        }
    }

    pub(crate) fn record(&mut self, mut block: Block) {
        self.count += 1;
        block.number = self.count;
        self.suspected = block.outcome == Outcome::Discarded;
        self.too_noisy = block.outcome == Outcome::TooShort;
        if self.blocks.len() == REMEMBERED {
            self.blocks.pop_front();
        }
        self.blocks.push_back((Instant::now(), block));
    }

    /// Somebody may listen: no keys are given until a block shows otherwise.
    pub(crate) fn suspected(&self) -> bool {
        self.suspected
    }

    pub(crate) fn state(&self) -> State {
        match (self.suspected, self.connected, self.too_noisy, self.full) {
            (true, ..) => State::EavesdropperSuspected,
            (_, false, ..) => State::PeerAway,
            (_, _, true, _) => State::TooNoisy,
            (.., true) => State::Full,
            _ => State::Producing,
        }
    }

    /// The newest blocks, the newest first.
    pub(crate) fn newest(&self) -> Vec<Block> {
        let newest = self.blocks.iter().rev().take(SHOWN);
        newest.map(|(_, block)| block.clone()).collect()
    }

    /// Sifted and secret bits a second, of late.
    pub(crate) fn rates(&self) -> (f64, f64) {
        let seconds = RATE_OVER.min(self.started.elapsed()).as_secs_f64().max(0.1);
        let recent = self.blocks.iter().rev();
        let recent = recent.take_while(|(at, _)| at.elapsed() <= RATE_OVER);
        let (sifted, secret) = recent.fold((0, 0), |(sifted, secret), (_, block)| {
            (sifted + block.sifted_bits, secret + block.secret_bits)
        });
        (sifted as f64 / seconds, secret as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(outcome: Outcome) -> Block {
        Block {
            number: 0,
            outcome,
            sifted_bits: 100,
            sample_bits: 25,
            errors: 0,
            error_rate: 0.0,
            leaked_bits: 0,
            secret_bits: 10,
            keys: 0,
        }
    }

    #[test]
    fn suspicion_lasts_until_a_block_is_well() {
        let mut line = Line::new();
        assert_eq!(line.state(), State::PeerAway);
        line.connected = true;
        assert_eq!(line.state(), State::Producing);
        line.record(block(Outcome::Discarded));
        line.connected = false;
        assert_eq!(line.state(), State::EavesdropperSuspected);
        line.connected = true;
        line.record(block(Outcome::Watched));
        line.full = true;
        assert_eq!(line.state(), State::Full);
        line.record(block(Outcome::TooShort));
        assert_eq!(line.state(), State::TooNoisy);
        assert_eq!(line.newest()[0].number, 3);
    }
}
