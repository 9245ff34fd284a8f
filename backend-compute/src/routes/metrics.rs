//! Figures for whoever runs the service. The gateway does not pass them on.

use actix_web::{HttpResponse, web};
use darkroom_telemetry::exposition;

use crate::app::State;
use crate::error::Error;

/// All figures.
///
/// # Errors
/// The database fails otherwise than by being away.
pub async fn show(state: web::Data<State>) -> Result<HttpResponse, Error> {
    let standing = match state.queue.standing().await {
        Ok(standing) => Some(standing),
        Err(error) if error.is_outage() => None,
        Err(error) => return Err(error),
    };
    state.metrics.show(standing.as_ref());
    Ok(exposition(state.metrics.registry())?)
}
