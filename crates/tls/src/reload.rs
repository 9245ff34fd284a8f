//! A certificate that is read again when its files change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{TlsError, files};

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What one end shows: the newest pair of certificate and key that could be used.
#[derive(Debug)]
pub(crate) struct Reloaded {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<CertifiedKey>,
    /// When the files were written that were looked at last, usable or not.
    seen: Stamp,
    looked: Instant,
}

type Stamp = (Option<SystemTime>, Option<SystemTime>);

impl Reloaded {
    pub(crate) fn new(
        certificate: PathBuf,
        key: PathBuf,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let seen = (written(&certificate), written(&key));
        let current = Arc::new(load(&certificate, &key, &provider)?);
        Ok(Self {
            certificate,
            key,
            provider,
            state: Mutex::new(State {
                current,
                seen,
                looked: Instant::now(),
            }),
        })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            let seen = (written(&self.certificate), written(&self.key));
            if seen != state.seen {
                state.seen = seen;
                match load(&self.certificate, &self.key, &self.provider) {
                    Ok(fresh) => {
                        tracing::info!("{} was read again", self.certificate.display());
                        state.current = Arc::new(fresh);
                    }
                    // Half written, perhaps: the old one serves until the files change again.
                    Err(error) => tracing::warn!("the old certificate stays in use: {error}"),
                }
            }
        }
        Arc::clone(&state.current)
    }
}

impl ResolvesServerCert for Reloaded {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for Reloaded {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn load(
    certificate: &std::path::Path,
    key: &std::path::Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let unfit = |source| TlsError::Unfit {
        path: key.to_owned(),
        source,
    };
    let (chain, key) = (files::certificates(certificate)?, files::private_key(key)?);
    CertifiedKey::from_der(chain, key, provider).map_err(unfit)
}

fn written(path: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}
