//! The owner's token and limited ones.

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::access::{LABEL_MAX_BYTES, TokenInfo, TokenList, TokenRequest, TokenRotation};
use darkroom_api::ids::TokenId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::token::TokenHash;
use darkroom_openapi::problems;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::description::{TokenPath, VaultPath};
use super::{BODY, IN_VAULT, parameter, vault};
use crate::app::State;
use crate::auth::{Caller, token};
use crate::error::Error;
use crate::journal::Doing;
use crate::rights::Wish;
use crate::tokens::{Former, Standing};
use crate::upload::Incoming;
use crate::vaults::OpenVault;

const REQUEST_MAX_BYTES: usize = 4 << 10;

problems! {
    Listing: IN_VAULT;
    Rotating: IN_VAULT, BODY, &[ProblemType::TokenExists];
    Making: IN_VAULT, BODY, &[ProblemType::TokenExists, ProblemType::TooManyTokens];
    Revoking: IN_VAULT, &[ProblemType::TokenNotFound];
}

/// Puts a new owner's token in the place of the present one.
///
/// For the owner alone, who asks with the present one. Asked again in the same way it is no error.
#[utoipa::path(put, path = routes::OWNER_TOKEN, tag = "Tokens", operation_id = "rotate_token",
    params(VaultPath), request_body = TokenRotation,
    responses((status = 204, description = "The new token is the owner's."), Rotating))]
pub(crate) async fn rotate(
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> HttpResponse {
    let mut incoming = Incoming::new(&request, payload, &state.config.upload);
    let outcome = rotated(&request, &state, &mut incoming).await;
    incoming.answer(outcome)
}

async fn rotated(
    request: &HttpRequest,
    state: &web::Data<State>,
    incoming: &mut Incoming,
) -> Result<HttpResponse, Error> {
    let (id, old) = (vault(request)?, token(request));
    if let Ok(old) = old
        && let Standing::Refused(Some((vault, Former::Owner))) = state.tokens.find(id, old).await?
    {
        return rotated_again(state, vault, old, incoming).await;
    }
    let caller = match Caller::begin(request, state, id, Wish::RotateToken).await {
        Err(error @ Error::Unauthorized) => {
            // As much is read as of a request whose token was the owner's.
            let _ = wanted_token(incoming).await;
            return Err(error);
        }
        other => other?,
    };
    let vault = caller.vault();
    let outcome = async {
        let (old, new) = (old?, wanted_token(incoming).await?);
        // Goes on to its end even if the client goes away.
        let tokens = state.tokens.clone();
        let rotation = async move { tokens.rotate(vault, old, new).await };
        let rotation = tokio::spawn(rotation.in_current_span());
        rotation.await.map_err(|_| Error::Task)?
    };
    let outcome = outcome.await;
    caller.doing.changed(outcome).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Perhaps the same request a second time, whose first answer was lost. Whatever else it is, it is
/// answered like that of a wrong token.
async fn rotated_again(
    state: &State,
    vault: OpenVault,
    old: TokenHash,
    incoming: &mut Incoming,
) -> Result<HttpResponse, Error> {
    let (journal, act) = (&state.journal, Wish::RotateToken.act());
    let doing = Doing::new(journal, vault, Former::Owner.who(), act, None);
    let outcome = async {
        let new = wanted_token(incoming)
            .await
            .map_err(|_| Error::Unauthorized)?;
        let is_same = state.tokens.finish_rotation(vault, old, new).await?;
        is_same.then_some(()).ok_or(Error::Unauthorized)
    };
    let outcome = outcome.await;
    doing.changed(outcome).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn wanted_token(incoming: &mut Incoming) -> Result<TokenHash, Error> {
    let wanted: TokenRotation = json(incoming, "a token").await?;
    Ok(wanted.token_sha256)
}

/// Makes a limited token (201), or finds that it was made (200).
///
/// For the owner alone. The token in the path is the first half of the hash.
#[utoipa::path(put, path = routes::TOKEN, tag = "Tokens", operation_id = "make_token",
    params(TokenPath), request_body = TokenRequest,
    responses(
        (status = 201, description = "It is good now.", body = TokenInfo),
        (status = 200, description = "It was made already.", body = TokenInfo),
        Making,
    ))]
pub(crate) async fn make(
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> HttpResponse {
    let mut incoming = Incoming::new(&request, payload, &state.config.upload);
    let outcome = made(&request, &state, &mut incoming).await;
    incoming.answer(outcome)
}

async fn made(
    request: &HttpRequest,
    state: &State,
    incoming: &mut Incoming,
) -> Result<HttpResponse, Error> {
    let id: TokenId = parameter(request, "token")?;
    let wish = Wish::MakeToken(id);
    let caller = Caller::begin(request, state, vault(request)?, wish).await?;
    let vault = caller.vault();
    let outcome = async {
        let wanted: TokenRequest = json(incoming, "a token").await?;
        check(&wanted, id)?;
        state.tokens.make(vault, token(request)?, &wanted).await
    };
    let outcome = outcome.await;
    let (info, is_new) = caller.doing.changed(outcome).await?;
    let mut response = if is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(response.json(info))
}

fn check(wanted: &TokenRequest, id: TokenId) -> Result<(), Error> {
    let label = &wanted.label;
    let fits = (1..=LABEL_MAX_BYTES).contains(&label.len()) && !label.contains(char::is_control);
    let detail = if !fits {
        format!("a label has 1 to {LABEL_MAX_BYTES} bytes and no control characters")
    } else if wanted.token_sha256.id() != id {
        "the token in the path is the first half of the token's hash".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Malformed { detail })
}

/// Lists the limited tokens.
#[utoipa::path(get, path = routes::TOKENS, tag = "Tokens", operation_id = "list_tokens",
    params(VaultPath),
    responses((status = 200, description = "The tokens.", body = TokenList), Listing))]
pub(crate) async fn list(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let caller = Caller::begin(&request, &state, vault(&request)?, Wish::ListTokens).await?;
    let tokens = state.tokens.list(caller.vault()).await;
    let tokens = caller.doing.looked(tokens).await?;
    Ok(HttpResponse::Ok().json(TokenList { tokens }))
}

/// Revokes a limited token.
#[utoipa::path(delete, path = routes::TOKEN, tag = "Tokens", operation_id = "revoke_token",
    params(TokenPath),
    responses((status = 204, description = "It opens nothing any more."), Revoking))]
pub(crate) async fn revoke(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let id: TokenId = parameter(&request, "token")?;
    let wish = Wish::RevokeToken(id);
    let caller = Caller::begin(&request, &state, vault(&request)?, wish).await?;
    let outcome = state.tokens.revoke(caller.vault(), id).await;
    caller.doing.changed(outcome).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn json<T: DeserializeOwned>(
    incoming: &mut Incoming,
    what: &'static str,
) -> Result<T, Error> {
    let body = incoming.short(what, REQUEST_MAX_BYTES).await?;
    serde_json::from_slice(&body).map_err(|error| Error::Malformed {
        detail: format!("not {what}: {error}"),
    })
}
