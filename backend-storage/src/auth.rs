//! Who asks, for what.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use darkroom_api::access::INVITATION;
use darkroom_api::ids::VaultId;
use darkroom_api::token::{BEARER, GRANT, Token, TokenHash};

use crate::app::State;
use crate::clock::now_ms;
use crate::error::Error;
use crate::grant::Claims;
use crate::invitations::Opening;
use crate::rights::{Rights, Wish};
use crate::tokens::Standing;
use crate::vaults::{OpenVault, Opened};

/// What the `Authorization` header brings.
enum Credential<'a> {
    Token(TokenHash),
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
    Ok(Credential::Token(token.hash()))
}

/// The token that is asked with.
pub(crate) fn token(request: &HttpRequest) -> Result<TokenHash, Error> {
    match credential(request)? {
        Credential::Token(token) => Ok(token),
        Credential::Grant(_) => Err(Error::Unauthorized),
    }
}

/// The invitation that the request brings, if one.
fn invitation(request: &HttpRequest) -> Result<Option<TokenHash>, Error> {
    let Some(value) = request.headers().get(INVITATION) else {
        return Ok(None);
    };
    let invitation: Option<Token> = value.to_str().ok().and_then(|text| text.parse().ok());
    let invitation = invitation.ok_or(Error::InvitationRefused)?;
    Ok(Some(invitation.hash()))
}

/// Someone who may do something in a vault.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) opened: Opened,
    pub(crate) rights: Rights,
}

impl Caller {
    /// Who asks for this vault.
    pub(crate) async fn of(
        request: &HttpRequest,
        state: &State,
        vault: VaultId,
    ) -> Result<Self, Error> {
        match credential(request)? {
            Credential::Token(token) => Self::bearer(state, vault, token).await,
            Credential::Grant(grant) => Self::granted(state, vault, grant).await,
        }
    }

    async fn bearer(state: &State, vault: VaultId, token: TokenHash) -> Result<Self, Error> {
        match state.tokens.find(vault, token).await? {
            Standing::Owner(opened) => Ok(Self {
                opened,
                rights: Rights::Owner,
            }),
            Standing::Limited(opened, id, limited) => Ok(Self {
                opened,
                rights: Rights::Limited(id, limited),
            }),
            Standing::Refused(_) => Err(Error::Unauthorized),
        }
    }

    async fn granted(state: &State, vault: VaultId, grant: &str) -> Result<Self, Error> {
        let claims = state.signer.verify(grant)?;
        if claims.vault.id != vault {
            return Err(Error::GrantRefused {
                reason: "the grant is for another vault",
            });
        }
        let opened = state.vaults.opened(claims.vault).await?;
        let opened = opened.ok_or(Error::GrantInvalid)?;
        check_grant(state, &claims).await?;
        Ok(Self {
            opened,
            rights: Rights::Granted(claims),
        })
    }

    /// The vault, if the caller may do this in it.
    pub(crate) fn allow(&self, wish: Wish) -> Result<OpenVault, Error> {
        self.rights.allow(wish)?;
        Ok(self.opened.vault)
    }
}

/// Whether a grant of an open vault is good now.
async fn check_grant(state: &State, claims: &Claims) -> Result<(), Error> {
    if now_ms()? >= claims.not_after_ms {
        return Err(Error::GrantExpired {
            not_after_ms: claims.not_after_ms,
        });
    }
    if let Some(minter) = claims.minter
        && !state.tokens.is_live(claims.vault, minter).await?
    {
        return Err(Error::GrantInvalid);
    }
    Ok(())
}

/// Opens a vault for the first time, or finds it open.
///
/// Where not everyone may open one, whoever has neither a token of the vault nor an invitation gets
/// the same answer whether the vault is there or not.
pub(crate) async fn open(
    request: &HttpRequest,
    state: &State,
    vault: VaultId,
) -> Result<Caller, Error> {
    let token = token(request)?;
    loop {
        match Caller::bearer(state, vault, token).await {
            Err(Error::Unauthorized) => {}
            other => return other,
        }
        let invitation = match state.config.opening {
            Opening::Open => None,
            Opening::Closed => return Err(Error::OpeningClosed),
            Opening::Invitation => {
                let invitation = invitation(request)?.ok_or(Error::InvitationNeeded)?;
                state.invitations.check(invitation, vault, token).await?;
                Some(invitation)
            }
        };
        if state.vaults.record(vault).await?.is_some() {
            return Err(Error::Unauthorized);
        }
        if let Some(invitation) = invitation {
            state.invitations.take(invitation, vault, token).await?;
        }
        // Of two that open the vault at once, one goes round again and finds it.
        if let Some(opened) = state.vaults.create(vault, token).await? {
            return Ok(Caller {
                opened,
                rights: Rights::Owner,
            });
        }
    }
}
