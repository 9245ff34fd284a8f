//! TLS 1.3 by rustls and aws-lc-rs, with X25519MLKEM768 preferred or required.
//!
//! Certificates and keys come from PEM files. A server reads them again when they change, so that a
//! renewed certificate needs no restart.

mod client;
#[cfg(feature = "server")]
mod connection;
mod files;
#[cfg(feature = "server")]
mod health;
#[cfg(feature = "server")]
mod open_files;
mod plain;
mod reload;
mod server;
#[cfg(feature = "trial")]
pub mod trial;

use std::path::PathBuf;

pub use self::client::{
    ClientSettings, client_config, http_client, http_client_tls12, is_loopback,
};
#[cfg(feature = "server")]
pub use self::connection::{Connection, remember, seen};
#[cfg(feature = "server")]
pub use self::health::check_health;
#[cfg(feature = "server")]
pub use self::open_files::raise_open_files;
pub use self::plain::{check_listen, check_url};
pub use self::server::{ServerSettings, server_config};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no PEM section of the kind that is needed.
    #[error("{} holds no {what} in PEM form", path.display())]
    Empty {
        /// Which one.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// Certificate and key do not fit each other, or one of them is not of a kind that is known.
    #[error("{}: {source}", path.display())]
    Unfit {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A certificate for a client is named without its key, or the key without the certificate.
    #[error("a client's certificate and its key belong together: name both, or none")]
    Half,
    /// rustls refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    /// The roots of the clients cannot be used.
    #[error("TLS cannot be set up: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// A service elsewhere is to be asked without TLS.
    #[error(
        "{url} is on another machine, and without TLS whoever listens on the way reads tokens: \
         write https, or set allow_plain_http = true where something else protects the way"
    )]
    PlainUrl {
        /// Its address.
        url: String,
    },
    /// Without TLS on an address that others can reach.
    #[error(
        "{listen} can be reached from other machines, and without TLS whoever listens on the way \
         reads tokens: set tls.certificate and tls.key, listen on a loopback address, or set \
         allow_plain_http = true where something else protects the way"
    )]
    Plain {
        /// The address.
        listen: std::net::SocketAddr,
    },
}

/// The algorithms: aws-lc-rs with X25519MLKEM768 first, or alone if it is required.
fn provider(require_post_quantum: bool) -> rustls::crypto::CryptoProvider {
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
    let mut provider = default_provider();
    provider.kx_groups = match require_post_quantum {
        true => vec![kx_group::X25519MLKEM768],
        false => vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
            kx_group::SECP384R1,
        ],
    };
    provider
}
