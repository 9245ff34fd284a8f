//! Vaults.

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::VaultInfo;
use darkroom_openapi::problems;
use tracing::Instrument;

use super::description::VaultPath;
use super::{IN_VAULT, STORE, vault};
use crate::app::State;
use crate::auth::{self, Caller};
use crate::error::Error;
use crate::rights::Wish;
use crate::vaults::Opened;

problems! {
    Refusals: IN_VAULT;
    Closed: STORE, &[
        ProblemType::MalformedRequest,
        ProblemType::Unauthorized,
        ProblemType::OpeningClosed,
        ProblemType::InvitationNeeded,
        ProblemType::InvitationRefused,
    ];
}

/// Opens a vault (201), or finds it open (200).
///
/// The token becomes the owner's. Where not everyone may open one, it needs an invitation.
#[utoipa::path(put, path = routes::VAULT, tag = "Vaults", operation_id = "open_vault",
    params(VaultPath, ("darkroom-invitation" = Option<String>, Header, nullable = false, description = "An invitation of the operator, 64 hexadecimal digits; looked at only where one is needed.")),
    responses(
        (status = 201, description = "It is open now.", body = VaultInfo),
        (status = 200, description = "It was open already.", body = VaultInfo),
        Closed,
    ))]
pub(crate) async fn open(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let caller = auth::open(&request, &state, vault(&request)?).await?;
    let info = describe(&state, caller.opened).await;
    if caller.opened.is_new {
        let info = caller.doing.changed(info).await?;
        return Ok(HttpResponse::Created().json(info));
    }
    let info = caller.doing.looked(info).await?;
    Ok(HttpResponse::Ok().json(info))
}

/// Describes a vault.
#[utoipa::path(get, path = routes::VAULT, tag = "Vaults", operation_id = "describe_vault",
    params(VaultPath),
    responses((status = 200, description = "The vault.", body = VaultInfo), Refusals))]
pub(crate) async fn info(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let caller = Caller::begin(&request, &state, vault(&request)?, Wish::Describe).await?;
    let info = describe(&state, caller.opened).await;
    Ok(HttpResponse::Ok().json(caller.doing.looked(info).await?))
}

/// Deletes a vault and all that is in it.
///
/// For its owner alone. What was in it does not come back where a vault of the same id is opened again.
#[utoipa::path(delete, path = routes::VAULT, tag = "Vaults", operation_id = "delete_vault",
    params(VaultPath),
    responses((status = 204, description = "It is gone."), Refusals))]
pub(crate) async fn delete(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let caller = Caller::begin(&request, &state, vault(&request)?, Wish::DeleteVault).await?;
    let vault = caller.vault();
    let vaults = state.vaults.clone();
    // Goes on to its end even if the client goes away.
    let deletion = async move { vaults.delete(vault).await };
    let deletion = tokio::spawn(deletion.in_current_span());
    let outcome = deletion.await.map_err(|_| Error::Task);
    caller.doing.looked(outcome.flatten()).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn describe(state: &State, opened: Opened) -> Result<VaultInfo, Error> {
    let usage = state.objects.usage(opened.vault).await?;
    let (limits, retention) = (&state.config.limits, &state.config.retention);
    Ok(VaultInfo {
        vault: opened.vault.id,
        created_ms: opened.created_ms,
        objects: usage.objects,
        bytes: usage.bytes,
        objects_max: limits.objects,
        object_bytes_max: limits.object_bytes_max(),
        bytes_max: Some(limits.vault_bytes),
        images_kept_ms: retention.keep_ms(ObjectKind::Image),
        results_kept_ms: retention.keep_ms(ObjectKind::Result),
    })
}
