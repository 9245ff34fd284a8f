//! The description of all routes, OpenAPI 3.1, and the page to read it.

use actix_web::{HttpResponse, web};
use darkroom_api::audit::LogEntry;
use darkroom_api::ids::{ObjectId, TokenId, VaultId};
use darkroom_api::problem::Problem;
use darkroom_api::protection::Hop;
use darkroom_api::routes;
use darkroom_openapi::{add_grant, add_token, problems};
use utoipa::openapi::OpenApi as Document;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::{grants, health, log, notes, objects, tokens, vaults};
use crate::app::State;
use crate::error::Error;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Darkroom storage",
        description = "Keeps ciphertexts in vaults and hands them to whoever may have them. Every error is \
            an RFC 9457 problem whose `type` says which. The gateway has the routes below `/v1` under \
            `/api/storage`; docs/LINKS.md describes what is different over a sealed link."
    ),
    paths(
        vaults::open, vaults::info, vaults::delete,
        objects::list, objects::put, objects::read, objects::delete, notes::put,
        grants::mint,
        tokens::rotate, tokens::list, tokens::make, tokens::revoke,
        log::read,
        health::alive, health::ready, health::metrics, health::protection, document,
    ),
    components(schemas(Collection, Hop, LogEntry, Problem)),
    security(("token" = [])),
)]
struct Api;

/// The description.
pub(crate) fn describe() -> Document {
    let mut document = Api::openapi();
    add_token(
        &mut document,
        "The owner's token of the vault, or a limited one.",
    );
    add_grant(&mut document);
    document
}

problems! {
    Refusals: &[];
}

/// This description.
#[utoipa::path(get, path = routes::OPENAPI, tag = "Service", operation_id = "openapi", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = Object), Refusals))]
pub(crate) async fn document(state: web::Data<State>) -> HttpResponse {
    state.description.document()
}

/// A file of the page on which the description is read.
pub(crate) async fn page(
    state: web::Data<State>,
    file: web::Path<String>,
) -> Result<HttpResponse, Error> {
    state.description.file(&file).ok_or(Error::NoRoute)
}

/// The page without its slash.
pub(crate) async fn to_page(state: web::Data<State>) -> Result<HttpResponse, Error> {
    state.description.redirect().ok_or(Error::NoRoute)
}

// What paths and bodies are made of; read by the description alone.

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code)]
pub(super) struct VaultPath {
    /// The vault.
    vault: VaultId,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code)]
pub(super) struct TokenPath {
    /// The vault.
    vault: VaultId,
    /// The token's public name.
    token: TokenId,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code)]
pub(super) struct CollectionPath {
    /// The vault.
    vault: VaultId,
    /// What is kept there.
    collection: Collection,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code)]
pub(super) struct ObjectPath {
    /// The vault.
    vault: VaultId,
    /// What the object is.
    collection: Collection,
    /// The object.
    object: ObjectId,
}

/// What a collection keeps.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code)]
enum Collection {
    Images,
    Keys,
    Results,
}

/// A header of 72 bytes, which says what it is, and the ciphertexts.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, min_length = 72)]
#[expect(dead_code)]
pub(super) struct ObjectBytes(Vec<u8>);

/// Sealed by the owner: storage cannot read it.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, min_length = 1, max_length = 4096)]
#[expect(dead_code)]
pub(super) struct NoteBytes(Vec<u8>);
