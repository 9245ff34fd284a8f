//! Hears from PostgreSQL what other processes did to the queue.
//!
//! What is told while nobody listens is lost. So after each connection everybody looks for himself,
//! and all who wait for news look now and then in any case.

use std::sync::Arc;
use std::time::Duration;

use darkroom_api::ids::JobId;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Changes;
use crate::config::PostgresUrl;
use crate::error::Error;

const CHANNEL: &str = "darkroom_jobs";
/// The pauses between attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// After so long a silence the server is asked whether it is there: a connection may die unnoticed.
const SILENCE: Duration = Duration::from_secs(20);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listener {
    /// Listens from when this returns.
    pub(super) async fn start(url: &PostgresUrl, changes: Arc<Changes>) -> Result<Self, Error> {
        let first = connect(url).await?;
        Ok(Self(tokio::spawn(listen(first, url.clone(), changes))))
    }
}

async fn listen(first: PgListener, url: PostgresUrl, changes: Arc<Changes>) {
    let (mut connected, mut pause) = (Ok(first), PAUSE);
    loop {
        let ended = match connected {
            Ok(listener) => {
                pause = PAUSE;
                hear(listener, &changes).await
            }
            Err(error) => error,
        };
        tracing::warn!(error = %ended, "not told of other processes' changes; connecting again");
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        connected = connect(&url).await;
    }
}

async fn connect(url: &PostgresUrl) -> Result<PgListener, Error> {
    let options = url.options()?.disable_statement_logging();
    let connect = async {
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.acquire_timeout(PATIENCE).connect_with(options).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let connected = timeout(PATIENCE, connect).await;
    connected.map_err(|_| Error::DatabaseSilent)?
}

/// Passes on what is told; returns why nothing more is.
async fn hear(mut listener: PgListener, changes: &Changes) -> Error {
    changes.missed();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(told))) => pass_on(told.payload(), changes),
            Ok(Ok(None)) => return std::io::Error::from(std::io::ErrorKind::BrokenPipe).into(),
            Ok(Err(error)) => return error.into(),
            Err(_) => {
                let ask = sqlx::query("SELECT 1").execute(&mut listener);
                match timeout(PATIENCE, ask).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return error.into(),
                    Err(_) => return Error::DatabaseSilent,
                }
            }
        }
    }
}

/// What the trigger says: a word and a job.
fn pass_on(told: &str, changes: &Changes) {
    let Some((what, job)) = told.split_once(' ') else {
        return;
    };
    let Ok(job) = job.parse::<JobId>() else {
        return;
    };
    match what {
        "due" => {
            changes.pushed();
            changes.changed(job);
        }
        "cancelled" => changes.cancelled(job),
        _ => changes.changed(job),
    }
}
