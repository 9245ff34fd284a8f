//! Whether the service lives, whether it can work, and what protects it.

use std::io::ErrorKind;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::problem::ProblemType;
use darkroom_api::protection::Seen;
use darkroom_api::routes;
use darkroom_openapi::problems;
use darkroom_telemetry::exposition;
use object_store::PutMode;
use tokio::time::timeout;

use crate::app::State;
use crate::error::Error;
use crate::keys::probe_key;
use crate::store::Store;

/// A store that takes longer is of no use.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// What is written to try the store.
const PROBE: &[u8] = b"probe";

problems! {
    Refusals: &[];
    NotReady: &[ProblemType::StorageUnavailable, ProblemType::DiskFull];
}

/// It runs.
#[utoipa::path(get, path = routes::HEALTH, tag = "Service", operation_id = "alive", security(()),
    responses((status = 200, description = "It runs.", body = String), Refusals))]
pub(crate) async fn alive() -> HttpResponse {
    plain("alive\n")
}

/// It can write, read and delete.
#[utoipa::path(get, path = routes::READY, tag = "Service", operation_id = "ready", security(()),
    responses((status = 200, description = "The store works.", body = String), NotReady))]
pub(crate) async fn ready(state: web::Data<State>) -> Result<HttpResponse, Error> {
    let tried = timeout(READY_WITHIN, try_store(&state.store)).await;
    let late = |_| Err(Error::Io(ErrorKind::TimedOut.into()));
    tried
        .unwrap_or_else(late)
        .map_err(|error| Error::NotReady(Box::new(error)))?;
    Ok(plain("ready\n"))
}

/// Figures for whoever runs the service, in Prometheus' text form. The gateway does not pass them on.
#[utoipa::path(get, path = routes::METRICS, tag = "Service", operation_id = "metrics", security(()),
    responses((status = 200, description = "The figures.", body = String), Refusals))]
pub(crate) async fn metrics(state: web::Data<State>) -> Result<HttpResponse, Error> {
    match state.store.space().await {
        Ok(Some((free_bytes, bytes))) => state.metrics.disk(free_bytes, bytes),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the disk does not say how full it is"),
    }
    Ok(exposition(&state.metrics.registry)?)
}

/// What protects the connection that this was asked on.
#[utoipa::path(get, path = routes::PROTECTION, tag = "Service", operation_id = "protection", security(()),
    responses((status = 200, description = "What protects it.", body = Seen), Refusals))]
pub(crate) async fn protection(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(darkroom_tls::seen(&request))
}

fn plain(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(text)
}

async fn try_store(store: &Store) -> Result<(), Error> {
    let key = probe_key()?;
    store.put(&key, PROBE, PutMode::Create).await?;
    let read = store.read(&key).await?;
    store.delete(&key).await?;
    match read {
        Some(read) if read == PROBE => Ok(()),
        _ => Err(Error::Damaged {
            what: "what was just written",
        }),
    }
}
