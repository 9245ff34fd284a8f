//! The catalogue.

use actix_web::{HttpResponse, web};
use darkroom_api::compute::{Catalogue, ModelCard};
use darkroom_api::ids::ModelId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_openapi::problems;

use crate::app::State;
use crate::error::Error;

problems! {
    Listing: &[];
    Finding: &[ProblemType::NotFound, ProblemType::ModelNotFound];
}

/// All models, and the folders that are none.
///
/// # Errors
/// The folders cannot be read.
#[utoipa::path(get, path = routes::MODELS, tag = "Models", operation_id = "list_models", security(()),
    responses((status = 200, description = "The catalogue.", body = Catalogue), Listing))]
pub async fn list(state: web::Data<State>) -> Result<HttpResponse, Error> {
    let models = state.catalogue.current().await?;
    Ok(HttpResponse::Ok().json(models.to_catalogue()))
}

/// One model's card.
///
/// # Errors
/// There is no model of this name.
#[utoipa::path(get, path = routes::MODEL, tag = "Models", operation_id = "describe_model", security(()),
    params(("model" = ModelId, Path, description = "The model.")),
    responses((status = 200, description = "Its card.", body = ModelCard), Finding))]
pub async fn one(state: web::Data<State>, path: web::Path<String>) -> Result<HttpResponse, Error> {
    let missing = || Error::ModelNotFound(path.to_string());
    let id: ModelId = path.parse().map_err(|_| missing())?;
    let loaded = state
        .catalogue
        .current()
        .await?
        .model(&id)
        .ok_or_else(missing)?;
    Ok(HttpResponse::Ok().json(&loaded.card))
}
