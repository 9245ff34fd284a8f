//! Where keys come from.

mod ask;
mod etsi;
mod qkdsimkit;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use self::etsi::{EtsiMethod, EtsiSettings};
pub use self::qkdsimkit::{QkdsimkitRole, QkdsimkitSettings};

use crate::key::{Key, KeyId};

/// One end of one link's supply of keys.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// Fresh keys to seal messages to the other end: at least one, at most `count`. What is lost on
    /// the way is lost; no key is ever handed out twice.
    fn encryption_keys(&self, count: usize) -> BoxFuture<'_, Result<Vec<Key>, SourceError>>;

    /// The key with which the other end has sealed a message.
    fn decryption_key(&self, id: KeyId) -> BoxFuture<'_, Result<Key, SourceError>>;
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There are no keys at the moment; the link makes more.
    #[error("no key is to be had at the moment: {detail}")]
    Shortage {
        /// What the source said.
        detail: String,
    },
    /// The source knows no such key, or not any more, or it is not for this end.
    #[error("the key {id} is not known: {detail}")]
    Unknown {
        /// Which one.
        id: KeyId,
        /// What the source said.
        detail: String,
    },
    /// The source does not know us, or not as an end of this link.
    #[error("the key source refuses us: {detail}")]
    Refused {
        /// What it said.
        detail: String,
    },
    /// No answer.
    #[error("the key source cannot be reached: {detail}")]
    Unreachable {
        /// What the network said.
        detail: String,
    },
    /// An answer that is not in order: a key of another size, a key that came before, no JSON.
    #[error("the key source answers in a way that is not understood: {detail}")]
    Unexpected {
        /// What is odd about it.
        detail: String,
    },
}

/// What is read of an answer of each kind of source, for the fuzz targets.
pub(crate) fn fuzz(status: reqwest::StatusCode, body: &[u8]) -> [bool; 2] {
    [etsi::fuzz(status, body), qkdsimkit::fuzz(status, body)]
}

impl SourceError {
    /// Whether asking again a little later may bring the key.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Shortage { .. } | Self::Unreachable { .. } => true,
            Self::Unknown { .. } | Self::Refused { .. } | Self::Unexpected { .. } => false,
        }
    }
}

/// Which source, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Settings {
    /// A key management entity that speaks ETSI GS QKD 014.
    #[serde(rename = "etsi-014")]
    Etsi014(EtsiSettings),
    /// A node of QKDSimkit: a simulation that protects nothing.
    Qkdsimkit(QkdsimkitSettings),
}

/// Why a source cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its address is not one.
    #[error("the source's url is not https://host:port")]
    Url,
    /// Its address is not one, where it is asked without TLS.
    #[error("the source's url is not http://host:port")]
    HttpUrl,
    /// The name of a pair of nodes is not one.
    #[error("the source's id has to be 1 to 64 letters, digits, '-', '_' and '.'")]
    PairId,
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] darkroom_tls::TlsError),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
}

/// The source for the link from this end to that one. Nothing is asked yet.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    settings: &Settings,
    _local: &str,
    remote: &str,
) -> Result<Arc<dyn KeySource>, OpenError> {
    match settings {
        Settings::Etsi014(settings) => Ok(Arc::new(etsi::Etsi::open(settings, remote)?)),
        Settings::Qkdsimkit(settings) => Ok(Arc::new(qkdsimkit::Qkdsimkit::open(settings)?)),
    }
}
