//! What can go wrong in a node.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use darkroom_tls::TlsError;

/// Why a node cannot start, or why a session with the peer ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is not valid.
    #[error("configuration: {detail}")]
    Config {
        /// Which value and why.
        detail: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The secret that both nodes share cannot be used.
    #[error("{}: {detail}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// Nothing can listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The servers of the node could not be started.
    #[error("the servers of the node did not start: {detail}")]
    Servers {
        /// Why.
        detail: String,
    },
    /// The connection to the peer broke, or nothing came over it for too long.
    #[error("the connection to the peer: {0}")]
    Io(#[from] io::Error),
    /// A message was altered on the way, or the peer has another secret.
    #[error("a message from the peer is not authentic: it was altered, or the secrets differ")]
    Forged,
    /// The peer is set up otherwise.
    #[error("the peer has other settings: {what}")]
    Disagreement {
        /// What differs.
        what: String,
    },
    /// The peer said something that does not belong there.
    #[error("the peer does not keep to the protocol: {detail}")]
    Protocol {
        /// What.
        detail: &'static str,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl Error {
    pub(crate) fn protocol(detail: &'static str) -> Self {
        Self::Protocol { detail }
    }
}
