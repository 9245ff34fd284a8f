//! The large key (people's word for the evaluation key): made here, sent once, for models that need
//! one.

use darkroom_api::header::ParameterSetId;
use serde::{Deserialize, Serialize};

/// The large key of one parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LargeKey {
    /// The parameter set.
    pub parameters: ParameterSetId,
    /// How many objects it is stored as.
    pub parts: u16,
    /// Bytes of all of them, headers included.
    pub bytes: u64,
    /// Where it stands.
    pub state: LargeKeyState,
}

/// Where the large key stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum LargeKeyState {
    /// It is not in storage, or not all of it.
    Absent {
        /// The parts that are there, and need not be made again.
        stored: u16,
        /// Bytes of the others.
        missing_bytes: u64,
    },
    /// Another tab is making it.
    Elsewhere,
    /// Being made and sent.
    Making(LargeKeyProgress),
    /// In storage; with what it took if it was made in this visit.
    Ready(Option<LargeKeyTimes>),
}

/// Why the large key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Not all of it is in storage.
    Missing,
    /// Compute has found it damaged in storage, so all of it is made again.
    Damaged,
}

/// How far the large key is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LargeKeyProgress {
    /// Why it is made.
    pub cause: Cause,
    /// Parts that are made, those of an earlier try included.
    pub made: u16,
    /// Parts that are in storage.
    pub stored: u16,
    /// Bytes of them.
    pub stored_bytes: u64,
    /// How many workers make it.
    pub makers: u16,
    /// What is left, in ms.
    pub left_ms: f64,
}

/// What making and sending the large key took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LargeKeyTimes {
    /// Why it was made.
    pub cause: Cause,
    /// From the start until the last part was made, in ms.
    pub made_ms: f64,
    /// From the start until the last part was in storage, in ms.
    pub stored_ms: f64,
    /// Parts that were made.
    pub parts: u16,
    /// By how many workers.
    pub makers: u16,
}

/// More workers than this gain nothing: the network takes longer.
const MAKERS_MAX: u16 = 8;
/// What a megabyte of the large key costs one core, in ms: measured in Chromium.
const MAKING_MS_PER_MB: f64 = 300.0;

/// How many workers make so many parts on so many cores.
pub fn makers(parts: u16, cores: f64) -> u16 {
    // Clamped before.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let cores = cores.clamp(1.0, f64::from(MAKERS_MAX)) as u16;
    cores.min(parts)
}

/// What making so much of the large key is expected to take so many workers, in ms.
pub fn making_ms(bytes: u64, makers: u16) -> f64 {
    // Megabytes: far below 2^53.
    #[expect(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    bytes / 1e6 * MAKING_MS_PER_MB / f64::from(makers.max(1))
}
