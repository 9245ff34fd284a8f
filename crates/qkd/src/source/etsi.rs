//! A key management entity that speaks ETSI GS QKD 014 (V1.1.1): REST over mutual TLS. Who asks, it
//! learns from the client's certificate.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use darkroom_tls::ClientSettings;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroize;

use super::ask::Trouble::{Failed, Refused};
use super::ask::{Taken, ask, read, secret, unexpected};
use super::{KeySource, OpenError, SourceError};
use crate::key::{KEY_BYTES, Key, KeyId};

const KEY_BITS: usize = KEY_BYTES * 8;
/// Keys asked for at once before the entity has said how many it gives; some give ten at most.
const KEYS_AT_ONCE: usize = 10;

/// How the entity is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtsiSettings {
    /// Its address, `https://host:port`.
    pub url: String,
    /// The roots of its certificate, PEM.
    pub roots: PathBuf,
    /// This end's certificate, PEM, by which the entity knows the SAE.
    pub certificate: PathBuf,
    /// The private key to it, PEM.
    pub key: PathBuf,
    /// How it is asked.
    #[serde(default)]
    pub method: EtsiMethod,
    /// Whether TLS 1.2 is taken as well: some entities have nothing newer.
    #[serde(default)]
    pub allow_tls12: bool,
    /// How long an answer may take, in ms.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

/// How an entity is asked for keys; the standard has both ways for most requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EtsiMethod {
    /// By POST.
    #[default]
    Post,
    /// By GET.
    Get,
}

fn default_timeout_ms() -> u64 {
    5000
}

/// One end of a link at such an entity.
#[derive(Debug)]
pub(super) struct Etsi {
    http: reqwest::Client,
    /// Of the other end's keys: `…/api/v1/keys/SAE`.
    keys: String,
    method: EtsiMethod,
    at_once: Mutex<Option<usize>>,
    taken: Mutex<Taken>,
}

/// The answer to a question for keys.
#[derive(Deserialize)]
struct Container {
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "key_ID")]
    id: Uuid,
    key: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// What an entity says of its keys for one link; only what is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    stored_key_count: Option<u64>,
    #[serde(default)]
    max_key_per_request: Option<usize>,
}

impl Etsi {
    pub(super) fn open(settings: &EtsiSettings, remote: &str) -> Result<Self, OpenError> {
        let url: Url = settings.url.parse().map_err(|_| OpenError::Url)?;
        if url.scheme() != "https" {
            return Err(OpenError::Url);
        }
        let tls = ClientSettings {
            roots: Some(settings.roots.clone()),
            certificate: Some(settings.certificate.clone()),
            key: Some(settings.key.clone()),
            require_post_quantum: false,
        };
        let http = match settings.allow_tls12 {
            true => darkroom_tls::http_client_tls12(&tls)?,
            false => darkroom_tls::http_client(&tls)?,
        };
        let http = http
            .timeout(Duration::from_millis(settings.timeout_ms))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(OpenError::Client)?;
        let base = settings.url.trim_end_matches('/');
        Ok(Self {
            http,
            keys: format!("{base}/api/v1/keys/{remote}"),
            method: settings.method,
            at_once: Mutex::default(),
            taken: Mutex::default(),
        })
    }

    async fn fetch(&self, count: usize) -> Result<Vec<Key>, SourceError> {
        let count = count.clamp(1, self.at_once().await?);
        let url = format!("{}/enc_keys", self.keys);
        // Without a size some entities give what they like, even 32 bits.
        let request = match self.method {
            EtsiMethod::Get => self
                .http
                .get(format!("{url}?number={count}&size={KEY_BITS}")),
            EtsiMethod::Post => {
                let body = json!({ "number": count, "size": KEY_BITS });
                self.http.post(url).json(&body)
            }
        };
        let container: Container = match ask(request).await {
            Ok(container) => container,
            Err(Refused { status, detail }) => return Err(self.no_keys(status, detail).await),
            Err(Failed(error)) => return Err(error),
        };
        if container.keys.is_empty() {
            let detail = "an answer without keys".to_owned();
            return Err(SourceError::Shortage { detail });
        }
        if container.keys.len() > count {
            return Err(unexpected(format!(
                "{} keys came, {count} were asked for",
                container.keys.len()
            )));
        }
        let mut keys = Vec::new();
        for entry in &container.keys {
            let key = entry.key()?;
            if !self.taken().note(key.id) {
                return Err(unexpected(format!("the key {} came before", key.id)));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// What a refusal means: entities in the field answer 400 as well as 503 where they have no keys.
    async fn no_keys(&self, status: StatusCode, detail: String) -> SourceError {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => SourceError::Refused { detail },
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                SourceError::Shortage { detail }
            }
            StatusCode::BAD_REQUEST => match self.status().await {
                Ok(status) if status.stored_key_count == Some(0) => {
                    SourceError::Shortage { detail }
                }
                _ => {
                    // It may give fewer at once than it did.
                    *self.at_once.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    SourceError::Refused { detail }
                }
            },
            StatusCode::NOT_FOUND => SourceError::Refused { detail },
            status => unexpected(format!("status {status}: {detail}")),
        }
    }

    async fn find(&self, id: KeyId) -> Result<Key, SourceError> {
        let url = format!("{}/dec_keys", self.keys);
        let request = match self.method {
            EtsiMethod::Get => self.http.get(format!("{url}?key_ID={id}")),
            EtsiMethod::Post => {
                let body = json!({ "key_IDs": [{ "key_ID": id.0 }] });
                self.http.post(url).json(&body)
            }
        };
        let container: Container = match ask(request).await {
            Ok(container) => container,
            Err(Failed(error)) => return Err(error),
            Err(Refused { status, detail }) => {
                return Err(match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        SourceError::Refused { detail }
                    }
                    StatusCode::SERVICE_UNAVAILABLE => SourceError::Shortage { detail },
                    StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                        SourceError::Unknown { id, detail }
                    }
                    status => unexpected(format!("status {status}: {detail}")),
                });
            }
        };
        match &container.keys[..] {
            [entry] if entry.id == id.0 => entry.key(),
            [] => Err(SourceError::Unknown {
                id,
                detail: "an answer without keys".to_owned(),
            }),
            _ => Err(unexpected(
                "other keys came than the one asked for".to_owned(),
            )),
        }
    }

    async fn at_once(&self) -> Result<usize, SourceError> {
        let known = *self.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known {
            return Ok(known);
        }
        let most = match self.status().await {
            Ok(status) => status.max_key_per_request.unwrap_or(KEYS_AT_ONCE).max(1),
            Err(error @ (SourceError::Unreachable { .. } | SourceError::Refused { .. })) => {
                return Err(error);
            }
            // Keys may be had where the status cannot be read.
            Err(_) => KEYS_AT_ONCE,
        };
        *self.at_once.lock().unwrap_or_else(PoisonError::into_inner) = Some(most);
        Ok(most)
    }

    async fn status(&self) -> Result<Status, SourceError> {
        match ask(self.http.get(format!("{}/status", self.keys))).await {
            Ok(status) => Ok(status),
            Err(Failed(error)) => Err(error),
            Err(Refused { status, detail }) => Err(match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                    SourceError::Refused { detail }
                }
                StatusCode::SERVICE_UNAVAILABLE => SourceError::Shortage { detail },
                status => unexpected(format!("status {status}: {detail}")),
            }),
        }
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeySource for Etsi {
    fn encryption_keys(&self, count: usize) -> BoxFuture<'_, Result<Vec<Key>, SourceError>> {
        self.fetch(count).boxed()
    }

    fn decryption_key(&self, id: KeyId) -> BoxFuture<'_, Result<Key, SourceError>> {
        self.find(id).boxed()
    }
}

impl Entry {
    fn key(&self) -> Result<Key, SourceError> {
        Ok(Key::new(KeyId(self.id), secret(&self.key, &STANDARD)?))
    }
}

/// Whether it is an answer with keys, or a status, for the fuzz targets.
pub(super) fn fuzz(status: StatusCode, body: &[u8]) -> bool {
    let keys = read::<Container>(status, body).is_ok_and(|container| {
        let keys: Result<Vec<Key>, _> = container.keys.iter().map(Entry::key).collect();
        keys.is_ok()
    });
    keys | read::<Status>(status, body).is_ok()
}
