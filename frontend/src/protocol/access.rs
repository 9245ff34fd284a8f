//! Who gets into the vault, and what was done in it.

use darkroom_api::access::TokenInfo;
use darkroom_api::ids::{TokenId, VaultId};
use darkroom_api::storage::VaultInfo;
use serde::{Deserialize, Serialize};

use super::Secret;

/// Where the page stands before the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Door {
    /// Nothing keeps it out.
    Open,
    /// The token that this browser knows is refused; it tries the later ones.
    Looking {
        /// How many were tried.
        tried: u32,
        /// Of so many.
        of: u32,
    },
    /// Storage wants an invitation, and whatever needs the vault waits for one.
    Invitation {
        /// Whether one was given that is not good.
        refused: bool,
    },
}

/// The vault, and how often its token was rotated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VaultState {
    /// How full it is.
    pub vault: VaultInfo,
    /// The generation of its token.
    pub generation: u32,
}

/// A limited token that was just made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MadeToken {
    /// What the list says of it.
    pub info: TokenInfo,
    /// The token itself: it is shown once.
    pub secret: Secret,
    /// The vault that it opens.
    pub vault: VaultId,
}

/// The log, as it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogView {
    /// Whether it is one chain.
    pub chain: Chain,
    /// The newest entries, newest first, as [`darkroom_api::audit::LogEntry`] in JSON.
    pub newest: Vec<String>,
    /// When each limited token was used last, Unix time, as far as the log goes back.
    pub last_used: Vec<(TokenId, u64)>,
}

/// Whether a log is one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chain {
    /// It is, from this entry to that one; none where both are 0.
    Holds {
        /// The oldest entry that is kept.
        first: u64,
        /// The newest.
        last: u64,
        /// What became of what this browser saw before.
        past: Remembered,
    },
    /// It is not, or no longer holds what this browser saw before; and where.
    Broken {
        /// The first place, in words.
        what: String,
    },
}

/// What became of what this browser saw of a log before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remembered {
    /// It had not looked yet.
    Nothing,
    /// It is still there, up to this entry.
    Held(u64),
    /// Storage has dropped that much since that it cannot be told.
    Dropped(u64),
}
