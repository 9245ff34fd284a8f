//! The owner's token and limited ones.

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::access::{LABEL_MAX_BYTES, TokenList, TokenRequest, TokenRotation};
use darkroom_api::ids::TokenId;
use serde::de::DeserializeOwned;

use super::{parameter, vault};
use crate::app::State;
use crate::auth::{Caller, token};
use crate::error::Error;
use crate::rights::Wish;
use crate::tokens::{Former, Standing};
use crate::upload::Incoming;

const REQUEST_MAX_BYTES: usize = 4 << 10;

/// Puts a new owner's token in the place of the present one.
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
    let id = vault(request)?;
    let caller = Caller::of(request, state, id).await;
    let vault = match &caller {
        Ok(caller) => Some(caller.allow(Wish::RotateToken)?),
        // Perhaps the same request a second time, whose first answer was lost.
        Err(Error::Unauthorized) => None,
        Err(_) => return caller.map(|_| HttpResponse::NoContent().finish()),
    };
    let old = token(request)?;
    let wanted: TokenRotation = json(incoming, "a token").await?;
    let new = wanted.token_sha256;
    // Goes on to its end even if the client goes away.
    let state = state.clone();
    let rotation = tokio::spawn(async move {
        match vault {
            Some(vault) => state.tokens.rotate(vault, old, new).await,
            None => match state.tokens.find(id, old).await? {
                Standing::Refused(Some((vault, Former::Owner)))
                    if state.tokens.finish_rotation(vault, old, new).await? =>
                {
                    Ok(())
                }
                _ => Err(Error::Unauthorized),
            },
        }
    });
    rotation.await.map_err(|_| Error::Task)??;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes a limited token (201), or finds that it was made (200).
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
    let caller = Caller::of(request, state, vault(request)?).await?;
    let vault = caller.allow(Wish::MakeToken(id))?;
    let wanted: TokenRequest = json(incoming, "a token").await?;
    check(&wanted, id)?;
    let owner = token(request)?;
    let (info, is_new) = state.tokens.make(vault, owner, &wanted).await?;
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
pub(crate) async fn list(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let caller = Caller::of(&request, &state, vault(&request)?).await?;
    let vault = caller.allow(Wish::ListTokens)?;
    let tokens = state.tokens.list(vault).await?;
    Ok(HttpResponse::Ok().json(TokenList { tokens }))
}

/// Revokes a limited token.
pub(crate) async fn revoke(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let id: TokenId = parameter(&request, "token")?;
    let caller = Caller::of(&request, &state, vault(&request)?).await?;
    let vault = caller.allow(Wish::RevokeToken(id))?;
    state.tokens.revoke(vault, id).await?;
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
