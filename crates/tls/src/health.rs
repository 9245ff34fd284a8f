//! The health check of a container whose service speaks TLS: it asks the service on this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use darkroom_api::health::reachable;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme, version};

use crate::{ServerSettings, TlsError, files, provider};

const ANSWER: Duration = Duration::from_secs(3);

/// Asks the service that listens at `listen`, with TLS if it serves that, whether it is alive or
/// ready: the route says which.
///
/// # Errors
/// Nobody listens there, another one does, no answer comes in time, or the answer is not 200.
pub async fn check_health(
    listen: SocketAddr,
    tls: Option<&ServerSettings>,
    route: &str,
) -> std::io::Result<()> {
    let Some(settings) = tls else {
        return darkroom_api::health::check(listen, route);
    };
    let other = std::io::Error::other::<Box<dyn std::error::Error + Send + Sync>>;
    let config = own(settings).map_err(|error| other(error.into()))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .timeout(ANSWER)
        .build()
        .map_err(|error| other(error.into()))?;
    let url = format!("https://{}{route}", reachable(listen));
    let answer = client.get(url).send().await;
    let answer = answer.map_err(|error| other(error.into()))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(other(format!("it answered {status}").into())),
    }
}

/// Trusts the service's own certificate and nothing else, whatever its names; shows the same one
/// where clients must show one.
fn own(settings: &ServerSettings) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(provider(false));
    let chain = files::certificates(&settings.certificate)?;
    let pinned = Pinned {
        certificate: chain[0].clone(),
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned));
    match settings.client_roots {
        None => Ok(builder.with_no_client_auth()),
        Some(_) => {
            let key = files::private_key(&settings.key)?;
            Ok(builder.with_client_auth_cert(chain, key)?)
        }
    }
}

#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match *shown == self.certificate {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
