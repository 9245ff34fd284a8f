//! Whether the service runs, and whether it can take jobs.

use actix_web::{HttpResponse, web};

use crate::app::{Phase, State};
use crate::error::Error;

/// It runs.
pub async fn alive() -> HttpResponse {
    plain("alive")
}

/// It can take jobs now. Whether storage is there is not asked: jobs wait for it.
///
/// # Errors
/// It is stopping, or the database does not answer.
pub async fn ready(state: web::Data<State>) -> Result<HttpResponse, Error> {
    if *state.phase.borrow() > Phase::Serving {
        return Err(Error::ShuttingDown);
    }
    state.queue.ping().await?;
    Ok(plain("ready"))
}

fn plain(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(text)
}
