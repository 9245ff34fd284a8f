//! Figures for whoever runs the service. The gateway does not pass them on.

use actix_web::{HttpResponse, web};

use crate::app::State;
use crate::error::Error;
use crate::metrics::MEDIA_TYPE;

/// All figures.
///
/// # Errors
/// The database fails.
pub async fn show(state: web::Data<State>) -> Result<HttpResponse, Error> {
    let jobs = state.queue.count().await?;
    let text = state.metrics.to_text(&jobs)?;
    Ok(HttpResponse::Ok().content_type(MEDIA_TYPE).body(text))
}
