//! Who asks, for what.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, VaultId};
use darkroom_api::storage::ObjectRef;
use darkroom_api::token::{BEARER, GRANT, Token, TokenHash};

use crate::app::State;
use crate::clock::now_ms;
use crate::error::Error;
use crate::grant::Claims;
use crate::vaults::{OpenVault, Opened};

/// What the `Authorization` header brings.
enum Credential<'a> {
    Owner(TokenHash),
    Grant(&'a str),
}

/// Parses the `Authorization` header; schemes are the same in any case (RFC 9110).
fn credential(request: &HttpRequest) -> Result<Credential<'_>, Error> {
    let value = request
        .headers()
        .get(AUTHORIZATION)
        .ok_or(Error::Unauthorized)?;
    let value = value.to_str().map_err(|_| Error::Unauthorized)?;
    let (scheme, secret) = value.split_once(' ').ok_or(Error::Unauthorized)?;
    if scheme.eq_ignore_ascii_case(GRANT) {
        return Ok(Credential::Grant(secret));
    }
    if !scheme.eq_ignore_ascii_case(BEARER) {
        return Err(Error::Unauthorized);
    }
    let token: Token = secret.parse().map_err(|_| Error::Unauthorized)?;
    Ok(Credential::Owner(token.hash()))
}

/// The token of whoever wants to open a vault.
pub(crate) fn token(request: &HttpRequest) -> Result<TokenHash, Error> {
    match credential(request)? {
        Credential::Owner(token) => Ok(token),
        Credential::Grant(_) => Err(Error::Unauthorized),
    }
}

/// Someone who may do something in a vault.
pub(crate) enum Caller {
    /// Its owner.
    Owner(Opened),
    /// Someone with a grant of the owner.
    Granted(Claims),
}

impl Caller {
    /// Who asks for this vault.
    pub(crate) async fn of(
        request: &HttpRequest,
        state: &State,
        vault: VaultId,
    ) -> Result<Self, Error> {
        match credential(request)? {
            Credential::Owner(token) => state.vaults.find(vault, token).await.map(Self::Owner),
            Credential::Grant(grant) => granted(grant, state, vault).await.map(Self::Granted),
        }
    }

    /// The vault, if its owner asks.
    pub(crate) fn owner(self) -> Result<Opened, Error> {
        match self {
            Self::Owner(opened) => Ok(opened),
            Self::Granted(_) => Err(Error::GrantRefused {
                reason: "only the vault's owner may do this",
            }),
        }
    }

    /// The vault, if the caller may read this object.
    pub(crate) fn may_read(self, kind: ObjectKind, id: ObjectId) -> Result<OpenVault, Error> {
        match self {
            Self::Owner(opened) => Ok(opened.vault),
            Self::Granted(claims) if claims.reads.contains(&ObjectRef { kind, id }) => {
                Ok(claims.vault)
            }
            Self::Granted(_) => Err(Error::GrantRefused {
                reason: "the grant does not allow to read this object",
            }),
        }
    }

    /// The vault, if the caller may write this object: images and keys are the owner's to write,
    /// results only for whoever has a grant.
    pub(crate) fn may_write(self, kind: ObjectKind, id: ObjectId) -> Result<OpenVault, Error> {
        match (self, kind) {
            (Self::Owner(opened), ObjectKind::Image | ObjectKind::EvaluationKey) => {
                Ok(opened.vault)
            }
            (Self::Owner(_), ObjectKind::Result) => Err(Error::GrantRefused {
                reason: "results are written with a grant",
            }),
            (Self::Granted(claims), ObjectKind::Result) if claims.writes.contains(&id) => {
                Ok(claims.vault)
            }
            (Self::Granted(_), _) => Err(Error::GrantRefused {
                reason: "the grant does not allow to write this object",
            }),
        }
    }
}

async fn granted(grant: &str, state: &State, vault: VaultId) -> Result<Claims, Error> {
    let claims = state.signer.verify(grant)?;
    if claims.vault.id != vault {
        return Err(Error::GrantRefused {
            reason: "the grant is for another vault",
        });
    }
    if now_ms()? >= claims.not_after_ms {
        return Err(Error::GrantExpired {
            not_after_ms: claims.not_after_ms,
        });
    }
    if !state.vaults.is_open(claims.vault).await? {
        return Err(Error::GrantInvalid);
    }
    Ok(claims)
}
