//! Where the jobs are kept: a file on this machine, or a server that several computes share.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::error::Error;

/// What sqlx reads in a URL's query. It ignores all else, and tells the log the values.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Where the jobs are kept. As text: the path of a file, or a URL that begins with `postgres://`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Database {
    /// A SQLite file. It is made where it is not there.
    Sqlite(PathBuf),
    /// A database of PostgreSQL.
    Postgres(PostgresUrl),
}

/// How PostgreSQL is reached. It may hold a password, which `Debug` and errors leave out.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl From<String> for Database {
    fn from(text: String) -> Self {
        let (scheme, _) = text.split_once(':').unwrap_or_default();
        match scheme {
            "postgres" | "postgresql" => Self::Postgres(PostgresUrl(text)),
            _ => Self::Sqlite(text.into()),
        }
    }
}

impl From<Database> for String {
    fn from(database: Database) -> Self {
        match database {
            Database::Sqlite(path) => path.to_string_lossy().into_owned(),
            Database::Postgres(url) => url.0,
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // No URL that is known here, and it may hold a password all the same.
            Self::Sqlite(path) if is_url(path) => f.write_str("..."),
            Self::Sqlite(path) => path.fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(options) = self.options() else {
            return f.write_str("postgres://...");
        };
        let name = options.get_database().unwrap_or_default();
        match options.get_socket() {
            Some(socket) => write!(f, "postgres://{}/{name}", socket.display()),
            None => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(f, "postgres://{host}:{port}/{name}")
            }
        }
    }
}

impl Database {
    /// The same with a password that a file holds.
    ///
    /// # Errors
    /// The file cannot be read or holds none, or there is no place for it.
    pub(super) fn with_password_in(&self, file: &Path) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Setting {
            setting: "database_password_file",
            reason: reason.to_owned(),
        };
        let text = std::fs::read_to_string(file).map_err(|source| Error::File {
            path: file.to_owned(),
            source,
        })?;
        let password = text.trim();
        if password.is_empty() {
            return Err(refuse("the file is empty"));
        }
        let Self::Postgres(url) = self else {
            return Err(refuse("only PostgreSQL has a password"));
        };
        // Read here for its errors, which tell no password.
        url.options()?;
        let mut url = reqwest::Url::parse(&url.0).map_err(|error| refuse(&error.to_string()))?;
        if url.password().is_some() {
            return Err(refuse("there is a password in the URL as well"));
        }
        // The one sign that the URL would leave as it is.
        let password = password.replace('%', "%25");
        url.set_password(Some(&password))
            .map_err(|()| refuse("a URL without a host takes no password"))?;
        Ok(Self::Postgres(PostgresUrl(url.into())))
    }

    /// Whether it can be meant so. Looks at no file and no network.
    ///
    /// # Errors
    /// It is another kind of URL than PostgreSQL's, or one that may not be used.
    pub(super) fn check(&self, allow_plain: bool) -> Result<(), Error> {
        match self {
            Self::Sqlite(path) if is_url(path) => Err(refuse(
                "neither the path of a file nor a URL that begins with postgres://",
            )),
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(url) => url.check(allow_plain),
        }
    }
}

impl PostgresUrl {
    /// The URL, password and all.
    pub fn danger_text(&self) -> &str {
        &self.0
    }

    /// What the URL and, where it is silent, the environment (`PGPASSWORD`, `PGPASSFILE` and so on)
    /// say.
    ///
    /// # Errors
    /// It cannot be read; says why without saying it.
    pub fn options(&self) -> Result<PgConnectOptions, Error> {
        let url = reqwest::Url::parse(&self.0).ok();
        let Some(url) = url.filter(|_| self.0.contains("://")) else {
            return Err(refuse(
                "not a URL, such as postgres://darkroom@db.example/darkroom; write what is special \
                 in a password as %XX",
            ));
        };
        if url.fragment().is_some() {
            return Err(refuse(
                "a URL here has no fragment; write # in a password as %23",
            ));
        }
        if url.path().trim_start_matches('/').contains(['/', '@']) {
            return Err(refuse(
                "not the name of a database after the host; write what is special in a password as \
                 %XX",
            ));
        }
        for (name, _) in url.query_pairs() {
            if !PARAMETERS.contains(&&*name) && !name.starts_with("options[") {
                return Err(refuse(format!("{name:?} is no parameter of this URL")));
            }
        }
        PgConnectOptions::from_str(&self.0).map_err(|error| refuse(error.to_string()))
    }

    fn check(&self, allow_plain: bool) -> Result<(), Error> {
        let options = self.options()?;
        let host = options.get_host().trim_matches(['[', ']']);
        let here = options.get_socket().is_some()
            || match host.parse::<std::net::IpAddr>() {
                Ok(address) => address.is_loopback(),
                Err(_) => host.eq_ignore_ascii_case("localhost"),
            };
        let verified = matches!(
            options.get_ssl_mode(),
            PgSslMode::VerifyCa | PgSslMode::VerifyFull
        );
        match here || verified || allow_plain {
            true => Ok(()),
            false => Err(refuse(
                "PostgreSQL is on another machine: add ?sslmode=verify-full&sslrootcert=FILE, or set \
                 allow_plain_http where something else protects the way",
            )),
        }
    }
}

fn is_url(path: &Path) -> bool {
    path.to_string_lossy().contains("://")
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Setting {
        setting: "database",
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(text: &str) -> Database {
        serde_json::from_value(text.into()).unwrap()
    }

    #[test]
    fn a_path_is_a_file_and_a_url_is_postgresql() {
        for path in ["data/compute.sqlite", "/data/jobs.sqlite", "postgres"] {
            assert_eq!(database(path), Database::Sqlite(path.into()));
            assert_eq!(String::from(database(path)), path);
        }
        for url in [
            "postgres://localhost/jobs",
            "postgresql://me@127.0.0.1:5433/jobs",
            "postgres://me@localhost/jobs?host=/run/postgresql",
            "postgres://me@db.example/jobs?sslmode=verify-full&sslrootcert=/certs/root.pem",
        ] {
            assert!(matches!(database(url), Database::Postgres(_)));
            assert_eq!(String::from(database(url)), url);
            database(url).check(false).unwrap();
        }
    }

    #[test]
    fn a_password_may_lie_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postgres");
        std::fs::write(&file, "a/sec@ret:%41#?\n").unwrap();
        let url = "postgres://me@localhost:5433/jobs?application_name=x";
        let Database::Postgres(with) = database(url).with_password_in(&file).unwrap() else {
            panic!("no longer PostgreSQL")
        };
        let url = reqwest::Url::parse(with.danger_text()).unwrap();
        assert_eq!(url.password(), Some("a%2Fsec%40ret%3A%2541%23%3F"));
        assert_eq!((url.username(), url.port()), ("me", Some(5433)));
        with.options().unwrap();
        assert!(!format!("{with:?}").contains("sec"));

        for text in ["postgres://me:own@localhost/jobs", "jobs.sqlite"] {
            let error = database(text).with_password_in(&file).unwrap_err();
            assert!(
                error.to_string().contains("database_password_file"),
                "{error}"
            );
            assert!(!error.to_string().contains("sec"), "{error}");
        }
        std::fs::write(&file, "\n").unwrap();
        database("postgres://me@localhost/jobs")
            .with_password_in(&file)
            .unwrap_err();
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_password_is_told() {
        for (text, says) in [
            ("mysql://me:secret@localhost/jobs", "postgres://"),
            ("postgres://me:secret@db.example/jobs", "verify-full"),
            (
                "postgres://me:secret@10.0.0.9/jobs?sslmode=require",
                "verify-full",
            ),
            (
                "postgres://me:secret@localhost/jobs?pasword=secret",
                "pasword",
            ),
            (
                "postgres://me:secret@localhost/jobs?sslmode=sometimes",
                "sometimes",
            ),
            ("postgres://me:secret@localhost:port/jobs", "%XX"),
            ("postgres://me:1/secret@localhost/jobs", "%XX"),
            ("postgres://me:12#secret@localhost/jobs", "%23"),
            ("postgres:/me:secret@localhost/jobs", "%XX"),
        ] {
            let error = database(text).check(false).unwrap_err();
            for told in [error.to_string(), format!("{error:?}")] {
                assert!(told.contains(says), "{text}: {told}");
                assert!(!told.contains("sec"), "{told}");
            }
            let debug = format!("{:?}", database(text));
            assert!(!debug.contains("sec"), "{debug}");
        }
        let plain = database("postgres://me:secret@db.example/jobs");
        plain.check(true).unwrap();
        assert_eq!(format!("{plain:?}"), "postgres://db.example:5432/jobs");
    }
}
