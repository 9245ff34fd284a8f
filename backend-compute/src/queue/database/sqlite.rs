//! SQLite: a file, opened and proven to be nobody else's.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};

use super::{Database, Dialect, migrations};
use crate::error::Error;

const SQLITE: Dialect = Dialect {
    now_ms: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    // It is never away.
    up_ms: "9223372036854775807",
    skip_locked: "",
    one_by_one: None,
};

/// Durable commits; wiped grants leave no trace in the file; a cache of half a MiB a connection, so
/// that memory does not grow with the table.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA busy_timeout = 10000; PRAGMA secure_delete = ON; PRAGMA cache_size = -512;";

pub(super) async fn open(file: &Path) -> Result<Database, Error> {
    let file = std::path::absolute(file)?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(refuse(folder))?;
    }
    let (lock, alone) = lock(&file)?;
    // Grants are in it. SQLite's other files get its mode.
    owner_only().open(&file).map_err(refuse(&file))?;

    let options = options(&file)?;
    // One connection: SQLite has one writer, and waiting here is fairer than its busy loop.
    let write = pool(1).connect_with(options.clone()).await?;
    migrations(&[]).run(&write).await?;
    // Reads go on beside the writer.
    let read = pool(4).connect_with(options).await?;
    Ok(Database {
        write,
        read,
        dialect: SQLITE,
        alone,
        shared: false,
        patience: None,
        lock: Some(lock),
    })
}

/// Copies what is in a file, as it is at one moment, to a new one; whoever uses it goes on.
pub(super) async fn copy(file: &Path, to: &Path) -> Result<(), Error> {
    let to = std::path::absolute(to)?;
    let mut connection = options(&std::path::absolute(file)?)?.connect().await?;
    connection.execute("PRAGMA busy_timeout = 10000").await?;
    // SQLite takes a file that is empty. Grants are in it.
    let made = owner_only().create_new(true).open(&to);
    made.map_err(refuse(&to))?;
    let copy = sqlx::query("VACUUM INTO $1").bind(to.to_string_lossy().into_owned());
    if let Err(error) = copy.execute(&mut connection).await {
        // Nobody is to take it for a copy.
        let _ = std::fs::remove_file(&to);
        return Err(error.into());
    }
    Ok(connection.close().await?)
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
            Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
        })
}
