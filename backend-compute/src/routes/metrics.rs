//! Figures for whoever runs the service. The gateway does not pass them on.

use actix_web::{HttpResponse, web};
use darkroom_api::routes;
use darkroom_openapi::problems;
use darkroom_telemetry::exposition;

use crate::app::State;
use crate::error::Error;

problems! {
    Refusals: &[];
}

/// All figures, in Prometheus' text form. The gateway does not pass them on.
///
/// # Errors
/// The database fails otherwise than by being away.
#[utoipa::path(get, path = routes::METRICS, tag = "Service", operation_id = "metrics", security(()),
    responses((status = 200, description = "The figures.", body = String), Refusals))]
pub async fn show(state: web::Data<State>) -> Result<HttpResponse, Error> {
    let standing = match state.queue.standing().await {
        Ok(standing) => Some(standing),
        Err(error) if error.is_outage() => None,
        Err(error) => return Err(error),
    };
    state.metrics.show(standing.as_ref());
    Ok(exposition(state.metrics.registry())?)
}
