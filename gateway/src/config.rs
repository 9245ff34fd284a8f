//! Defaults, then TOML, then the environment, validated once.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkroom_qkd::link::LinkSettings;
use darkroom_rate::RateSettings;
use darkroom_telemetry::{LogSettings, TraceSettings};
use darkroom_tls::{ClientSettings, ServerSettings, check_listen, check_url};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What the gateway needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// TLS for browsers; plain HTTP where not set.
    pub tls: Option<ServerSettings>,
    /// TLS towards the services.
    pub tls_client: ClientSettings,
    /// The sealed link to storage.
    pub storage_link: LinkSettings,
    /// The sealed link to compute.
    pub compute_link: LinkSettings,
    /// The folder of the built page.
    pub page_dir: PathBuf,
    /// Where storage is.
    pub storage_url: Origin,
    /// Where compute is.
    pub compute_url: Origin,
    /// The longest body that is passed on.
    pub body_bytes_max: u64,
    /// How long a service may take to accept a connection.
    pub connect_timeout: Duration,
    /// How long nothing at all may move on a request.
    pub idle_timeout: Duration,
    /// How often it may be asked.
    pub rate: RateSettings,
    /// What is logged and how.
    pub log: LogSettings,
    /// Where traces go.
    pub traces: TraceSettings,
}

/// The address of a service: `http://host:port` or `https://host:port` and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Url);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    listen: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<ServerSettings>,
    tls_client: ClientSettings,
    allow_plain_http: bool,
    storage_link: LinkSettings,
    compute_link: LinkSettings,
    page_dir: PathBuf,
    storage_url: String,
    compute_url: String,
    body_bytes_max: u64,
    connect_timeout_ms: u64,
    idle_timeout_ms: u64,
    rate: RateSettings,
    log: LogSettings,
    traces: TraceSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7000)),
            tls: None,
            tls_client: ClientSettings::default(),
            allow_plain_http: false,
            storage_link: LinkSettings::default(),
            compute_link: LinkSettings::default(),
            page_dir: "dist".into(),
            storage_url: "http://127.0.0.1:7001".into(),
            compute_url: "http://127.0.0.1:7002".into(),
            body_bytes_max: 256 << 20,
            connect_timeout_ms: 3000,
            idle_timeout_ms: 300_000,
            rate: RateSettings::in_front(),
            log: LogSettings::default(),
            traces: TraceSettings::default(),
        }
    }
}

impl Config {
    /// Reads the file, if one is named, and the environment.
    ///
    /// # Errors
    /// If the file is missing, a key is unknown, or a value is not fit to be used.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut figment = Figment::from(Serialized::defaults(Settings::default()));
        if let Some(file) = file {
            if !file.is_file() {
                let reason = format!("there is no file {}", file.display());
                return Err(Error::Config { reason });
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        // DARKROOM_SERVER is the command line's own.
        let environment = Env::prefixed("DARKROOM_").ignore(&["server"]).split("__");
        Self::extract(&figment.merge(environment))
    }

    fn extract(figment: &Figment) -> Result<Self, Error> {
        let settings: Settings = figment.extract().map_err(|e| Error::Config {
            reason: e.to_string(),
        })?;
        let idle = positive("idle_timeout_ms", settings.idle_timeout_ms)?;
        let connect = positive("connect_timeout_ms", settings.connect_timeout_ms)?;
        let plain = settings.allow_plain_http;
        check_listen(settings.listen, settings.tls.is_some(), plain)?;
        let storage_url = Origin::parse("storage_url", &settings.storage_url)?;
        let compute_url = Origin::parse("compute_url", &settings.compute_url)?;
        check_url(&storage_url.0, plain)?;
        check_url(&compute_url.0, plain)?;
        settings.rate.check().map_err(|error| Error::Config {
            reason: error.to_string(),
        })?;
        settings.storage_link.check()?;
        settings.compute_link.check()?;
        settings.log.check()?;
        settings.traces.check()?;
        Ok(Self {
            listen: settings.listen,
            tls: settings.tls,
            tls_client: settings.tls_client,
            storage_link: settings.storage_link,
            compute_link: settings.compute_link,
            page_dir: settings.page_dir,
            storage_url,
            compute_url,
            body_bytes_max: positive("body_bytes_max", settings.body_bytes_max)?,
            connect_timeout: Duration::from_millis(connect),
            idle_timeout: Duration::from_millis(idle),
            rate: settings.rate,
            log: settings.log,
            traces: settings.traces,
        })
    }
}

impl Origin {
    /// Reads an address; `key` is the setting that a complaint names.
    ///
    /// # Errors
    /// If it is neither `http://host:port` nor `https://host:port`.
    pub fn parse(key: &str, text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            let reason = format!("{key} = {text:?}: {why}");
            Err(Error::Config { reason })
        };
        let Ok(url) = Url::parse(text) else {
            return refuse("not an address; write http://host:port");
        };
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let is_http = matches!(url.scheme(), "http" | "https");
        if !is_http || !url.has_host() || !bare || !anonymous {
            return refuse("write http://host:port or https://host:port and nothing more");
        }
        Ok(Self(url))
    }

    /// The address of a path (and query) at this service.
    pub(crate) fn at(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url.set_query(query);
        url
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

fn positive(key: &str, value: u64) -> Result<u64, Error> {
    if value == 0 {
        let reason = format!("{key} must be more than 0");
        return Err(Error::Config { reason });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(toml: &str) -> Result<Config, Error> {
        let defaults = Figment::from(Serialized::defaults(Settings::default()));
        Config::extract(&defaults.merge(Toml::string(toml)))
    }

    #[test]
    fn the_sample_file_is_complete_and_gives_the_defaults() {
        let sample = include_str!("../config.sample.toml");
        let written: serde_json::Value = toml::from_str(sample).unwrap();
        let defaults = serde_json::to_value(Settings::default()).unwrap();
        assert_eq!(written, defaults);
        assert!(with(sample).is_ok());
    }

    #[test]
    fn unknown_keys_and_unfit_values_are_refused_by_name() {
        let refusals = [
            ("colour = 'red'", "colour"),
            ("listen = 'everywhere'", "listen"),
            ("storage_url = 'http://storage:7001'", "allow_plain_http"),
            ("listen = '0.0.0.0:7000'", "allow_plain_http"),
            ("storage_link.mode = 'hybrid'", "local"),
            ("storage_url = 'storage:7001'", "storage_url"),
            ("compute_url = 'http://user@compute'", "compute_url"),
            ("compute_url = 'http://compute/path'", "compute_url"),
            ("body_bytes_max = 0", "body_bytes_max"),
        ];
        for (toml, named) in refusals {
            let message = with(toml).unwrap_err().to_string();
            assert!(message.contains(named), "{toml}: {message}");
        }
        let config = with("storage_url = 'https://storage.example:81'").unwrap();
        let url = config.storage_url.at("/v1/vaults", Some("after=1"));
        assert_eq!(url.as_str(), "https://storage.example:81/v1/vaults?after=1");
    }
}
