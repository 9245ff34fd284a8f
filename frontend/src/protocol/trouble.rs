//! What went wrong, for people.

use serde::{Deserialize, Serialize};

/// What went wrong, in three sentences for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    /// For the page to tell cases apart.
    pub kind: TroubleKind,
    /// What happened.
    pub what: String,
    /// What it means for the data.
    pub data: String,
    /// What to do.
    pub todo: String,
}

/// The cases that the page may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TroubleKind {
    /// The person cancelled it.
    Cancelled,
    /// There is no key here yet.
    NoKey,
    /// Another key is here; ask again with `replace` to put the restored one in its place.
    AnotherKey,
    /// The words, the file or the passphrase are not right.
    Backup,
    /// The file is not a picture that can be read.
    Picture,
    /// The picture has not the model's frame.
    Frame,
    /// The model is not there any more.
    ModelGone,
    /// The browser has no space left, or storage has not.
    Full,
    /// The entry or the picture is not in storage any more.
    Missing,
    /// What storage gave back is damaged or was made under another key.
    Damaged,
    /// The server refused.
    Refused,
    /// The server cannot be reached.
    Unreachable,
    /// A fault of ours, or a browser that lacks something.
    Internal,
}
