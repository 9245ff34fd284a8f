//! Whether the service runs, whether it can take jobs, and what protects the ways to it and from it.

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::problem::ProblemType;
use darkroom_api::protection::{Hop, Party, Seen};
use darkroom_api::routes;
use darkroom_openapi::problems;

use crate::app::{Phase, State};
use crate::error::Error;

problems! {
    Refusals: &[];
    NotReady: &[ProblemType::ShuttingDown, ProblemType::QueueUnavailable];
}

/// It runs.
#[utoipa::path(get, path = routes::HEALTH, tag = "Service", operation_id = "alive", security(()),
    responses((status = 200, description = "It runs.", body = String), Refusals))]
pub async fn alive() -> HttpResponse {
    plain("alive")
}

/// It can take jobs now. Whether storage is there is not asked: jobs wait for it.
///
/// # Errors
/// It is stopping, or the database does not answer.
#[utoipa::path(get, path = routes::READY, tag = "Service", operation_id = "ready", security(()),
    responses((status = 200, description = "It takes jobs.", body = String), NotReady))]
pub async fn ready(state: web::Data<State>) -> Result<HttpResponse, Error> {
    if *state.phase.borrow() > Phase::Serving {
        return Err(Error::ShuttingDown);
    }
    state.queue.ping().await?;
    Ok(plain("ready"))
}

/// What protects the connection that this was asked on, and the way from here to storage.
#[utoipa::path(get, path = routes::PROTECTION, tag = "Service", operation_id = "protection", security(()),
    responses((status = 200, description = "What protects it.", body = Seen), Refusals))]
pub async fn protection(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let mut seen = darkroom_tls::seen(&request);
    seen.beyond = Some(Box::new(Hop {
        from: Party::Compute,
        to: Party::Storage,
        seen: state.storage.protection().await,
    }));
    HttpResponse::Ok().json(seen)
}

fn plain(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(text)
}
