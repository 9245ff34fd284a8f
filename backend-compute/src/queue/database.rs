//! The database: opened, migrated, and proven to be nobody else's.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, AssertSqlSafe, ConnectOptions, Executor, SqlSafeStr};

use crate::error::Error;

/// What one database says in another way than the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// Its clock in milliseconds since 1970.
    now_ms: &'static str,
    /// How a claim passes over rows that another claim holds.
    skip_locked: &'static str,
}

const SQLITE: Dialect = Dialect {
    now_ms: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    skip_locked: "",
};

/// Durable commits; wiped grants leave no trace in the file; a cache of half a MiB a connection, so
/// that memory does not grow with the table.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA busy_timeout = 10000; PRAGMA secure_delete = ON; PRAGMA cache_size = -512;";

impl Dialect {
    /// Fills `{now}` and `{skip_locked}`. The template is ours, so nothing foreign gets in.
    pub(super) fn sql(&self, template: &'static str) -> AssertSqlSafe<String> {
        let sql = template
            .replace("{now}", self.now_ms)
            .replace("{skip_locked}", self.skip_locked);
        AssertSqlSafe(sql)
    }
}

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    /// One connection: SQLite has one writer, and waiting here is fairer than its busy loop.
    pub(super) write: AnyPool,
    /// Reads go on beside the writer.
    pub(super) read: AnyPool,
    /// How it wants to be asked.
    pub(super) dialect: Dialect,
    /// Whether no other process used the database when it was opened.
    pub(super) alone: bool,
    /// Held shared as long as the process lives; the system lets go of it whatever happens.
    lock: Option<File>,
}

impl Database {
    /// Opens or makes the SQLite file, brings its tables up to date.
    pub(super) async fn open(file: &Path) -> Result<Self, Error> {
        let file = std::path::absolute(file)?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(refuse(folder))?;
        }
        let (lock, alone) = lock(&file)?;
        // Grants are in it. SQLite's other files get its mode.
        owner_only().open(&file).map_err(refuse(&file))?;

        sqlx::any::install_default_drivers();
        let options = options(&file)?;
        let write = pool(1).connect_with(options.clone()).await?;
        migrations().run(&write).await?;
        let read = pool(4).connect_with(options).await?;
        Ok(Self {
            write,
            read,
            dialect: SQLITE,
            alone,
            lock: Some(lock),
        })
    }

    /// From here on other processes may use the database as well.
    pub(super) fn share(&self) -> Result<(), Error> {
        if let Some(lock) = &self.lock {
            lock.lock_shared()?;
        }
        Ok(())
    }
}

/// Takes the lock beside the database: exclusive if nobody has it, else shared.
fn lock(database: &Path) -> Result<(File, bool), Error> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = owner_only().open(&path).map_err(refuse(&path))?;
    match file.try_lock() {
        Ok(()) => Ok((file, true)),
        Err(std::fs::TryLockError::WouldBlock) => {
            file.lock_shared().map_err(refuse(&path))?;
            Ok((file, false))
        }
        Err(std::fs::TryLockError::Error(source)) => Err(Error::File { path, source }),
    }
}

/// Opens or makes a file that nobody else on the machine may read.
fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options
}

fn refuse(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

fn options(file: &Path) -> Result<AnyConnectOptions, Error> {
    let url = reqwest::Url::from_file_path(file).map_err(|()| Error::Setting {
        setting: "database",
        reason: "not a path to a file".to_owned(),
    })?;
    let options = AnyConnectOptions::from_str(&format!("sqlite://{}", url.path()))?;
    Ok(options.disable_statement_logging())
}

fn pool(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(20))
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SQLITE_SETTINGS).await.map(drop) })
        })
}

/// Those that were released are never changed: a database remembers them by their digest.
fn migrations() -> Migrator {
    let steps = [
        include_str!("../../migrations/0001_jobs.sql"),
        include_str!("../../migrations/0002_indexes.sql"),
        include_str!("../../migrations/0003_evaluation_keys.sql"),
    ];
    let migration = |(version, sql): (i64, &'static str)| {
        let sql = sql.into_sql_str();
        Migration::new(version, "jobs".into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations((1..).zip(steps).map(migration).collect())
}
