//! What protects the ways between the services: certificates, TLS, and a pair of key management
//! entities.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::places::program;
use crate::services::Service;

/// How the ways between the services are protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transit<'a> {
    /// Whether all services speak TLS.
    pub tls: bool,
    /// How the links to storage are sealed, as in `hybrid`; not at all where not set.
    pub links: Option<&'a str>,
}

/// Certificates and running key management entities.
#[derive(Debug)]
pub struct Protection {
    certs: Option<PathBuf>,
    tls: bool,
    mode: Option<String>,
    /// The nodes, Alice and Bob.
    pub nodes: Option<(Service, Service)>,
}

/// The settings of one service.
type Settings = Vec<(String, String)>;

impl Protection {
    pub(crate) async fn start(transit: Transit<'_>, folder: &TempDir) -> Result<Self> {
        let mut protection = Self {
            certs: None,
            tls: transit.tls,
            mode: transit.links.map(str::to_owned),
            nodes: None,
        };
        if !transit.tls && transit.links.is_none() {
            return Ok(protection);
        }
        let certs = folder.path().join("certs");
        let made = Command::new(program("darkroom-kme"))
            .arg("certs")
            .arg(&certs)
            .status()
            .context("darkroom-kme makes the certificates (cargo xtask test builds it)")?;
        ensure!(made.success(), "no certificates: {made}");
        protection.certs = Some(certs);
        if transit.links.is_some() {
            let mut bob = node(folder, "bob", "alice")
                .with_all(protection.certificate("TLS__", "kme-bob"))
                .with("PEER__LISTEN", "127.0.0.1:0")
                .started()
                .await?;
            // One that starts anew must be found where it was.
            let peer: SocketAddr = bob.said("peer channel on ").await?.parse()?;
            bob = bob.with("PEER__LISTEN", &peer.to_string());
            let alice = node(folder, "alice", "bob")
                .with_all(protection.certificate("TLS__", "kme-alice"))
                .with("PEER__ADDRESS", &format!("localhost:{}", peer.port()))
                .started()
                .await?;
            protection.nodes = Some((alice, bob));
        }
        Ok(protection)
    }

    /// The root of all certificates, if there are some.
    pub fn root(&self) -> Option<PathBuf> {
        self.certs.as_deref().map(|certs| certs.join("root.pem"))
    }

    /// The folder of the certificates.
    pub fn certs(&self) -> Option<&Path> {
        self.certs.as_deref()
    }

    /// How the services are asked, `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// As a server.
    pub(crate) fn server(&self, name: &str, mutual: bool) -> Settings {
        if !self.tls {
            return Settings::new();
        }
        let mut settings = self.certificate("TLS__", name);
        if mutual {
            settings.push(("TLS__CLIENT_ROOTS".to_owned(), self.file("root.pem")));
        }
        settings
    }

    /// As a client of other services.
    pub(crate) fn client(&self, name: &str) -> Settings {
        if !self.tls {
            return Settings::new();
        }
        let mut settings = self.certificate("TLS_CLIENT__", name);
        settings.push(("TLS_CLIENT__ROOTS".to_owned(), self.file("root.pem")));
        settings
    }

    /// One end of a link.
    pub(crate) fn link(&self, link: &str, local: &str, remote: &str) -> Settings {
        let (Some(mode), Some((alice, bob))) = (&self.mode, &self.nodes) else {
            return Settings::new();
        };
        let node = if local.starts_with("storage") {
            bob
        } else {
            alice
        };
        let mut settings = self.certificate(&format!("{link}__SOURCE__"), local);
        for (key, value) in [
            ("MODE", mode.as_str()),
            ("LOCAL", local),
            ("REMOTE", remote),
            ("SOURCE__KIND", "etsi-014"),
            ("SOURCE__ROOTS", &self.file("root.pem")),
            (
                "SOURCE__URL",
                &format!("https://localhost:{}", node.address().port()),
            ),
        ] {
            settings.push((format!("{link}__{key}"), value.to_owned()));
        }
        settings
    }

    fn certificate(&self, prefix: &str, name: &str) -> Settings {
        vec![
            (
                format!("{prefix}CERTIFICATE"),
                self.file(&format!("{name}.pem")),
            ),
            (format!("{prefix}KEY"), self.file(&format!("{name}.key"))),
        ]
    }

    fn file(&self, name: &str) -> String {
        let certs = self.certs.as_deref().unwrap_or(Path::new(""));
        certs.join(name).display().to_string()
    }
}

fn node(folder: &TempDir, role: &str, other: &str) -> Service {
    let links = ["gateway", "compute"].map(|name| match role {
        "alice" => format!("{{local = \"{name}\", remote = \"storage-{name}\"}}"),
        _ => format!("{{local = \"storage-{name}\", remote = \"{name}\"}}"),
    });
    let file = |name: &str| folder.path().join("certs").join(name).display().to_string();
    Service::named("darkroom-kme", &format!("kme-{role}"), folder, &[])
        .with("ROLE", role)
        .with("NAME", &format!("kme-{role}"))
        .with("STATUS", "127.0.0.1:0")
        .with("TLS__ROOTS", &file("root.pem"))
        .with("PEER__NAME", &format!("kme-{other}"))
        .with("PEER__SECRET", &file("secret"))
        .with("LINKS", &format!("[{}]", links.join(", ")))
}
