//! Grants.

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::audit::What;
use darkroom_api::header::ObjectKind;
use darkroom_api::routes;
use darkroom_api::storage::{GRANT_OBJECTS_MAX, Grant, GrantRequest};
use darkroom_openapi::problems;

use super::description::VaultPath;
use super::{BODY, IN_VAULT, vault};
use crate::app::State;
use crate::auth::Caller;
use crate::clock::now_ms;
use crate::error::Error;
use crate::grant::{Claims, grant_id};
use crate::rights::{Rights, Wish};
use crate::upload::Incoming;

/// A request that names as many objects as it may has about 40 KiB.
const REQUEST_MAX_BYTES: usize = 128 << 10;

problems! {
    Refusals: IN_VAULT, BODY;
}

/// Mints a grant for the vault's owner, or whoever may submit. The objects need not be there yet.
///
/// It names 1 to [`GRANT_OBJECTS_MAX`] objects, reads and writes together; results are not read with it.
#[utoipa::path(post, path = routes::GRANTS, tag = "Grants", operation_id = "mint_grant",
    params(VaultPath), request_body = GrantRequest,
    responses((status = 201, description = "The grant.", body = Grant), Refusals))]
pub(crate) async fn mint(
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> HttpResponse {
    let mut incoming = Incoming::new(&request, payload, &state.config.upload);
    let outcome = grant(&request, &state, &mut incoming).await;
    incoming.answer(outcome)
}

async fn grant(
    request: &HttpRequest,
    state: &State,
    incoming: &mut Incoming,
) -> Result<HttpResponse, Error> {
    let wish = Wish::MintGrant;
    let mut caller = Caller::begin(request, state, vault(request)?, wish).await?;
    let outcome = minted(state, &mut caller, incoming).await;
    let grant = caller.doing.changed(outcome).await?;
    Ok(HttpResponse::Created().json(grant))
}

async fn minted(
    state: &State,
    caller: &mut Caller,
    incoming: &mut Incoming,
) -> Result<Grant, Error> {
    let body = incoming
        .short("a request for a grant", REQUEST_MAX_BYTES)
        .await?;
    let wanted: GrantRequest = serde_json::from_slice(&body).map_err(|error| Error::Malformed {
        detail: format!("not a grant request: {error}"),
    })?;
    check(&wanted)?;
    let valid_ms = wanted.valid_ms.min(state.config.limits.grant_ms);
    let mut not_after_ms = now_ms()?.saturating_add(valid_ms);
    let mut minter = None;
    if let Rights::Limited(id, limited) = &caller.rights {
        minter = Some(*id);
        not_after_ms = not_after_ms.min(limited.not_after_ms.unwrap_or(u64::MAX));
    }
    let claims = Claims {
        vault: caller.vault(),
        minter,
        not_after_ms,
        reads: wanted.reads,
        writes: wanted.writes,
    };
    let grant = state.signer.sign(&claims)?;
    caller.doing.say(What::Grant {
        id: grant_id(&grant),
        reads: claims.reads.len(),
        writes: claims.writes.len(),
        not_after_ms,
    });
    Ok(Grant {
        grant,
        not_after_ms,
    })
}

fn check(wanted: &GrantRequest) -> Result<(), Error> {
    let objects = wanted.reads.len() + wanted.writes.len();
    let detail = if !(1..=GRANT_OBJECTS_MAX).contains(&objects) {
        format!("a grant names 1 to {GRANT_OBJECTS_MAX} objects, not {objects}")
    } else if wanted.valid_ms == 0 {
        "a grant must last longer than 0 ms".to_owned()
    } else if wanted
        .reads
        .iter()
        .any(|read| read.kind == ObjectKind::Result)
    {
        "a grant lets read images and evaluation keys, not results".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Malformed { detail })
}
