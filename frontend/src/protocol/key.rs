//! The key, as the page may know it.

use darkroom_api::ids::KeyId;
use serde::{Deserialize, Serialize};

/// The state of the key in this browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The key, if there is one.
    pub key: Option<KeyInfo>,
    /// How this browser would keep, or keeps, a key.
    pub keeping: Keeping,
    /// The key that is in the database but cannot be unlocked any more, for instance after the
    /// browser lost half of its data: restore it from a backup, or forget it.
    pub locked: bool,
}

/// What may be shown of the key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its public name.
    pub id: KeyId,
    /// Four words made of the public name, the same on every visit and every device.
    pub fingerprint: Vec<String>,
    /// When it came into this browser, Unix time.
    pub created_ms: u64,
    /// Whether words or a file were given out, or it was restored from them.
    pub backed_up: bool,
}

/// Where the browser keeps the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keeping {
    /// In its database, and the browser has promised not to clear it by itself.
    Persistent,
    /// In its database, which the browser may clear when space runs out.
    BestEffort,
    /// Nowhere: gone with this tab (private window, storage switched off).
    ThisVisit,
}

/// The steps of making a key, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyStep {
    /// Drawing 256 bits from the browser's randomness.
    Drawing,
    /// Deriving the secret keys and checking them on a trial encryption.
    Deriving,
    /// Wrapping it and writing it to the browser's database.
    Keeping,
    /// Opening the vault in storage.
    OpeningVault,
}

impl KeyStep {
    /// All steps, in order.
    pub const ALL: [Self; 4] = [
        Self::Drawing,
        Self::Deriving,
        Self::Keeping,
        Self::OpeningVault,
    ];
}
