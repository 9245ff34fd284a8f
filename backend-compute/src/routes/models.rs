//! The catalogue.

use actix_web::{HttpResponse, web};
use darkroom_api::ids::ModelId;

use crate::app::State;
use crate::error::Error;

/// All models, and the folders that are none.
///
/// # Errors
/// The folders cannot be read.
pub async fn list(state: web::Data<State>) -> Result<HttpResponse, Error> {
    let models = state.catalogue.current().await?;
    Ok(HttpResponse::Ok().json(models.to_catalogue()))
}

/// One model's card.
///
/// # Errors
/// There is no model of this name.
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
