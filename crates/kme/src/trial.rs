//! Certificates and a secret to try a whole deployment with: for the services, for the applications
//! (SAEs) at both ends of the sealed links, and for the pair of nodes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkroom_tls::trial::Authority;
use zeroize::Zeroizing;

use crate::random::bytes;

/// Names and addresses of the machines, beside `localhost` and the names of the services themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machines {
    /// Where the gateway is, and a node that plays Alice.
    pub client: Vec<String>,
    /// Where storage is, and a node that plays Bob.
    pub storage: Vec<String>,
    /// Where compute is, and a node that plays Alice.
    pub compute: Vec<String>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// There is a set already; what others were told to trust stays.
    #[error("{} is there already: remove the folder to have a new set", path.display())]
    Exists {
        /// Its root.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("a certificate for {name}: {detail}")]
    Certificate {
        /// Whose.
        name: String,
        /// Why not.
        detail: String,
    },
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// The root that all others are signed by.
pub const ROOT: &str = "root.pem";
/// What the two nodes authenticate their discussion with.
pub const SECRET: &str = "secret";

/// After this long a set is made anew by [`renew`]; its certificates hold for 30 days.
const FRESH: Duration = Duration::from_secs(20 * 24 * 3600);

/// Writes `NAME.pem` and `NAME.key` for each of `gateway`, `storage`, `compute`, `storage-gateway`,
/// `storage-compute`, `kme-alice` and `kme-bob` into the folder, and with them [`ROOT`] and
/// [`SECRET`]. The root's own key is kept nowhere.
///
/// # Errors
/// [`TrialError`].
pub fn write(folder: &Path, machines: &Machines) -> Result<(), TrialError> {
    let root = folder.join(ROOT);
    if root.exists() {
        return Err(TrialError::Exists { path: root });
    }
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    let unfit = |name: &str, detail: String| TrialError::Certificate {
        name: name.to_owned(),
        detail,
    };
    let authority = Authority::new("Darkroom trial root")
        .map_err(|error| unfit("the root", error.to_string()))?;
    let Machines {
        client,
        storage,
        compute,
    } = machines;
    let either = [&client[..], compute].concat();
    for (name, hosts) in [
        ("gateway", &client[..]),
        ("storage", storage),
        ("compute", compute),
        // Storage has an end of its own for each link.
        ("storage-gateway", &[]),
        ("storage-compute", &[]),
        ("kme-alice", &either),
        ("kme-bob", storage),
    ] {
        let mut names = vec![name, "localhost", "127.0.0.1", "::1"];
        names.extend(hosts.iter().map(String::as_str));
        let issued = authority.issue(name, &names);
        let issued = issued.map_err(|error| unfit(name, error.to_string()))?;
        let written = issued.write(folder, name);
        written.map_err(|source| failed(&folder.join(name), source))?;
    }
    let secret = Zeroizing::new(bytes::<32>().map_err(|_| TrialError::Randomness)?);
    let secret = Zeroizing::new(hex::encode(*secret));
    let path = folder.join(SECRET);
    write_private(&path, secret.as_bytes()).map_err(|source| failed(&path, source))?;
    // Last: a set with a root is whole.
    std::fs::write(&root, authority.root()).map_err(|source| failed(&root, source))
}

/// Makes a set where there is none or an old one.
///
/// # Errors
/// [`TrialError`].
pub fn renew(folder: &Path, machines: &Machines) -> Result<(), TrialError> {
    let root = folder.join(ROOT);
    let age = |path: &Path| {
        std::fs::metadata(path)?
            .modified()?
            .elapsed()
            .map_err(io::Error::other)
    };
    if age(&root).is_ok_and(|age| age < FRESH) {
        return Ok(());
    }
    match std::fs::remove_file(&root) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&root, error)),
        _ => write(folder, machines),
    }
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    options.open(path)?.write_all(content)
}

fn failed(path: &Path, source: io::Error) -> TrialError {
    TrialError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use darkroom_tls::{ClientSettings, ServerSettings, client_config, server_config};

    use super::*;

    #[test]
    fn a_set_serves_both_ends_and_is_not_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("certs");
        let machines = Machines {
            client: vec!["client.example".to_owned()],
            storage: vec!["10.0.0.1".to_owned()],
            compute: Vec::new(),
        };
        renew(&folder, &machines).unwrap();
        for name in [
            "gateway",
            "storage",
            "compute",
            "storage-gateway",
            "storage-compute",
            "kme-alice",
            "kme-bob",
        ] {
            let (certificate, key) = (
                folder.join(format!("{name}.pem")),
                folder.join(format!("{name}.key")),
            );
            let mode = std::fs::metadata(&key).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            server_config(&ServerSettings {
                certificate: certificate.clone(),
                key: key.clone(),
                client_roots: Some(folder.join(ROOT)),
                require_post_quantum: true,
            })
            .unwrap();
            client_config(&ClientSettings {
                roots: Some(folder.join(ROOT)),
                certificate: Some(certificate),
                key: Some(key),
                require_post_quantum: true,
            })
            .unwrap();
        }
        let secret = std::fs::read(folder.join(SECRET)).unwrap();
        assert_eq!(secret.len(), 64);
        let again = write(&folder, &machines);
        assert!(matches!(again, Err(TrialError::Exists { .. })));
        renew(&folder, &machines).unwrap();
        assert_eq!(std::fs::read(folder.join(SECRET)).unwrap(), secret);

        let other = parent.path().join("other");
        let machines = Machines {
            client: vec!["no host".to_owned(), "ü".to_owned()],
            ..machines
        };
        assert!(write(&other, &machines).is_err());
        assert!(!other.join(ROOT).exists());
    }
}
