//! Figures for whoever runs the service. The gateway does not pass them on.

use actix_web::{HttpResponse, web};

use crate::app::State;
use crate::error::Error;
use crate::metrics::MEDIA_TYPE;

/// All figures.
///
/// # Errors
/// The database fails otherwise than by being away.
pub async fn show(state: web::Data<State>) -> Result<HttpResponse, Error> {
    let jobs = match state.queue.count().await {
        Ok(jobs) => Some(jobs),
        Err(error) if error.is_outage() => None,
        Err(error) => return Err(error),
    };
    let text = state.metrics.to_text(jobs.as_deref())?;
    Ok(HttpResponse::Ok().content_type(MEDIA_TYPE).body(text))
}
