//! The routes, one resource a file.

mod description;
mod grants;
mod health;
mod log;
mod notes;
mod objects;
mod tokens;
mod vaults;

use std::str::FromStr;

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, VaultId};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use serde::de::DeserializeOwned;

use crate::error::Error;

pub(crate) use self::description::describe;

/// The store cannot be written: changes wait for the vault's log, which lies there.
const STORE: &[ProblemType] = &[ProblemType::StorageUnavailable, ProblemType::DiskFull];

/// The problems of whatever is asked of a vault.
const IN_VAULT: &[ProblemType] = &[
    ProblemType::MalformedRequest,
    ProblemType::Unauthorized,
    ProblemType::GrantInvalid,
    ProblemType::GrantExpired,
    ProblemType::GrantRefused,
    ProblemType::TokenRefused,
    ProblemType::StorageUnavailable,
    ProblemType::DiskFull,
];

/// The problems of whatever takes a body.
const BODY: &[ProblemType] = &[ProblemType::UploadTimeout, ProblemType::TooLarge];

/// All routes of the contract.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    // Grants, tokens and the log before collections and objects: they have the same shape.
    app.service(resource(routes::HEALTH, "GET").route(web::get().to(health::alive)))
        .service(resource(routes::READY, "GET").route(web::get().to(health::ready)))
        .service(resource(routes::METRICS, "GET").route(web::get().to(health::metrics)))
        .service(resource(routes::PROTECTION, "GET").route(web::get().to(health::protection)))
        .service(resource(routes::OPENAPI, "GET").route(web::get().to(description::document)))
        .service(resource(routes::DOCS, "GET").route(web::get().to(description::to_page)))
        .service(resource(routes::DOCS_FILE, "GET").route(web::get().to(description::page)))
        .service(
            resource(routes::VAULT, "DELETE, GET, PUT")
                .route(web::put().to(vaults::open))
                .route(web::get().to(vaults::info))
                .route(web::delete().to(vaults::delete)),
        )
        .service(resource(routes::GRANTS, "POST").route(web::post().to(grants::mint)))
        .service(resource(routes::LOG, "GET").route(web::get().to(log::read)))
        .service(resource(routes::OWNER_TOKEN, "PUT").route(web::put().to(tokens::rotate)))
        .service(resource(routes::TOKENS, "GET").route(web::get().to(tokens::list)))
        .service(
            resource(routes::TOKEN, "DELETE, PUT")
                .route(web::put().to(tokens::make))
                .route(web::delete().to(tokens::revoke)),
        )
        .service(resource(routes::OBJECTS, "GET").route(web::get().to(objects::list)))
        .service(
            resource(routes::OBJECT, "DELETE, GET, PUT")
                .route(web::put().to(objects::put))
                .route(web::get().to(objects::read))
                .route(web::delete().to(objects::delete)),
        )
        .service(resource(routes::NOTE, "PUT").route(web::put().to(notes::put)));
}

fn resource(pattern: &str, allowed: &'static str) -> actix_web::Resource {
    let refuse = move || async move { Err::<HttpResponse, _>(Error::Method { allowed }) };
    web::resource(pattern.to_owned()).default_service(web::to(refuse))
}

/// Whatever matches no route.
pub(crate) async fn no_route() -> Result<HttpResponse, Error> {
    Err(Error::NoRoute)
}

/// The vault in the path.
fn vault(request: &HttpRequest) -> Result<VaultId, Error> {
    parameter(request, "vault")
}

/// The object's id in the path.
fn object(request: &HttpRequest) -> Result<ObjectId, Error> {
    parameter(request, "object")
}

/// The collection in the path.
fn collection(request: &HttpRequest) -> Result<ObjectKind, Error> {
    let segment = request.match_info().query("collection");
    ObjectKind::from_segment(segment).ok_or(Error::NoRoute)
}

fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Error> {
    let query = web::Query::<T>::from_query(request.query_string());
    let query = query.map_err(|error| Error::Malformed {
        detail: error.to_string(),
    })?;
    Ok(query.into_inner())
}

fn parameter<T: FromStr<Err: std::fmt::Display>>(
    request: &HttpRequest,
    name: &str,
) -> Result<T, Error> {
    let value = request.match_info().query(name);
    value.parse().map_err(|error| Error::Malformed {
        detail: format!("{name}: {error}"),
    })
}
