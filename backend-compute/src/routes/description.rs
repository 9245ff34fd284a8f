//! The description of all routes, OpenAPI 3.1, and the page to read it.

use actix_web::{HttpResponse, web};
use darkroom_api::problem::Problem;
use darkroom_api::protection::Hop;
use darkroom_api::routes;
use darkroom_openapi::{add_token, problems};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use super::{events, health, jobs, metrics, models};
use crate::app::State;
use crate::error::Error;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Darkroom compute",
        description = "Runs models on encrypted images, which it fetches from storage with the grant that a \
            job brings. Every error is an RFC 9457 problem whose `type` says which. The gateway has the \
            routes below `/v1` under `/api/compute`; docs/LINKS.md describes what is different over a \
            sealed link."
    ),
    paths(
        models::list, models::one,
        jobs::submit, jobs::list, jobs::one, events::follow, jobs::cancel,
        health::alive, health::ready, metrics::show, health::protection, document,
    ),
    components(schemas(Hop, Problem)),
    security(("token" = [])),
)]
struct Api;

/// The description.
pub(crate) fn describe() -> Document {
    let mut document = Api::openapi();
    let what =
        "Whoever draws it owns the jobs that are submitted with it. It is none of storage's.";
    add_token(&mut document, what);
    document
}

problems! {
    Refusals: &[];
}

/// This description.
#[utoipa::path(get, path = routes::OPENAPI, tag = "Service", operation_id = "openapi", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = Object), Refusals))]
pub async fn document(state: web::Data<State>) -> HttpResponse {
    state.description.document()
}

/// A file of the page on which the description is read.
///
/// # Errors
/// There is none of this name.
pub async fn page(state: web::Data<State>, file: web::Path<String>) -> Result<HttpResponse, Error> {
    state.description.file(&file).ok_or(Error::NotFound)
}

/// The page without its slash.
///
/// # Errors
/// There is no page.
pub async fn to_page(state: web::Data<State>) -> Result<HttpResponse, Error> {
    state.description.redirect().ok_or(Error::NotFound)
}
