//! Configuration: defaults, then a TOML file, then `DARKROOM_` environment variables.

mod database;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use darkroom_fhe::eval::EvaluationKey;
use darkroom_fhe::params::NETWORK;
use darkroom_qkd::link::LinkSettings;
use darkroom_rate::RateSettings;
use darkroom_telemetry::{LogSettings, TraceSettings};
use darkroom_tls::{ClientSettings, ServerSettings, check_listen, check_url};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

pub use self::database::{Database, PostgresUrl};
use crate::error::Error;

/// All settings. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// TLS for whoever connects; plain HTTP where not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerSettings>,
    /// TLS towards storage.
    pub tls_client: ClientSettings,
    /// Whether plain HTTP may leave this machine, in either direction.
    pub allow_plain_http: bool,
    /// Whether the page on which the routes' description is read is served.
    pub docs_page: bool,
    /// The sealed link from the gateway.
    pub gateway_link: LinkSettings,
    /// The sealed link to storage.
    pub storage_link: LinkSettings,
    /// Where storage is, without `/v1`.
    pub storage_url: String,
    /// Folders of model folders; where two hold a model of one name, the first wins.
    pub models: Vec<PathBuf>,
    /// Where the jobs are kept.
    pub database: Database,
    /// A file that holds the password of PostgreSQL's role, in place of one in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_password_file: Option<PathBuf>,
    /// Threads that compute; 0 takes one for each core.
    pub threads: usize,
    /// The most bytes that expanded evaluation keys take.
    pub key_cache_bytes: u64,
    /// How long to finish running images when asked to stop.
    pub drain_ms: u64,
    /// The queue of jobs.
    pub queue: Queue,
    /// What callers may ask for.
    pub limits: Limits,
    /// How often it may be asked.
    pub rate: RateSettings,
    /// How compute uses storage.
    pub storage: Storage,
    /// What is logged and how.
    pub log: LogSettings,
    /// Where traces go.
    pub traces: TraceSettings,
}

/// The queue of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// A worker that was not heard of for so long has lost its job to another.
    pub lease_ms: u64,
    /// How often a job is begun at most.
    pub attempts_max: u32,
    /// How often to look for jobs that nobody announced.
    pub poll_ms: u64,
    /// How long finished jobs can be asked for.
    pub keep_finished_ms: u64,
    /// The pause after the first attempt that storage failed; it doubles with each attempt, up to a
    /// minute.
    pub retry_pause_ms: u64,
    /// With PostgreSQL: how long a job is left to a node that has its evaluation key, and so many
    /// milliseconds of work earlier that node takes it than its turn comes.
    pub head_start_ms: u64,
}

/// What callers may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Jobs of one owner that wait or run.
    pub jobs_per_owner: u32,
    /// Jobs that one owner submits on a day, which begins at midnight UTC.
    pub jobs_per_day: u32,
    /// Jobs of all owners that wait or run.
    pub jobs: u32,
    /// The body of a request.
    pub request_bytes: usize,
    /// An object fetched from storage.
    pub image_bytes: usize,
    /// One file of a model.
    pub model_file_bytes: u64,
    /// The pause after which a silent event stream gets a comment.
    pub keep_alive_ms: u64,
}

/// How compute uses storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// How long one attempt rides out an outage of storage, from the first call that failed.
    pub patience_ms: u64,
    /// The first pause between two tries; it doubles up to five seconds.
    pub pause_ms: u64,
    /// How long storage may be silent before a call counts as failed: until it answers, and within its
    /// answer.
    pub silence_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7002)),
            tls: None,
            tls_client: ClientSettings::default(),
            allow_plain_http: false,
            docs_page: true,
            gateway_link: LinkSettings::default(),
            storage_link: LinkSettings::default(),
            storage_url: "http://127.0.0.1:7001".to_owned(),
            models: vec![PathBuf::from("models")],
            database: Database::Sqlite(PathBuf::from("data/compute.sqlite")),
            database_password_file: None,
            threads: 0,
            key_cache_bytes: 1 << 30,
            drain_ms: 20_000,
            queue: Queue::default(),
            limits: Limits::default(),
            rate: RateSettings::default(),
            storage: Storage::default(),
            log: LogSettings::default(),
            traces: TraceSettings::default(),
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            lease_ms: 30_000,
            attempts_max: 3,
            poll_ms: 500,
            keep_finished_ms: 24 * 60 * 60 * 1000,
            retry_pause_ms: 10_000,
            head_start_ms: 2000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs_per_owner: 256,
            jobs_per_day: 20_000,
            jobs: 10_000,
            request_bytes: 256 << 10,
            image_bytes: 16 << 20,
            model_file_bytes: 256 << 20,
            keep_alive_ms: 15_000,
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            patience_ms: 30_000,
            pause_ms: 100,
            silence_ms: 60_000,
        }
    }
}

impl Config {
    /// Reads the file, if one is named, and the environment, and checks the outcome.
    ///
    /// # Errors
    /// The file cannot be read, a field is unknown or of the wrong type, a value makes no sense.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(|source| Error::File {
                path: file.to_owned(),
                source,
            })?;
            figment = figment.merge(Toml::string(&text));
        }
        // DARKROOM_SERVER is the command line's own.
        let mut config: Self = figment
            .merge(Env::prefixed("DARKROOM_").ignore(&["server"]).split("__"))
            .extract()?;
        if let Some(file) = &config.database_password_file {
            config.database = config.database.with_password_in(file)?;
        }
        config.check()?;
        Ok(config)
    }

    /// Whether the values make sense. Looks at no file and no network.
    ///
    /// # Errors
    /// The first setting that does not.
    pub fn check(&self) -> Result<(), Error> {
        self.check_storage_url()?;
        self.database.check(self.allow_plain_http)?;
        check_listen(self.listen, self.tls.is_some(), self.allow_plain_http)?;
        self.gateway_link.check()?;
        self.storage_link.check()?;
        self.rate.check()?;
        self.log.check()?;
        self.traces.check()?;
        let (queue, limits) = (&self.queue, &self.limits);
        let longest_ms = 400 * 24 * 60 * 60 * 1000;
        let numbers = [
            ("queue.lease_ms", queue.lease_ms, 100, longest_ms),
            ("queue.attempts_max", queue.attempts_max.into(), 1, 1000),
            ("queue.poll_ms", queue.poll_ms, 1, 60_000),
            (
                "queue.keep_finished_ms",
                queue.keep_finished_ms,
                1000,
                longest_ms,
            ),
            ("queue.retry_pause_ms", queue.retry_pause_ms, 1, longest_ms),
            ("queue.head_start_ms", queue.head_start_ms, 0, 60_000),
            (
                "limits.jobs_per_owner",
                limits.jobs_per_owner.into(),
                1,
                u64::MAX,
            ),
            (
                "limits.jobs_per_day",
                limits.jobs_per_day.into(),
                1,
                u64::MAX,
            ),
            ("limits.jobs", limits.jobs.into(), 1, u64::MAX),
            (
                "limits.request_bytes",
                limits.request_bytes as u64,
                4096,
                64 << 20,
            ),
            (
                "limits.image_bytes",
                limits.image_bytes as u64,
                4096,
                1 << 40,
            ),
            ("limits.keep_alive_ms", limits.keep_alive_ms, 100, 50_000),
            (
                "storage.patience_ms",
                self.storage.patience_ms,
                0,
                longest_ms,
            ),
            ("storage.pause_ms", self.storage.pause_ms, 1, 60_000),
            (
                "storage.silence_ms",
                self.storage.silence_ms,
                100,
                longest_ms,
            ),
            ("drain_ms", self.drain_ms, 0, longest_ms),
            ("threads", self.threads as u64, 0, 4096),
            (
                "key_cache_bytes",
                self.key_cache_bytes,
                EvaluationKey::expected_memory_bytes(NETWORK.id),
                1 << 50,
            ),
        ];
        for (setting, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                let reason = format!("{value} is not between {least} and {most}");
                return Err(Error::Setting { setting, reason });
            }
        }
        Ok(())
    }

    fn check_storage_url(&self) -> Result<(), Error> {
        let refuse = |reason: &str| {
            let reason = reason.to_owned();
            Err(Error::Setting {
                setting: "storage_url",
                reason,
            })
        };
        let Ok(url) = reqwest::Url::parse(&self.storage_url) else {
            return refuse("not a URL, such as http://storage:7001");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("the scheme is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("a URL here carries no user and no password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("a URL here has no query and no fragment");
        }
        check_url(&url, self.allow_plain_http)?;
        Ok(())
    }

    /// Threads that compute.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../config.sample.toml");

    fn read(text: &str) -> Result<Config, Box<figment::Error>> {
        let defaults = Serialized::defaults(Config::default());
        Figment::from(defaults)
            .merge(Toml::string(text))
            .extract()
            .map_err(Box::new)
    }

    #[test]
    fn the_sample_says_the_defaults() {
        let alone: Config = Figment::from(Toml::string(SAMPLE)).extract().unwrap();
        assert_eq!(alone, Config::default());
        alone.check().unwrap();
    }

    #[test]
    fn unknown_fields_are_refused_at_every_level() {
        for text in [
            "colour = 1",
            "[queue]\ncolour = 1",
            "[limits]\nx = 1",
            "[storage]\nx = 1",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{text}: {error}");
        }
        assert_eq!(
            read("[queue]\nlease_ms = 5000").unwrap().queue.lease_ms,
            5000
        );
    }

    #[test]
    fn values_without_sense_are_named() {
        for (text, setting) in [
            ("storage_url = 'storage:7001'", "storage_url"),
            ("storage_url = 'ftp://storage'", "storage_url"),
            ("storage_url = 'http://storage:7001'", "allow_plain_http"),
            ("listen = '0.0.0.0:7002'", "allow_plain_http"),
            ("storage_link.mode = 'qkd'", "local"),
            ("storage_url = 'http://me:pass@storage'", "storage_url"),
            ("storage_url = 'http://storage?x=1'", "storage_url"),
            ("[queue]\nattempts_max = 0", "queue.attempts_max"),
            ("[queue]\nlease_ms = 1", "queue.lease_ms"),
            ("[limits]\njobs = 0", "limits.jobs"),
            ("database = 'postgres://me:pass@db.example/x'", "database"),
            // Not even one key.
            ("key_cache_bytes = 1000000", "key_cache_bytes"),
        ] {
            let error = read(text).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(setting), "{text}: {error}");
            assert!(!error.contains("pass@"), "{error}");
        }
    }
}
