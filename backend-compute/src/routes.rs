//! The HTTP routes, one file a resource.

pub mod description;
pub mod events;
pub mod health;
pub mod jobs;
pub mod metrics;
pub mod models;
mod owner;

use actix_web::error::JsonPayloadError;
use actix_web::{HttpResponse, Resource, web};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;

pub use self::owner::Owner;
use crate::app::State;
use crate::error::Error;

/// The problems of whatever asks for jobs.
const OF_OWNER: &[ProblemType] = &[ProblemType::Unauthorized, ProblemType::QueueUnavailable];

/// Adds all routes.
pub fn add(app: &mut web::ServiceConfig, state: &State) {
    let max_bytes = state.limits.request_bytes;
    let json = web::JsonConfig::default()
        .limit(max_bytes)
        .error_handler(move |error, _| json_error(&error, max_bytes).into());
    app.app_data(json)
        .app_data(web::PathConfig::default().error_handler(|_, _| Error::NotFound.into()))
        .service(resource(routes::HEALTH, "GET").route(web::get().to(health::alive)))
        .service(resource(routes::READY, "GET").route(web::get().to(health::ready)))
        .service(resource(routes::METRICS, "GET").route(web::get().to(metrics::show)))
        .service(resource(routes::PROTECTION, "GET").route(web::get().to(health::protection)))
        .service(resource(routes::OPENAPI, "GET").route(web::get().to(description::document)))
        .service(resource(routes::DOCS, "GET").route(web::get().to(description::to_page)))
        .service(resource(routes::DOCS_FILE, "GET").route(web::get().to(description::page)))
        .service(resource(routes::MODELS, "GET").route(web::get().to(models::list)))
        .service(resource(routes::MODEL, "GET").route(web::get().to(models::one)))
        .service(
            resource(routes::JOBS, "GET, POST")
                .route(web::get().to(jobs::list))
                .route(web::post().to(jobs::submit)),
        )
        .service(resource(routes::JOB, "GET").route(web::get().to(jobs::one)))
        .service(resource(routes::JOB_EVENTS, "GET").route(web::get().to(events::follow)))
        .service(resource(routes::JOB_CANCEL, "POST").route(web::post().to(jobs::cancel)))
        .default_service(web::to(|| async {
            Err::<HttpResponse, _>(Error::NotFound)
        }));
}

/// A path whose other methods are refused in our own form.
fn resource(path: &str, allow: &'static str) -> Resource {
    let refuse = move || async move { Err::<HttpResponse, _>(Error::MethodNotAllowed { allow }) };
    web::resource(path).default_service(web::to(refuse))
}

fn json_error(error: &JsonPayloadError, max_bytes: usize) -> Error {
    match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            Error::TooLarge { max_bytes }
        }
        JsonPayloadError::ContentType => Error::Malformed {
            detail: "send the body as JSON, with `Content-Type: application/json`".to_owned(),
        },
        error => Error::Malformed {
            detail: error.to_string(),
        },
    }
}
