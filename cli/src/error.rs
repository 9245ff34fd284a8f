//! What can go wrong, in words that say what to do.

mod evaluation_key;

use std::path::PathBuf;

use darkroom_api::access::GENERATION_LAST;
use darkroom_api::audit::ChainError;
use darkroom_api::client::ClientError;
use darkroom_api::header::HeaderError;
use darkroom_api::ids::{KeyId, VaultId};
use darkroom_api::problem::Problem;

pub use self::evaluation_key::EvaluationKeyError;

/// Why a command failed. Never holds a pixel or a bit of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is larger than anything of its kind.
    #[error("{} has more than {max_bytes} bytes: it is no {what}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// The most that is read.
        max_bytes: u64,
    },
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Keys are never overwritten.
    #[error(
        "{} is there already, and a key that is overwritten is lost for ever; choose another name",
        path.display()
    )]
    KeyExists {
        /// The file.
        path: PathBuf,
    },
    /// A file is there, and nobody said that it may go.
    #[error("{} is there already; --force overwrites it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no key.
    #[error("{} is not a key file: {reason}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: &'static str,
    },
    /// Words, a backup file or a passphrase do not give a key.
    #[error("{0}")]
    Backup(String),
    /// A picture cannot be used.
    #[error("{} cannot be used as a picture", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PictureError,
    },
    /// A model cannot be used.
    #[error("the model in {} cannot be used", path.display())]
    Model {
        /// Its folder.
        path: PathBuf,
        /// Where, what is wrong, how to mend it.
        source: darkroom_fhe::Error,
    },
    /// A folder's name cannot be a model's id.
    #[error(
        "{} cannot be used as a model: its name is the model's id, which is {}",
        path.display(),
        "1 to 64 of a-z, 0-9 and '-', not starting or ending with '-'; rename the folder"
    )]
    ModelName {
        /// The folder.
        path: PathBuf,
    },
    /// An object is damaged, or none.
    #[error("{what} cannot be used")]
    Object {
        /// Which object.
        what: String,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// An object has a sound header, and something else behind it.
    #[error("{what} cannot be used")]
    Payload {
        /// Which object.
        what: String,
        /// What is wrong with it.
        source: darkroom_fhe::Error,
    },
    /// The model is a network, and no evaluation key was named.
    #[error(
        "{model} needs an evaluation key: make one with darkroom evaluation-key where the secret key \
         is, and name it with --evaluation-key"
    )]
    NeedsEvaluationKey {
        /// The model.
        model: String,
    },
    /// An evaluation key cannot be used.
    #[error("{what} cannot be used as the evaluation key")]
    EvaluationKey {
        /// Its file.
        what: String,
        /// What is wrong with it.
        source: EvaluationKeyError,
    },
    /// Pictures with labels cannot be used.
    #[error("{} cannot be used", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: darkroom_fhe::Error,
    },
    /// A label that is no class of the model.
    #[error(
        "picture {picture} of {} is of class {label}, and the model has {classes}; classes are counted \
         from 0 in the order of model.toml",
        path.display()
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// Which picture, counted from 0.
        picture: usize,
        /// Its label.
        label: usize,
        /// The classes of the model.
        classes: usize,
    },
    /// An object belongs to another key.
    #[error("{what} belongs to key {found}, and yours is {own}; use the key that it was made with")]
    ForeignKey {
        /// Which object.
        what: String,
        /// The key in its header.
        found: KeyId,
        /// The key at hand.
        own: KeyId,
    },
    /// A result of another model, or another state of it.
    #[error("{what} is a result of the model {found:?}{detail}; read it with that one")]
    ForeignModel {
        /// Which object.
        what: String,
        /// The model in it.
        found: String,
        /// What else differs.
        detail: &'static str,
    },
    /// No such model on the server.
    #[error("the server has no model {model:?}; it has {known}")]
    NoSuchModel {
        /// What was asked for.
        model: String,
        /// What is there.
        known: String,
    },
    /// The server's model wants what this version does not have.
    #[error("the server's model cannot be used from here: {0}; update darkroom")]
    TooNew(String),
    /// Cryptography failed for a reason of its own.
    #[error(transparent)]
    Core(#[from] darkroom_fhe::Error),
    /// The first call found nobody.
    #[error(
        "no Darkroom answers at {server}; start it with `cargo xtask run`, or name its gateway with \
         --server"
    )]
    NobodyThere {
        /// Where it was looked for.
        server: String,
        /// What came back.
        source: Box<ClientError>,
    },
    /// The server wants an invitation, and none was brought.
    #[error(
        "{server} opens new vaults by invitation, and has none of your key yet: ask whoever runs it for \
         an invitation, and give it once with --invitation or in DARKROOM_INVITATION"
    )]
    InvitationNeeded {
        /// The server.
        server: String,
    },
    /// The invitation is not good.
    #[error(
        "the invitation opens no vault at {server}: it is unknown, was used for another vault, or has \
         ended; ask whoever runs it for a new one"
    )]
    InvitationRefused {
        /// The server.
        server: String,
    },
    /// The server opens no vaults.
    #[error(
        "{server} opens no new vaults, and has none of your key; check --key and --server, or ask \
         whoever runs it"
    )]
    OpeningClosed {
        /// The server.
        server: String,
    },
    /// There is a vault, and nothing that the key derives opens it.
    #[error(
        "{server} has a vault of your key, but refuses all tokens of it, {GENERATION_LAST} rotations \
         far; nothing is lost; ask whoever runs it whether the vault was opened with another token"
    )]
    NoGeneration {
        /// The server.
        server: String,
    },
    /// The token was rotated as often as can be.
    #[error(
        "the token was rotated {GENERATION_LAST} times, which is the most; make a new key with darkroom \
         keygen for what comes"
    )]
    RotatedOut,
    /// Whether it was rotated is not known.
    #[error(
        "whether the token was rotated is not known; nothing is lost: the next command finds out which \
         one is good"
    )]
    RotationUnknown {
        /// What came back.
        source: Box<ClientError>,
    },
    /// A limited token is not good, or not for this vault.
    #[error(
        "the limited token does not open vault {vault}: it is of another one (name that with --vault), \
         has ended or was revoked; ask the vault's owner"
    )]
    LimitedRefused {
        /// The vault.
        vault: VaultId,
    },
    /// A vault was named without the token that opens it.
    #[error("--vault goes with a limited token: name it with --token or in DARKROOM_TOKEN")]
    VaultWithoutToken,
    /// Limited tokens delete nothing.
    #[error("a limited token deletes nothing, so --forget cannot be had with one; leave it out")]
    LimitedForgets,
    /// A text is no token.
    #[error(
        "{place} holds no token: that is 64 hexadecimal digits, as darkroom token make prints them"
    )]
    NotAToken {
        /// The file or variable.
        place: String,
    },
    /// A file is no checkpoint.
    #[error("{} is not a checkpoint of a log; name another file", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint is of another vault.
    #[error(
        "{} remembers the log of vault {found}, and yours is {own}; name another file",
        path.display()
    )]
    ForeignCheckpoint {
        /// The file.
        path: PathBuf,
        /// Its vault.
        found: VaultId,
        /// The vault of the key.
        own: VaultId,
    },
    /// The log is not what it was.
    #[error(
        "the log was rewritten since {} was written: keep that file, and ask whoever runs the server",
        path.display()
    )]
    PastRewritten {
        /// The file that remembers.
        path: PathBuf,
        /// What is missed.
        source: ChainError,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] darkroom_tls::TlsError),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    HttpClient(#[source] reqwest::Error),
    /// The server failed, or said no.
    #[error("{doing} failed")]
    Service {
        /// What was to be done.
        doing: &'static str,
        /// What came back.
        source: Box<ClientError>,
    },
    /// The server could not do it for this picture, or for all.
    #[error("the server could not analyse it: {0}")]
    Analysis(#[from] Box<Problem>),
    /// A job ended without a result and without a reason.
    #[error("the server ended the job without a result; try again")]
    NoResult,
    /// Cancelled elsewhere, with the same key.
    #[error("the job was cancelled")]
    Cancelled,
    /// Output could not be written.
    #[error("the answer cannot be printed")]
    Print(#[from] std::io::Error),
}

/// Why a file is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The decoder says no.
    #[error("{0}; PNG, JPEG, WebP, BMP, GIF and .npy are understood")]
    Decode(#[from] image::ImageError),
    /// It was decoded, and is too large, empty, or of an odd shape.
    #[error(transparent)]
    Core(#[from] darkroom_fhe::Error),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Analysis(Box::new(problem))
    }
}

impl Error {
    /// The problem that a service named, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Service { source, .. } => source.problem(),
            Self::Analysis(problem) => Some(problem),
            _ => None,
        }
    }

    /// Gives a failed call a name.
    pub fn service(doing: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |source| {
            let source = Box::new(source);
            Self::Service { doing, source }
        }
    }
}
