//! The configuration: defaults, then a TOML file, then the environment (`DARKROOM_`, `__` between
//! the levels); read and checked once.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkroom_api::header::{HEADER_BYTES, ObjectKind};
use darkroom_qkd::link::LinkSettings;
use darkroom_rate::RateSettings;
use darkroom_telemetry::{LogSettings, TraceSettings};
use darkroom_tls::{ServerSettings, check_listen};
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;

use crate::error::Error;
use crate::invitations::Opening;
use crate::journal::Audit;
use crate::retention::Retention;
use crate::s3::S3Settings;

/// All that can be set. `config.sample.toml` shows it with the defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// TLS for whoever connects; plain HTTP where not set.
    pub tls: Option<ServerSettings>,
    /// Whether plain HTTP may leave this machine.
    pub allow_plain_http: bool,
    /// Whether the page on which the routes' description is read is served.
    pub docs_page: bool,
    /// The sealed link from the gateway.
    pub gateway_link: LinkSettings,
    /// The sealed link from compute.
    pub compute_link: LinkSettings,
    /// The folder of the store; made if it is not there. Not used with `s3`.
    pub data_dir: PathBuf,
    /// A bucket as the store, instead of the folder.
    pub s3: Option<S3Settings>,
    /// Threads that serve requests; 0 is one a core.
    pub workers: usize,
    /// How long requests may go on after a signal to stop.
    pub stop_ms: u64,
    /// Who may open a new vault.
    pub opening: Opening,
    /// What a vault may hold and a grant may last.
    pub limits: Limits,
    /// How often it may be asked.
    pub rate: RateSettings,
    /// How long objects are kept.
    pub retention: Retention,
    /// How the logs of vaults are kept.
    pub audit: Audit,
    /// How slow an upload may be.
    pub upload: Upload,
    /// When left-over uploads are removed.
    pub sweep: Sweep,
    /// What is logged and how.
    pub log: LogSettings,
    /// Where traces go.
    pub traces: TraceSettings,
}

/// What a vault may hold and a grant may last.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Objects in a vault; a note without its object counts as one.
    pub objects: u64,
    /// Bytes of all objects in a vault.
    pub vault_bytes: u64,
    /// Bytes of an image, header included.
    pub image_bytes: u64,
    /// Bytes of a part of an evaluation key, header included.
    pub key_bytes: u64,
    /// Bytes of a result, header included.
    pub result_bytes: u64,
    /// The longest time of a grant.
    pub grant_ms: u64,
    /// Limited tokens of a vault that are good at one time.
    pub tokens: usize,
}

/// How slow an upload may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upload {
    /// The longest pause within an upload.
    pub idle_ms: u64,
    /// The longest time of a whole upload.
    pub total_ms: u64,
}

/// When left-over uploads are removed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sweep {
    /// Time between two sweeps; there is one at the start.
    pub every_ms: u64,
    /// Age from which an upload counts as left over; more than `upload.total_ms`.
    pub older_than_ms: u64,
}

const MIB: u64 = 1 << 20;
const MINUTE_MS: u64 = 60_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7001)),
            tls: None,
            allow_plain_http: false,
            docs_page: true,
            gateway_link: LinkSettings::default(),
            compute_link: LinkSettings::default(),
            data_dir: PathBuf::from("data/storage"),
            s3: None,
            workers: 0,
            stop_ms: 30_000,
            opening: Opening::default(),
            limits: Limits::default(),
            rate: RateSettings::default(),
            retention: Retention::default(),
            audit: Audit::default(),
            upload: Upload::default(),
            sweep: Sweep::default(),
            log: LogSettings::default(),
            traces: TraceSettings::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            objects: 10_000,
            vault_bytes: 16 * 1024 * MIB,
            image_bytes: 64 * MIB,
            key_bytes: 256 * MIB,
            result_bytes: 16 * MIB,
            grant_ms: 24 * 60 * MINUTE_MS,
            tokens: 100,
        }
    }
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            idle_ms: 30_000,
            total_ms: 15 * MINUTE_MS,
        }
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            every_ms: 10 * MINUTE_MS,
            older_than_ms: 60 * MINUTE_MS,
        }
    }
}

impl Config {
    /// Reads defaults, the file if one is named, and the environment.
    ///
    /// # Errors
    /// An unknown field, a value of another type, or one out of range; the message names it.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut sources = Figment::new();
        if let Some(file) = file {
            sources = sources.merge(Toml::file_exact(file));
        }
        // DARKROOM_SERVER is the command line's own.
        let sources = sources.merge(Env::prefixed("DARKROOM_").ignore(&["server"]).split("__"));
        let config: Self = sources.extract().map_err(|error| Error::Config {
            detail: error.to_string(),
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// A value out of range; the message names it.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = [
            ("stop_ms", self.stop_ms),
            ("limits.objects", self.limits.objects),
            ("limits.vault_bytes", self.limits.vault_bytes),
            ("limits.grant_ms", self.limits.grant_ms),
            ("upload.idle_ms", self.upload.idle_ms),
            ("upload.total_ms", self.upload.total_ms),
            ("sweep.every_ms", self.sweep.every_ms),
            ("audit.entries", self.audit.entries),
            ("audit.reads_ms", self.audit.reads_ms),
            ("audit.refusals_ms", self.audit.refusals_ms),
        ];
        for (name, value) in positive {
            require(value > 0, || format!("{name} must not be 0"))?;
        }
        for kind in ObjectKind::ALL {
            let enough = self.limits.object_bytes(kind) >= HEADER_BYTES as u64;
            let what = kind.segment();
            require(enough, || {
                format!("the limit of {what} is below {HEADER_BYTES} bytes")
            })?;
        }
        require(self.sweep.older_than_ms > self.upload.total_ms, || {
            "sweep.older_than_ms must be more than upload.total_ms, or running uploads are swept"
                .to_owned()
        })?;
        require(!self.data_dir.as_os_str().is_empty(), || {
            "data_dir is empty".to_owned()
        })?;
        if let Some(s3) = &self.s3 {
            s3.check(&self.limits).map_err(|detail| Error::Config {
                detail: format!("s3.{detail}"),
            })?;
        }
        let links = [
            ("gateway_link", &self.gateway_link),
            ("compute_link", &self.compute_link),
        ];
        for (name, link) in links {
            link.check().map_err(|error| Error::Config {
                detail: format!("{name}.{error}"),
            })?;
        }
        self.rate.check().map_err(|error| Error::Config {
            detail: error.to_string(),
        })?;
        let told = self.log.check().and_then(|()| self.traces.check());
        told.map_err(|error| Error::Config {
            detail: error.to_string(),
        })?;
        check_listen(self.listen, self.tls.is_some(), self.allow_plain_http)?;
        Ok(())
    }

    /// Where the store is, for people.
    pub fn place(&self) -> String {
        match &self.s3 {
            Some(s3) => s3.to_string(),
            None => format!("in {}", self.data_dir.display()),
        }
    }
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error::Config {
            detail: otherwise(),
        })
    }
}

impl Limits {
    /// The most bytes of an object of this kind, header included.
    pub fn object_bytes(&self, kind: ObjectKind) -> u64 {
        match kind {
            ObjectKind::Image => self.image_bytes,
            ObjectKind::EvaluationKey => self.key_bytes,
            ObjectKind::Result => self.result_bytes,
        }
    }

    /// The most bytes of an object of any kind.
    pub fn object_bytes_max(&self) -> u64 {
        self.image_bytes.max(self.key_bytes).max(self.result_bytes)
    }
}

impl Upload {
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_millis(self.total_ms)
    }
}
