//! What the page and its one worker say to each other.
//!
//! The page asks with a [`Request`] under a [`Ticket`]; the worker answers once, and before that may
//! tell how far it is ([`Event`]). What concerns the whole page comes unasked, as a [`Notice`]. No
//! type here carries the master secret, save the words and the backup file that the person asks for.
//!
//! Messages are plain JavaScript objects (`serde-wasm-bindgen`), so that a picture file travels as
//! the browser's own `Blob`, without a copy.

mod access;
mod analysis;
mod history;
mod key;
pub mod large_key;
mod picture;
mod trouble;

use std::fmt;

use darkroom_api::access::{Scope, TokenInfo};
use darkroom_api::compute::{Catalogue, InputCard};
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{ObjectId, TokenId};
use serde::{Deserialize, Serialize};

pub use access::{Chain, Door, LogView, MadeToken, Remembered, VaultState};
pub use analysis::{Analysis, AnalysisEvent, Source, Stage, StageTimes, Summary, ToAnalyse};
pub use history::{Answer, Entry, EntryState, Opened, Seen};
pub use key::{Keeping, KeyInfo, KeyStep, Status};
pub use large_key::{Cause, LargeKey, LargeKeyProgress, LargeKeyState, LargeKeyTimes};
pub use picture::{Grey, Prepared};
pub use trouble::{Trouble, TroubleKind};

/// Names one request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u32);

/// From the page to the worker.
#[derive(Serialize, Deserialize)]
pub enum ToWorker {
    /// Does something and answers under this ticket.
    Ask(Ticket, Request),
    /// Stops what runs under this ticket; its answer is a [`Trouble`] of kind `Cancelled`.
    Cancel(Ticket),
}

/// From the worker to the page.
#[derive(Serialize, Deserialize)]
pub enum FromWorker {
    /// The worker takes requests.
    Ready,
    /// The one answer to a request.
    Answer(Ticket, Result<Reply, Trouble>),
    /// How far a request is.
    Event(Ticket, Event),
    /// Something that concerns the whole page.
    Notice(Notice),
}

/// What the page can ask for; [`crate::bridge`] has one function for each.
#[derive(Serialize, Deserialize)]
pub enum Request {
    /// The state of the key: [`Reply::Status`].
    Status,
    /// Makes a key unless there is one: [`Event::Key`], then [`Reply::Status`].
    CreateKey,
    /// The 24 recovery words: [`Reply::Words`].
    RecoveryWords,
    /// A file that holds the key under a passphrase: [`Reply::File`].
    ExportKey {
        /// What protects the file.
        passphrase: Secret,
    },
    /// Takes the key out of 24 words: [`Reply::Status`].
    RestoreWords {
        /// The words, apart by anything that is not a letter.
        words: Secret,
        /// Whether another key that is here may be replaced.
        replace: bool,
    },
    /// Takes the key out of a backup file: [`Reply::Status`].
    RestoreFile {
        /// The file.
        #[serde(with = "serde_bytes")]
        file: Vec<u8>,
        /// What protects it.
        passphrase: Secret,
        /// Whether another key that is here may be replaced.
        replace: bool,
    },
    /// Wipes the key and all pictures from this browser; storage keeps its images and results, but not
    /// the large key: [`Reply::Status`].
    Forget,
    /// Where the large key of a parameter set stands: [`Reply::LargeKey`].
    LargeKey {
        /// The parameter set.
        parameters: ParameterSetId,
    },
    /// Makes the large key and sends it: [`Notice::LargeKey`], then [`Reply::LargeKey`]. What is in
    /// storage already is not made again.
    MakeLargeKey {
        /// The parameter set.
        parameters: ParameterSetId,
    },
    /// How full the vault is: [`Reply::Vault`].
    Vault,
    /// An invitation, for whatever waits for one: [`Reply::Done`], and what became of it as
    /// [`Notice::Door`].
    Invitation(Secret),
    /// Puts a new token in the place of the one that opens the vault: [`Reply::Done`].
    RotateToken,
    /// The limited tokens, newest first: [`Reply::Tokens`].
    Tokens,
    /// Makes a limited token: [`Reply::Token`].
    MakeToken {
        /// Whose it is.
        label: String,
        /// What it is good for.
        scope: Scope,
        /// For how many days; until it is revoked where absent.
        days: Option<u32>,
    },
    /// Revokes a limited token: [`Reply::Done`].
    RevokeToken(TokenId),
    /// The log, read and checked anew: [`Reply::Log`].
    Log,
    /// Entries of the log as it was last read, newest first, from before this one on:
    /// [`Reply::LogEntries`].
    LogBefore(u64),
    /// Forgets what this browser saw of the log: [`Reply::Done`].
    ForgetLog,
    /// The models: [`Reply::Catalogue`].
    Catalogue,
    /// Decodes a file into exactly the pixels that would be encrypted: [`Reply::Prepared`].
    Prepare {
        /// The file: a picture that the browser can read, or `.npy`, told apart by content.
        #[serde(with = "serde_wasm_bindgen::preserve")]
        blob: web_sys::Blob,
        /// The model's frame.
        frame: InputCard,
        /// Whether black and white are exchanged first.
        inverted: bool,
    },
    /// Encrypts, sends, runs a model, fetches and decrypts: [`Event::Analysis`], then [`Reply::Summary`].
    Analyse(Analysis),
    /// All entries, newest first: [`Event::History`] with what is known here, then [`Reply::History`].
    History,
    /// Everything about an entry that is done: [`Reply::Opened`].
    Open {
        /// The entry.
        entry: ObjectId,
    },
    /// Stops an entry that is under way, also one of an earlier visit, and deletes it: [`Reply::Done`].
    CancelEntry {
        /// The entry.
        entry: ObjectId,
    },
    /// Deletes an entry here and in storage: [`Reply::Done`].
    Delete {
        /// The entry.
        entry: ObjectId,
    },
    /// Deletes all entries here and the whole vault in storage; the key stays: [`Reply::Done`].
    DeleteAll,
}

/// A text that must not be printed.
#[derive(Clone, Serialize, Deserialize, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The answers.
#[derive(Serialize, Deserialize)]
pub enum Reply {
    /// To requests that change or ask for the key's state.
    Status(Status),
    /// To [`Request::RecoveryWords`]: 24 words.
    Words(Vec<Secret>),
    /// To [`Request::ExportKey`]: an age file.
    File(#[serde(with = "serde_bytes")] Vec<u8>),
    /// To requests that ask for or make the large key.
    LargeKey(LargeKey),
    /// To [`Request::Vault`].
    Vault(VaultState),
    /// To [`Request::Tokens`].
    Tokens(Vec<TokenInfo>),
    /// To [`Request::MakeToken`].
    Token(MadeToken),
    /// To [`Request::Log`].
    Log(LogView),
    /// To [`Request::LogBefore`].
    LogEntries(Vec<String>),
    /// To [`Request::Catalogue`].
    Catalogue(Catalogue),
    /// To [`Request::Prepare`].
    Prepared(Prepared),
    /// To [`Request::Analyse`].
    Summary(Summary),
    /// To [`Request::History`].
    History(Vec<Entry>),
    /// To [`Request::Open`].
    Opened(Box<Opened>),
    /// To what has nothing to tell.
    Done,
}

/// How far a request is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// Of [`Request::CreateKey`].
    Key(KeyStep),
    /// Of [`Request::Analyse`]: the page's number of a picture, and what happens to it.
    Analysis(u32, AnalysisEvent),
    /// Of [`Request::History`]: the entries that this browser knows, before storage has answered.
    History(Vec<Entry>),
}

/// What concerns the whole page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Notice {
    /// The key was made, restored or forgotten, perhaps in another tab.
    Status(Status),
    /// The large key is being made or sent, or was.
    LargeKey(LargeKey),
    /// An entry is new or has changed: put it in the place of the one with the same id.
    Entry(Box<Entry>),
    /// What happens to an entry that goes on from an earlier visit.
    Resumed(ObjectId, AnalysisEvent),
    /// An entry is gone.
    EntryRemoved(ObjectId),
    /// All entries are gone.
    EntriesCleared,
    /// Where the page stands before the vault.
    Door(Door),
    /// The server cannot be reached; the worker tries again by itself.
    Unreachable {
        /// When it tries next, from now.
        retry_ms: u32,
    },
    /// The server answers again.
    Reachable,
    /// The worker has stopped and cannot go on; only a reload helps.
    Stopped(Trouble),
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
mod tests;
