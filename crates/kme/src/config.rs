//! The configuration: defaults, then a TOML file, then the environment (`DARKROOM_`, `__` between
//! the levels); read and checked once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use darkroom_telemetry::LogSettings;
use darkroom_tls::{ClientSettings, ServerSettings, check_listen};
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::{Deserialize, Serialize};

use crate::Error;

/// All that can be set. `config.sample.toml` shows it with the defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which end of the quantum channel this node is.
    pub role: Role,
    /// The name of this key management entity, as its status tells it.
    pub name: String,
    /// Where applications ask for keys, by TLS.
    pub listen: SocketAddr,
    /// Where the status page is, by plain HTTP.
    pub status: SocketAddr,
    /// Whether the status page may be on an address that other machines can reach.
    pub allow_plain_http: bool,
    /// The certificate of this node, for applications and for the peer.
    pub tls: Tls,
    /// The other node.
    pub peer: Peer,
    /// The simulated fibre; only Alice's counts, but for the eavesdropper.
    pub channel: Channel,
    /// How keys are made; must be the same at both nodes.
    pub blocks: Blocks,
    /// How keys are kept and handed out; must be the same at both nodes.
    pub pool: PoolLimits,
    /// Which applications may talk to which; must be the same at both nodes, the other way round.
    pub links: Vec<Link>,
    /// What is logged and how.
    pub log: LogSettings,
}

/// Which end of the quantum channel a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends photons; connects to Bob.
    Alice,
    /// Measures photons; waits for Alice.
    Bob,
}

impl Role {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }
}

/// What this node shows of itself, and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The chain of certificates, PEM, the node's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The roots that sign the certificates of applications and of the peer, PEM.
    pub roots: PathBuf,
    /// Whether who cannot do X25519MLKEM768 is turned away.
    pub require_post_quantum: bool,
}

/// The other node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where Bob waits for Alice. Alice does not look at it.
    pub listen: SocketAddr,
    /// Where Alice finds Bob: `HOST:PORT`, the host as in Bob's certificate. Bob does not look at it.
    pub address: String,
    /// A file with the secret that both nodes share: 32 bytes or more that nobody can guess.
    pub secret: PathBuf,
}

/// The simulated fibre.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Channel {
    /// Which part of the photons is lost.
    pub loss: f64,
    /// Which part of the photons arrives with the wrong bit.
    pub noise: f64,
    /// Whether somebody at this end of the fibre intercepts and resends from the start on.
    pub eavesdropper: bool,
}

/// How keys are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blocks {
    /// Pulses in a block.
    pub pulses: usize,
    /// Which part of the sifted bits is shown to count errors.
    pub sample: f64,
    /// The error rate from which on somebody is suspected to listen.
    pub abort_above: f64,
    /// With which probability somebody may know something of the keys of a block.
    pub epsilon: f64,
    /// While the pool is full, how often errors are counted nevertheless.
    pub watch_ms: u64,
    /// After a block of which no keys came, how long until the next.
    pub retry_ms: u64,
}

/// How keys are kept and handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolLimits {
    /// Keys that are kept for a link and a direction.
    pub max_key_count: u32,
    /// Keys that one request may ask for.
    pub max_key_per_request: u32,
}

/// Two applications (SAEs) that may share keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The one that asks this node: the common name in its certificate.
    pub local: String,
    /// The one that asks the peer.
    pub remote: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            role: Role::Alice,
            name: "kme-alice".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7010)),
            status: SocketAddr::from((Ipv4Addr::LOCALHOST, 7011)),
            allow_plain_http: false,
            tls: Tls::default(),
            peer: Peer::default(),
            channel: Channel::default(),
            blocks: Blocks::default(),
            pool: PoolLimits::default(),
            links: Vec::new(),
            log: LogSettings::default(),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: PathBuf::from("data/kme/kme-alice.pem"),
            key: PathBuf::from("data/kme/kme-alice.key"),
            roots: PathBuf::from("data/kme/root.pem"),
            require_post_quantum: false,
        }
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            name: "kme-bob".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7022)),
            address: "localhost:7022".to_owned(),
            secret: PathBuf::from("data/kme/secret"),
        }
    }
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            loss: 0.5,
            noise: 0.01,
            eavesdropper: false,
        }
    }
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            pulses: 262_144,
            sample: 0.25,
            abort_above: 0.11,
            epsilon: 1e-10,
            watch_ms: 5_000,
            retry_ms: 250,
        }
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_key_count: 1_000,
            max_key_per_request: 128,
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
        let (channel, blocks, pool) = (&self.channel, &self.blocks, &self.pool);
        let part = |value: f64| (0.0..1.0).contains(&value);
        let between = |value: f64| value > 0.0 && value < 1.0;
        let rules = [
            (part(channel.loss), "channel.loss must be from 0 to below 1"),
            (
                part(channel.noise),
                "channel.noise must be from 0 to below 1",
            ),
            (
                (1 << 12..=1 << 22).contains(&blocks.pulses),
                "blocks.pulses must be from 4096 to 4194304",
            ),
            (
                between(blocks.sample),
                "blocks.sample must be between 0 and 1",
            ),
            (
                between(blocks.epsilon),
                "blocks.epsilon must be between 0 and 1",
            ),
            // Intercepting everything gives 25 %: beyond 11 % there are no keys anyway.
            (
                blocks.abort_above > 0.0 && blocks.abort_above <= 0.25,
                "blocks.abort_above must be above 0 and at most 0.25",
            ),
            (blocks.watch_ms > 0, "blocks.watch_ms must not be 0"),
            (
                (1..=1 << 20).contains(&pool.max_key_count),
                "pool.max_key_count must be from 1 to 1048576",
            ),
            (
                (1..=1 << 12).contains(&pool.max_key_per_request),
                "pool.max_key_per_request must be from 1 to 4096",
            ),
            (
                !self.links.is_empty(),
                "links is empty: name the applications that may share keys",
            ),
            (
                self.links.len() <= 1 << 10,
                "links has more than 1024 entries",
            ),
            (
                (1..)
                    .zip(&self.links)
                    .all(|(next, link)| self.links[next..].iter().all(|other| other != link)),
                "links names a pair twice",
            ),
        ];
        if let Some((_, detail)) = rules.into_iter().find(|(holds, _)| !holds) {
            let detail = detail.to_owned();
            return Err(Error::Config { detail });
        }
        check_listen(self.status, false, self.allow_plain_http)?;
        Ok(())
    }
}

impl Tls {
    pub(crate) fn server(&self) -> ServerSettings {
        ServerSettings {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_roots: Some(self.roots.clone()),
            require_post_quantum: self.require_post_quantum,
        }
    }

    pub(crate) fn client(&self) -> ClientSettings {
        ClientSettings {
            roots: Some(self.roots.clone()),
            certificate: Some(self.certificate.clone()),
            key: Some(self.key.clone()),
            require_post_quantum: self.require_post_quantum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(toml: &str) -> Result<Config, String> {
        let sources = Figment::new().merge(Toml::string(toml));
        sources.extract().map_err(|error| error.to_string())
    }

    #[test]
    fn the_sample_shows_the_defaults_and_all_of_them() {
        let sample = include_str!("../config.sample.toml");
        let config = parse(sample).unwrap();
        config.validate().unwrap();
        let links = vec![Link {
            local: "gateway".to_owned(),
            remote: "storage-gateway".to_owned(),
        }];
        let expected = Config {
            links,
            ..Config::default()
        };
        assert_eq!(config, expected);
        for line in sample
            .lines()
            .filter(|line| line.contains(" = ") && !line.starts_with('#'))
        {
            let broken = sample.replace(line, &format!("x{line}"));
            let message = parse(&broken).unwrap_err();
            assert!(message.contains("unknown field"), "{line}: {message}");
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let sample = include_str!("../config.sample.toml");
        for (right, wrong, named) in [
            ("loss = 0.5", "loss = 1.0", "channel.loss"),
            ("noise = 0.01", "noise = -0.1", "channel.noise"),
            ("pulses = 262144", "pulses = 100", "blocks.pulses"),
            ("abort_above = 0.11", "abort_above = 0.3", "abort_above"),
            ("max_key_count = 1000", "max_key_count = 0", "max_key_count"),
        ] {
            assert!(sample.contains(right));
            let config = parse(&sample.replace(right, wrong)).unwrap();
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
        assert!(Config::default().validate().is_err());
        let twice =
            format!("{sample}\n[[links]]\nlocal = \"gateway\"\nremote = \"storage-gateway\"\n");
        assert!(parse(&twice).unwrap().validate().is_err());
    }
}
