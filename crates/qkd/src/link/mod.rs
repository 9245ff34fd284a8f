//! A sealed link between two services: its client's end and its server's.
//!
//! A request that changes something carries a sealed body, empty where there is none to send; every
//! answer that may have a body is sealed. With a link on, nothing goes out or in unsealed: where
//! there is no key there is an error.

mod body;
mod client;
mod epochs;
mod error;
mod hello;
mod line;
mod metrics;
mod refusal;
mod server;
mod usage;

use darkroom_api::routes;
use serde::{Deserialize, Serialize};

pub use self::client::LinkClient;
pub use self::error::LinkError;
pub use self::hello::Hello;
pub use self::metrics::LinkMetrics;
pub use self::server::{End, LinkServer, guard};
pub use self::usage::Usage;
use crate::message::Mode;
use crate::reserve::ReserveSettings;
use crate::source::{self, Settings as SourceSettings};

/// Where a request says which link and exchange it belongs to, and an answer that it is sealed.
pub const LINK_HEADER: &str = "darkroom-link";
/// Where a request in hybrid mode brings the ML-KEM key for its answer.
pub const LINK_KEY_HEADER: &str = "darkroom-link-key";

/// For the fuzz targets.
pub(crate) fn fuzz_line(text: &str) -> bool {
    let Ok(line) = text.parse::<line::Line>() else {
        return false;
    };
    assert_eq!(line.to_string().parse(), Ok(line));
    true
}

/// What is asked unsealed also where links are on: it tells nothing of anybody's images, and probes
/// have no keys.
const OPEN: [&str; 7] = [
    routes::HEALTH,
    routes::READY,
    routes::METRICS,
    routes::PROTECTION,
    routes::LINK,
    routes::OPENAPI,
    routes::DOCS,
];

fn is_open(path: &str) -> bool {
    let of_page = |rest: &str| rest.starts_with('/');
    OPEN.contains(&path) || path.strip_prefix(routes::DOCS).is_some_and(of_page)
}

/// One end of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkSettings {
    /// Whether and how bodies are sealed.
    pub mode: LinkMode,
    /// This end's id, by which the key source knows it (its SAE id).
    pub local: String,
    /// The other end's.
    pub remote: String,
    /// Where the keys come from; needed unless the mode is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSettings>,
    /// Keys fetched ahead.
    pub reserve: ReserveSettings,
}

/// Whether and how bodies are sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkMode {
    /// Not at all.
    #[default]
    Off,
    /// With QKD keys.
    Qkd,
    /// With QKD keys and ML-KEM shared secrets.
    Hybrid,
}

impl LinkMode {
    fn sealing(self) -> Option<Mode> {
        match self {
            Self::Off => None,
            Self::Qkd => Some(Mode::Qkd),
            Self::Hybrid => Some(Mode::Hybrid),
        }
    }
}

/// Why an end of a link cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A setting is missing or makes no sense.
    #[error("{setting}: {reason}")]
    Setting {
        /// Which one, within the link's settings.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The source of keys cannot be set up.
    #[error("the key source cannot be set up: {0}")]
    Source(#[from] crate::source::OpenError),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl LinkSettings {
    /// Whether a link could be set up, files included. Asks for no key.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn try_out(&self) -> Result<(), SetupError> {
        self.check()?;
        if let (Some(_), Some(from)) = (self.mode.sealing(), &self.source) {
            source::open(from, &self.local, &self.remote)?;
        }
        Ok(())
    }

    /// Whether the settings make sense. Looks at no file and no network.
    ///
    /// # Errors
    /// [`SetupError::Setting`].
    pub fn check(&self) -> Result<(), SetupError> {
        if self.mode == LinkMode::Off {
            return Ok(());
        }
        let fits = |id: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            (1..=64).contains(&id.len()) && id.bytes().all(is_plain)
        };
        let refuse = |setting, reason| Err(SetupError::Setting { setting, reason });
        match () {
            () if !fits(&self.local) => refuse("local", WANTED_ID),
            () if !fits(&self.remote) => refuse("remote", WANTED_ID),
            () if self.local == self.remote => refuse("remote", "the same as local"),
            () if self.source.is_none() => refuse("source", "a link that is on needs keys"),
            () if self.reserve.keys == 0 => refuse("reserve.keys", "at least 1 is needed"),
            () if self.reserve.max_age_ms < MAX_AGE_MS_MIN => {
                refuse("reserve.max_age_ms", "at least 1000 are needed")
            }
            () => Ok(()),
        }
    }
}

/// Below, keys would be fetched and thrown away all the time.
const MAX_AGE_MS_MIN: u64 = 1000;
const WANTED_ID: &str = "an SAE id of 1 to 64 letters, digits, '-', '_' and '.' is needed";

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
