//! The side that listens.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, version};
use serde::{Deserialize, Serialize};

use crate::reload::Reloaded;
use crate::{TlsError, files, provider};

/// How a service serves TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The chain of certificates, PEM, the service's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// If set, clients must show a certificate that one of these roots has signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_roots: Option<PathBuf>,
    /// Whether clients that cannot do X25519MLKEM768 are turned away.
    #[serde(default)]
    pub require_post_quantum: bool,
}

/// TLS 1.3 by these settings.
///
/// # Errors
/// A file cannot be read or used.
pub fn server_config(settings: &ServerSettings) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(provider(settings.require_post_quantum));
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])?;
    let builder = match &settings.client_roots {
        Some(path) => {
            let roots = Arc::new(files::roots(path)?);
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .build()?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let (certificate, key) = (settings.certificate.clone(), settings.key.clone());
    let shown = Reloaded::new(certificate, key, provider)?;
    Ok(builder.with_cert_resolver(Arc::new(shown)))
}
