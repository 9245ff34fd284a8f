//! What the parts of a node share: its pool, its line, its switches.

use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

use crate::config::{Config, Role};
use crate::line::Line;
use crate::pool::Pool;
use crate::{Error, pool};

/// How long a thread sleeps before it looks whether to stop.
const NAP: Duration = Duration::from_millis(20);

pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) secret: Zeroizing<Vec<u8>>,
    /// The applications at Alice and at Bob, in an order that is the same at both nodes.
    pub(crate) links: Vec<(String, String)>,
    pool: Mutex<Pool>,
    line: Mutex<Line>,
    eavesdropper: AtomicBool,
    stopped: AtomicBool,
    /// The connection to the peer, to break it off.
    connection: Mutex<Option<TcpStream>>,
}

impl Core {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        config.validate()?;
        let secret = read_secret(&config.peer.secret)?;
        Ok(Self::with_secret(config, secret))
    }

    pub(crate) fn with_secret(config: Config, secret: Zeroizing<Vec<u8>>) -> Self {
        let links = config.links.iter().cloned();
        let mut links: Vec<(String, String)> = links
            .map(|link| match config.role {
                Role::Alice => (link.local, link.remote),
                Role::Bob => (link.remote, link.local),
            })
            .collect();
        links.sort();
        let pool = Pool::new(config.role, links.len(), config.pool.max_key_count);
        Self {
            secret,
            links,
            pool: Mutex::new(pool),
            line: Mutex::new(Line::new()),
            eavesdropper: AtomicBool::new(config.channel.eavesdropper),
            stopped: AtomicBool::new(false),
            connection: Mutex::new(None),
            config,
        }
    }

    /// What must be the same at both nodes.
    pub(crate) fn agreement(&self) -> serde_json::Value {
        json!({
            "version": 1,
            "links": self.links,
            "blocks": self.config.blocks,
            "pool": self.config.pool,
        })
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane in which `local` is the master or the slave, if the two are a link.
    pub(crate) fn lane(&self, local: &str, remote: &str, local_is_master: bool) -> Option<usize> {
        let role = self.config.role;
        let link = self.links.iter().position(|(alice, bob)| match role {
            Role::Alice => alice == local && bob == remote,
            Role::Bob => bob == local && alice == remote,
        })?;
        let master = if local_is_master { role } else { role.other() };
        Some(pool::lane(link, master))
    }

    pub(crate) fn eavesdropper(&self) -> bool {
        self.eavesdropper.load(Ordering::Relaxed)
    }

    pub(crate) fn set_eavesdropper(&self, on: bool) {
        if self.eavesdropper.swap(on, Ordering::Relaxed) != on {
            tracing::warn!(on, "the simulated eavesdropper was switched");
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.watch(None);
    }

    /// Remembers the connection to the peer so that [`Core::stop`] breaks it off; the former one is.
    pub(crate) fn watch(&self, connection: Option<TcpStream>) {
        let mut held = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(former) = std::mem::replace(&mut *held, connection) {
            // It may be closed already.
            let _ = former.shutdown(Shutdown::Both);
        }
        if let (true, Some(now)) = (self.is_stopped(), &*held) {
            let _ = now.shutdown(Shutdown::Both);
        }
    }

    /// Sleeps, but not past a stop.
    pub(crate) fn sleep(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.is_stopped() {
            let nap = NAP.min(left);
            std::thread::sleep(nap);
            left -= nap;
        }
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    const BYTES_MIN: usize = 32;
    let unusable = |detail: String| Error::Secret {
        path: path.to_owned(),
        detail,
    };
    let read = std::fs::read(path).map_err(|source| unusable(source.to_string()))?;
    let read = Zeroizing::new(read);
    // An editor's newline at one end must not make the secrets differ.
    let secret = Zeroizing::new(read.trim_ascii().to_vec());
    if secret.len() < BYTES_MIN {
        return Err(unusable(format!(
            "the shared secret must have {BYTES_MIN} bytes or more"
        )));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_newlines_at_their_end_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(read_secret(&path).is_err());
        std::fs::write(&path, "short\n").unwrap();
        assert!(read_secret(&path).is_err());
        let secret = "0123456789abcdef0123456789abcdef";
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        assert_eq!(&read_secret(&path).unwrap()[..], secret.as_bytes());
    }
}
