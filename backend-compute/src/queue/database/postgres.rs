//! PostgreSQL: a server that any number of processes share, and that may be away for a while.

use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor};
use tokio::time::timeout;

use super::{Database, Dialect, migrations};
use crate::config::PostgresUrl;
use crate::error::Error;

const POSTGRES: Dialect = Dialect {
    now_ms: "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)",
    up_ms: "CAST(EXTRACT(EPOCH FROM statement_timestamp() - pg_postmaster_start_time()) * 1000 \
        AS BIGINT)",
    skip_locked: "FOR UPDATE SKIP LOCKED",
    // The number is "darkroom".
    one_by_one: Some("SELECT 1 FROM pg_advisory_xact_lock(7233188282340700013)"),
};

/// Connections of one process, the one that listens aside.
const CONNECTIONS: u32 = 8;
/// How long to try for a connection. A server that restarts is ridden out.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a statement may take, waiting for a connection included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection that was idle may take to show that it still works.
const PROOF_PATIENCE: Duration = Duration::from_secs(2);

/// What the server itself gives up: nobody else is to wait long for a process that froze or fell off
/// the network with a lock in its hands.
const SETTINGS: &str = "SET statement_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '10s'";

pub(super) async fn open(url: &PostgresUrl) -> Result<Database, Error> {
    // Read here for its errors, which tell no password.
    url.options()?;
    let options = AnyConnectOptions::from_str(url.danger_text())?.disable_statement_logging();
    let pool = pool().connect_with(options.clone()).await?;
    let own = [(
        5,
        include_str!("../../../migrations/0005_notify.postgres.sql"),
    )];
    // Not from the pool: a step may take long, as may the wait for another process that does it.
    let mut connection = options.connect().await?;
    migrations(&own).run(&mut connection).await?;
    connection.close().await?;
    Ok(Database {
        write: pool.clone(),
        read: pool,
        dialect: POSTGRES,
        alone: false,
        shared: true,
        patience: Some(PATIENCE),
        lock: None,
    })
}

fn pool() -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(1)
        .acquire_timeout(CONNECT_PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
        })
        // The pool would test them by itself, and wait for a server that is gone as long as TCP does.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(proven(connection)))
        .after_release(|connection, _| Box::pin(proven(connection)))
}

async fn proven(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    match timeout(PROOF_PATIENCE, connection.ping()).await {
        Ok(Ok(())) => Ok(true),
        // An error makes the pool drop it without a farewell.
        Ok(Err(error)) => Err(error),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
