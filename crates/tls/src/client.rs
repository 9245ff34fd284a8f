//! The side that connects.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use serde::{Deserialize, Serialize};

use crate::reload::Reloaded;
use crate::{TlsError, files, provider};

/// How a service connects to others by TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// The roots that are trusted; the system's where not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
    /// What this service shows of itself, PEM, for servers that ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The private key to it, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Whether servers that cannot do X25519MLKEM768 are refused.
    pub require_post_quantum: bool,
}

/// TLS 1.3 by these settings. Servers are verified, always.
///
/// # Errors
/// A file cannot be read or used.
pub fn client_config(settings: &ClientSettings) -> Result<ClientConfig, TlsError> {
    config(settings, &[&version::TLS13])
}

fn config(
    settings: &ClientSettings,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(provider(settings.require_post_quantum));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?;
    let roots = match &settings.roots {
        Some(path) => files::roots(path)?,
        None => system_roots(),
    };
    let builder = builder.with_root_certificates(roots);
    match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let shown = Reloaded::new(certificate.clone(), key.clone(), provider)?;
            Ok(builder.with_client_cert_resolver(Arc::new(shown)))
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(TlsError::Half),
    }
}

/// The beginning of an HTTP client with this TLS. Every client is made from it: reqwest's own set-up
/// fails where the system has no certificates, also for plain HTTP.
///
/// # Errors
/// A file cannot be read or used.
pub fn http_client(settings: &ClientSettings) -> Result<reqwest::ClientBuilder, TlsError> {
    let config = client_config(settings)?;
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config))
}

/// The same for a peer that may have TLS 1.2 only.
///
/// # Errors
/// A file cannot be read or used.
pub fn http_client_tls12(settings: &ClientSettings) -> Result<reqwest::ClientBuilder, TlsError> {
    let config = config(settings, &[&version::TLS13, &version::TLS12])?;
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config))
}

/// Whether an answer came from this machine. A proxy beside the server makes it look there as if
/// every client were on its machine: nothing travels only where both ends say so.
pub fn is_loopback(answer: &reqwest::Response) -> bool {
    let peer = answer.remote_addr();
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

/// What the system trusts; nothing where it says nothing, and then no server is.
fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("the system's certificates: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}
