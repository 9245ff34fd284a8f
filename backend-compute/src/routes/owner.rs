//! Who asks: known by the token's hash alone.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest};
use darkroom_api::token::{BEARER, Token, TokenHash};

use crate::error::Error;

/// The owner of jobs: the SHA-256 of the token in `Authorization: Bearer ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(pub TokenHash);

impl FromRequest for Owner {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(owner(request).ok_or(Error::Unauthorized))
    }
}

fn owner(request: &HttpRequest) -> Option<Owner> {
    let (scheme, token) = request
        .headers()
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    if !scheme.eq_ignore_ascii_case(BEARER) {
        return None;
    }
    let token: Token = token.trim().parse().ok()?;
    Some(Owner(token.hash()))
}
