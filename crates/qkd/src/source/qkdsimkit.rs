//! QKDSimkit 0.0.7 in peer-to-peer mode: a simulation of BB84 with no security whatsoever.
//!
//! Each end has a node of its own beside it. To make a key, both nodes have to be asked at about the
//! same time; each answers with the key, which it then forgets, and which has no id. A node waits a
//! minute for the other, and one whose caller is gone makes its key all the same. From this follows
//! how keys are got here:
//!
//! - Either end asks its node for one key after the other from the first use on, also while it needs
//!   none, for the other end may. With enough keys and no use of them it is only less hasty.
//! - A key's id is a hash of the key, and by its last bit it is Alice's or Bob's to seal with. The
//!   ends need not count in step: a key that only one of them got, or that noise made different, is
//!   a key that the other does not know, and costs one message.
//! - Nothing is asked twice at once, and an answer is waited for longer than a node waits.
//!
//! Of two messages that cross, a node makes one it cannot read, and then hangs for ever: it has to be
//! started with a default timeout of sockets (`socket.setdefaulttimeout`), as the test here does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::engine::general_purpose::URL_SAFE;
use darkroom_tls::ClientSettings;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use zeroize::Zeroize;

use super::ask::Trouble::{Failed, Refused};
use super::ask::{Taken, ask, read, secret, unexpected};
use super::{KeySource, OpenError, SourceError};
use crate::key::{KEY_BYTES, Key, KeyId};

const KEY_BITS: usize = KEY_BYTES * 8;
/// Keys to seal with that are kept; when there are more, the oldest go.
const OURS: usize = 32;
/// Keys of the other end that are kept: far more than it may have at hand.
const THEIRS: usize = 1024;
/// How long a caller waits for a key.
const PATIENCE: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Between two keys when there are enough and none was used for some keys. It has to be well below
/// the minute that a node waits.
const REST: Duration = Duration::from_secs(2);
/// So many that some of them are the other end's to seal with: it cannot wake this one.
const CALM: usize = 32;

/// How the node beside this end is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QkdsimkitSettings {
    /// Its address, `http://host:port`. A node serves one link only.
    pub url: String,
    /// Which node it is; at the other end it is the other.
    pub role: QkdsimkitRole,
    /// The name of the pair of nodes on their channel, the same at both ends.
    pub id: String,
    /// How long an answer may take, in ms: more than the minute that a node waits for the other.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

/// Which of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QkdsimkitRole {
    /// The node that was started as `alice`, and sends.
    Alice,
    /// The node that was started as `bob`, and measures.
    Bob,
}

fn default_timeout_ms() -> u64 {
    75_000
}

/// One end of a link at its node.
#[derive(Debug)]
pub(super) struct Qkdsimkit {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    url: String,
    role: QkdsimkitRole,
    stock: Mutex<Stock>,
    /// A key came, or none.
    news: Notify,
    /// A key was used, here or at the other end.
    used: Notify,
}

#[derive(Debug, Default)]
struct Stock {
    ours: VecDeque<Key>,
    theirs: VecDeque<Key>,
    taken: Taken,
    /// Keys that came since one was used.
    calm: usize,
    /// Why the last attempt brought nothing.
    error: Option<SourceError>,
}

#[derive(Deserialize)]
struct Answer {
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    key: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Qkdsimkit {
    pub(super) fn open(settings: &QkdsimkitSettings) -> Result<Self, OpenError> {
        let url: Url = settings.url.parse().map_err(|_| OpenError::HttpUrl)?;
        if url.scheme() != "http" {
            return Err(OpenError::HttpUrl);
        }
        // The nodes put colons and brackets around it.
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !(1..=64).contains(&settings.id.len()) || !settings.id.bytes().all(is_plain) {
            return Err(OpenError::PairId);
        }
        let http = darkroom_tls::http_client(&ClientSettings::default())?
            .timeout(Duration::from_millis(settings.timeout_ms))
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(OpenError::Client)?;
        tracing::warn!(
            url = settings.url,
            "keys come from QKDSimkit, a simulation: they protect nothing"
        );
        let base = settings.url.trim_end_matches('/');
        let id = &settings.id;
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                url: format!("{base}/test?number=1&size={KEY_BITS}&ID={id}"),
                role: settings.role,
                stock: Mutex::default(),
                news: Notify::new(),
                used: Notify::new(),
            }),
            task: Mutex::default(),
        })
    }

    /// Begins to ask for keys; again, if the runtime that did is gone.
    fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(collect(Arc::clone(&self.shared))));
        }
    }

    async fn ours(&self, count: usize) -> Result<Vec<Key>, SourceError> {
        self.start();
        let shared = &self.shared;
        let until = Instant::now() + PATIENCE;
        loop {
            // Listened for before looking, so that nothing is missed in between.
            let mut news = std::pin::pin!(shared.news.notified());
            news.as_mut().enable();
            {
                let mut stock = shared.stock();
                let count = count.max(1).min(stock.ours.len());
                let keys: Vec<Key> = stock.ours.drain(..count).collect();
                match &stock.error {
                    _ if !keys.is_empty() => {
                        stock.calm = 0;
                        shared.used.notify_one();
                        return Ok(keys);
                    }
                    Some(error) => return Err(error.clone()),
                    None => {}
                }
            }
            if timeout_at(until, news).await.is_err() {
                let detail = "the nodes have made none yet".to_owned();
                return Err(SourceError::Shortage { detail });
            }
        }
    }

    async fn theirs(&self, id: KeyId) -> Result<Key, SourceError> {
        self.start();
        let shared = &self.shared;
        let unknown = |detail: &str| SourceError::Unknown {
            id,
            detail: detail.to_owned(),
        };
        if sealer(id) == shared.role {
            return Err(unknown("this end seals with it"));
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let mut news = std::pin::pin!(shared.news.notified());
            news.as_mut().enable();
            {
                let mut stock = shared.stock();
                if let Some(place) = stock.theirs.iter().position(|key| key.id == id)
                    && let Some(key) = stock.theirs.remove(place)
                {
                    stock.calm = 0;
                    shared.used.notify_one();
                    return Ok(key);
                }
                if stock.taken.has(id) {
                    return Err(unknown("it is not there any more"));
                }
            }
            // The other end's node may have answered before ours.
            if timeout_at(until, news).await.is_err() {
                let error = shared.stock().error.clone();
                return Err(error.unwrap_or_else(|| unknown("it did not come")));
            }
        }
    }
}

impl KeySource for Qkdsimkit {
    fn encryption_keys(&self, count: usize) -> BoxFuture<'_, Result<Vec<Key>, SourceError>> {
        self.ours(count).boxed()
    }

    fn decryption_key(&self, id: KeyId) -> BoxFuture<'_, Result<Key, SourceError>> {
        self.theirs(id).boxed()
    }
}

impl Drop for Qkdsimkit {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}

async fn collect(shared: Arc<Shared>) {
    let mut pause = PAUSE_MIN;
    loop {
        let outcome = match shared.exchange().await {
            Ok(key) => shared.keep(key),
            Err(error) => Err(error),
        };
        let has_failed = outcome.is_err();
        let may_rest = {
            let mut stock = shared.stock();
            stock.error = outcome.err();
            stock.calm += 1;
            stock.ours.len() >= OURS && stock.calm > CALM
        };
        shared.news.notify_waiters();
        if has_failed {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            continue;
        }
        pause = PAUSE_MIN;
        if may_rest {
            let _ = timeout(REST, shared.used.notified()).await;
        }
    }
}

impl Shared {
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the nodes make a key.
    async fn exchange(&self) -> Result<Key, SourceError> {
        let answer: Answer = match ask(self.http.get(&self.url)).await {
            Ok(answer) => answer,
            Err(Failed(error)) => return Err(error),
            Err(Refused { status, detail }) => {
                return Err(match status {
                    // Noise, an eavesdropper, or no channel.
                    status if status.is_server_error() => SourceError::Shortage { detail },
                    StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::NOT_FOUND
                    | StatusCode::UNPROCESSABLE_ENTITY => SourceError::Refused { detail },
                    status => unexpected(format!("status {status}: {detail}")),
                });
            }
        };
        answer.key()
    }

    fn keep(&self, key: Key) -> Result<(), SourceError> {
        let mut stock = self.stock();
        if !stock.taken.note(key.id) {
            return Err(unexpected(format!("the key {} came before", key.id)));
        }
        let (kept, most) = match sealer(key.id) == self.role {
            true => (&mut stock.ours, OURS),
            false => (&mut stock.theirs, THEIRS),
        };
        kept.push_back(key);
        if kept.len() > most {
            kept.pop_front();
        }
        Ok(())
    }
}

impl Answer {
    fn key(&self) -> Result<Key, SourceError> {
        match &self.keys[..] {
            [entry] => {
                let secret = secret(&entry.key, &URL_SAFE)?;
                Ok(Key::new(id_of(&secret), secret))
            }
            [] => Err(SourceError::Shortage {
                detail: "an answer without keys".to_owned(),
            }),
            keys => Err(unexpected(format!(
                "{} keys came, one was asked for",
                keys.len()
            ))),
        }
    }
}

/// Whether it is an answer with a key, for the fuzz targets.
pub(super) fn fuzz(status: StatusCode, body: &[u8]) -> bool {
    read::<Answer>(status, body).is_ok_and(|answer| answer.key().is_ok())
}

/// The id that both ends give a key. It tells nothing of the key, which is as long as the hash.
fn id_of(secret: &[u8; KEY_BYTES]) -> KeyId {
    let mut hash = Sha256::new();
    hash.update(b"darkroom qkdsimkit key id v1\0");
    hash.update(secret);
    let hash: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    KeyId(uuid::Builder::from_custom_bytes(id).into_uuid())
}

/// Which end seals with a key: no key is for both directions.
fn sealer(id: KeyId) -> QkdsimkitRole {
    match id.0.as_u128() & 1 {
        0 => QkdsimkitRole::Alice,
        _ => QkdsimkitRole::Bob,
    }
}
