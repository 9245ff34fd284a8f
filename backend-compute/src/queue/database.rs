//! The database: opened, brought up to date, asked.

mod postgres;
mod sqlite;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, AssertSqlSafe, SqlSafeStr};

use crate::config;
use crate::error::Error;

/// A statement with its arguments.
pub(super) type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// What is read of a job. Named one by one: PostgreSQL fails a prepared `SELECT *` when a newer
/// version has added a column.
const ROW: &str = "id, request, model, model_digest, vault, key_id, items, storage_grant, \
    evaluation_key, state, attempts, attempts_max, lease_token, progress, problem, created_ms, \
    started_ms, finished_ms, request_id, traceparent";

/// What processes have.
const HELD: &str = "SELECT what FROM holdings WHERE until_ms > {now}";

/// The day, counted since 1970.
const TODAY: &str = "({now} / 86400000)";

/// What one database says in another way than the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// Its clock in milliseconds since 1970.
    pub(super) now_ms: &'static str,
    /// How long it has been there for its users, in milliseconds.
    pub(super) up_ms: &'static str,
    /// How a statement passes over rows that another one holds.
    skip_locked: &'static str,
    /// Makes transactions that count jobs wait for each other.
    one_by_one: Option<&'static str>,
}

impl Dialect {
    /// Fills `{held}`, `{today}`, `{now}`, `{up}`, `{row}` and `{skip_locked}`. The template is ours, so nothing foreign gets in.
    pub(super) fn sql(&self, template: &'static str) -> AssertSqlSafe<String> {
        let sql = template
            .replace("{held}", HELD)
            .replace("{today}", TODAY)
            .replace("{now}", self.now_ms)
            .replace("{up}", self.up_ms)
            .replace("{row}", ROW)
            .replace("{skip_locked}", self.skip_locked);
        AssertSqlSafe(sql)
    }
}

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    /// Where statements that write go.
    write: AnyPool,
    /// Where others go.
    read: AnyPool,
    /// How it wants to be asked.
    pub(super) dialect: Dialect,
    /// Whether no other process used the database when it was opened.
    pub(super) alone: bool,
    /// Whether processes on other machines may use it as well.
    pub(super) shared: bool,
    /// How long an answer may take.
    patience: Option<Duration>,
    /// Held shared as long as the process lives; the system lets go of it whatever happens.
    lock: Option<File>,
}

impl Database {
    /// Opens it, makes it where it is a file that is not there, brings its tables up to date.
    pub(super) async fn open(place: &config::Database) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        match place {
            config::Database::Sqlite(file) => sqlite::open(file).await,
            config::Database::Postgres(url) => postgres::open(url).await,
        }
    }

    /// From here on other processes may use the database as well.
    pub(super) fn share(&self) -> Result<(), Error> {
        if let Some(lock) = &self.lock {
            lock.lock_shared()?;
        }
        Ok(())
    }

    /// Runs a statement that writes nothing.
    pub(super) async fn read(&self, query: Query<'_>) -> Result<Vec<AnyRow>, Error> {
        self.in_time(query.fetch_all(&self.read)).await
    }

    /// Runs a statement. All of its rows and not one: a statement that is not run to its end has not
    /// committed yet.
    pub(super) async fn write(&self, query: Query<'_>) -> Result<Vec<AnyRow>, Error> {
        self.in_time(query.fetch_all(&self.write)).await
    }

    /// Runs a statement after all others of its like have committed, so that it counts them, and if it
    /// gave rows, another one with it.
    ///
    /// The first must be one that writes: SQLite turns away who reads before he writes when another
    /// process has written in between, and lets all others wait.
    pub(super) async fn write_both(
        &self,
        query: Query<'_>,
        other: Query<'_>,
    ) -> Result<Vec<AnyRow>, Error> {
        let in_turn = async {
            let mut transaction = self.write.begin().await?;
            if let Some(wait) = self.dialect.one_by_one {
                sqlx::query(wait).execute(&mut *transaction).await?;
            }
            let rows = query.fetch_all(&mut *transaction).await?;
            if !rows.is_empty() {
                other.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(rows)
        };
        self.in_time(in_turn).await
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Error> {
        let Some(patience) = self.patience else {
            return Ok(work.await?);
        };
        let done = tokio::time::timeout(patience, work).await;
        Ok(done.map_err(|_| Error::DatabaseSilent)??)
    }
}

/// Copies the jobs of a file to another one, which must not be there yet, while processes use it.
///
/// # Errors
/// The file is not there, the other one is, or the database is PostgreSQL's.
pub async fn copy(place: &config::Database, to: &Path) -> Result<(), Error> {
    sqlx::any::install_default_drivers();
    match place {
        config::Database::Sqlite(file) => sqlite::copy(file, to).await,
        config::Database::Postgres(_) => Err(Error::Setting {
            setting: "database",
            reason: "PostgreSQL's is copied by pg_dump".to_owned(),
        }),
    }
}

/// Steps that were released are never changed: a database remembers them by their digest.
fn migrations(steps: &[(i64, &'static str)]) -> Migrator {
    let common = [
        (1, include_str!("../../migrations/0001_jobs.sql")),
        (2, include_str!("../../migrations/0002_indexes.sql")),
        (3, include_str!("../../migrations/0003_evaluation_keys.sql")),
        (4, include_str!("../../migrations/0004_holdings.sql")),
        (6, include_str!("../../migrations/0006_origins.sql")),
        (7, include_str!("../../migrations/0007_usage.sql")),
        (8, include_str!("../../migrations/0008_charged.sql")),
    ];
    let migration = |&(version, sql): &(i64, &'static str)| {
        let sql = sql.into_sql_str();
        Migration::new(version, "jobs".into(), MigrationType::Simple, sql, false)
    };
    let mut all: Vec<_> = common.iter().chain(steps).map(migration).collect();
    all.sort_by_key(|step| step.version);
    Migrator::with_migrations(all)
}
