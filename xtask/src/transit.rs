//! What protects the ways between the services, for trying it: certificates, TLS, and a pair of key
//! management entities.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;
use crate::services::text;

/// The program of a key management entity, which also makes the certificates.
pub const KME: &str = "darkroom-kme";

/// What to protect, with what.
pub struct Transit {
    /// The folder of the certificates.
    pub certs: PathBuf,
    /// Whether the services speak TLS, storage and compute with clients that they know only.
    pub tls: bool,
    /// The first of the ports of the two nodes, if the links are sealed.
    pub kme_port: Option<u16>,
}

/// The settings of one service: `("TLS__KEY", "…")`.
pub type Settings = Vec<(String, String)>;

/// Makes certificates for a service on this machine and the others, unless there are some.
pub fn renew_certs(programs: &Path, folder: &Path) -> Result<()> {
    let mut make = Command::new(programs.join(KME));
    run(make.arg("certs").arg(folder).arg("--renew"))
}

impl Transit {
    /// Nothing.
    #[cfg(test)]
    pub fn none() -> Self {
        Self {
            certs: PathBuf::new(),
            tls: false,
            kme_port: None,
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// TLS and links of the gateway.
    pub fn gateway(&self) -> Result<Settings> {
        let mut settings = self.server("gateway", false)?;
        settings.extend(self.client("gateway")?);
        settings.extend(self.link("STORAGE_LINK", "gateway", "storage-gateway", Node::Alice)?);
        Ok(settings)
    }

    /// Those of storage.
    pub fn storage(&self) -> Result<Settings> {
        let mut settings = self.server("storage", true)?;
        for (link, local, remote) in [
            ("GATEWAY_LINK", "storage-gateway", "gateway"),
            ("COMPUTE_LINK", "storage-compute", "compute"),
        ] {
            settings.extend(self.link(link, local, remote, Node::Bob)?);
        }
        Ok(settings)
    }

    /// Those of compute.
    pub fn compute(&self) -> Result<Settings> {
        let mut settings = self.server("compute", true)?;
        settings.extend(self.client("compute")?);
        settings.extend(self.link("STORAGE_LINK", "compute", "storage-compute", Node::Alice)?);
        Ok(settings)
    }

    fn server(&self, name: &str, mutual: bool) -> Result<Settings> {
        if !self.tls {
            return Ok(Settings::new());
        }
        let mut settings = self.certificate("TLS__", name)?;
        if mutual {
            settings.push(("TLS__CLIENT_ROOTS".to_owned(), self.file("root.pem")?));
        }
        Ok(settings)
    }

    fn client(&self, name: &str) -> Result<Settings> {
        if !self.tls {
            return Ok(Settings::new());
        }
        let mut settings = self.certificate("TLS_CLIENT__", name)?;
        settings.push(("TLS_CLIENT__ROOTS".to_owned(), self.file("root.pem")?));
        settings.push((
            "TLS_CLIENT__REQUIRE_POST_QUANTUM".to_owned(),
            "true".to_owned(),
        ));
        Ok(settings)
    }

    fn link(&self, link: &str, local: &str, remote: &str, node: Node) -> Result<Settings> {
        let Some(first) = self.kme_port else {
            return Ok(Settings::new());
        };
        let mut settings = self.certificate(&format!("{link}__SOURCE__"), local)?;
        for (key, value) in [
            ("MODE", "hybrid".to_owned()),
            ("LOCAL", local.to_owned()),
            ("REMOTE", remote.to_owned()),
            ("SOURCE__KIND", "etsi-014".to_owned()),
            (
                "SOURCE__URL",
                format!("https://localhost:{}", first + node.offset()),
            ),
            ("SOURCE__ROOTS", self.file("root.pem")?),
        ] {
            settings.push((format!("{link}__{key}"), value));
        }
        Ok(settings)
    }

    fn certificate(&self, prefix: &str, name: &str) -> Result<Settings> {
        Ok(vec![
            (
                format!("{prefix}CERTIFICATE"),
                self.file(&format!("{name}.pem"))?,
            ),
            (format!("{prefix}KEY"), self.file(&format!("{name}.key"))?),
        ])
    }

    fn file(&self, name: &str) -> Result<String> {
        text(&self.certs.join(name))
    }

    /// The two nodes, Bob first: their names, settings and the ports of their status pages.
    pub fn nodes(&self) -> Result<Vec<(&'static str, Settings, u16)>> {
        let Some(first) = self.kme_port else {
            return Ok(Vec::new());
        };
        [Node::Bob, Node::Alice]
            .map(|node| self.node(node, first))
            .into_iter()
            .collect()
    }

    fn node(&self, node: Node, first: u16) -> Result<(&'static str, Settings, u16)> {
        let port = first + node.offset();
        let peer = first + Node::PEER;
        let (name, other) = match node {
            Node::Alice => ("kme-alice", "kme-bob"),
            Node::Bob => ("kme-bob", "kme-alice"),
        };
        let links: Vec<_> = [
            ("gateway", "storage-gateway"),
            ("compute", "storage-compute"),
        ]
        .into_iter()
        .map(|(alice, bob)| match node {
            Node::Alice => format!("{{ local = \"{alice}\", remote = \"{bob}\" }}"),
            Node::Bob => format!("{{ local = \"{bob}\", remote = \"{alice}\" }}"),
        })
        .collect();
        let mut settings = self.certificate("TLS__", name)?;
        for (key, value) in [
            ("ROLE", name.trim_start_matches("kme-").to_owned()),
            ("NAME", name.to_owned()),
            ("LISTEN", format!("127.0.0.1:{port}")),
            ("STATUS", format!("127.0.0.1:{}", port + 1)),
            ("TLS__ROOTS", self.file("root.pem")?),
            ("PEER__NAME", other.to_owned()),
            ("PEER__LISTEN", format!("127.0.0.1:{peer}")),
            ("PEER__ADDRESS", format!("localhost:{peer}")),
            ("PEER__SECRET", self.file("secret")?),
            ("LINKS", format!("[{}]", links.join(", "))),
        ] {
            settings.push((key.to_owned(), value));
        }
        Ok((name, settings, port + 1))
    }

    /// The ports that the nodes take, each with whose it is.
    pub fn ports(&self) -> Result<Vec<(&'static str, u16)>> {
        let Some(first) = self.kme_port else {
            return Ok(Vec::new());
        };
        first
            .checked_add(Node::PEER)
            .context("--kme-port leaves no room for five ports")?;
        let mut ports = vec![("the channel between the key nodes", first + Node::PEER)];
        for (name, node) in [("key node Alice", Node::Alice), ("key node Bob", Node::Bob)] {
            ports.push((name, first + node.offset()));
            ports.push((name, first + node.offset() + 1));
        }
        Ok(ports)
    }
}

#[derive(Clone, Copy)]
enum Node {
    Alice,
    Bob,
}

impl Node {
    const PEER: u16 = 4;

    fn offset(self) -> u16 {
        match self {
            Self::Alice => 0,
            Self::Bob => 2,
        }
    }
}
