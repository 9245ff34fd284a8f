//! Who asks, for what.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use darkroom_api::access::INVITATION;
use darkroom_api::audit::{Act, Who};
use darkroom_api::ids::VaultId;
use darkroom_api::token::{BEARER, GRANT, Token, TokenHash};

use crate::app::State;
use crate::clock::now_ms;
use crate::error::Error;
use crate::grant::{Claims, grant_id};
use crate::invitations::Opening;
use crate::journal::Doing;
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

/// What a request is asked with, read as its parts, for the fuzz targets.
pub(crate) fn fuzz(request: &HttpRequest) -> bool {
    let invitation = invitation(request);
    credential(request).is_ok() | invitation.is_ok_and(|found| found.is_some())
}

/// Someone who may do something in a vault, and what is being done.
pub(crate) struct Caller {
    pub(crate) opened: Opened,
    pub(crate) rights: Rights,
    pub(crate) doing: Doing,
}

impl Caller {
    /// Who asks for this vault, if that one may do this in it. A refusal goes into the vault's log
    /// where it is known who was refused.
    pub(crate) async fn begin(
        request: &HttpRequest,
        state: &State,
        vault: VaultId,
        wish: Wish,
    ) -> Result<Self, Error> {
        match credential(request)? {
            Credential::Token(token) => Self::bearer(state, vault, token, wish).await,
            Credential::Grant(grant) => Self::granted(state, vault, grant, wish).await,
        }
    }

    async fn bearer(
        state: &State,
        vault: VaultId,
        token: TokenHash,
        wish: Wish,
    ) -> Result<Self, Error> {
        match state.tokens.find(vault, token).await? {
            Standing::Owner(opened) => Self::allow(state, opened, Rights::Owner, wish).await,
            Standing::Limited(opened, id, limited) => {
                Self::allow(state, opened, Rights::Limited(id, limited), wish).await
            }
            Standing::Refused(Some((vault, former))) => {
                let doing = Doing::new(&state.journal, vault, former.who(), wish.act(), None);
                doing.looked(Err(Error::Unauthorized)).await
            }
            Standing::Refused(None) => Err(Error::Unauthorized),
        }
    }

    async fn granted(
        state: &State,
        vault: VaultId,
        grant: &str,
        wish: Wish,
    ) -> Result<Self, Error> {
        let claims = state.signer.verify(grant)?;
        if claims.vault.id != vault {
            return Err(Error::GrantRefused {
                reason: "the grant is for another vault",
            });
        }
        let opened = state.vaults.opened(claims.vault).await?;
        let opened = opened.ok_or(Error::GrantInvalid)?;
        let outcome = check_grant(state, &claims).await;
        let rights = Rights::Granted(claims, grant_id(grant));
        if outcome.is_err() {
            let (journal, who) = (&state.journal, rights.who());
            let doing = Doing::new(journal, opened.vault, who, wish.act(), None);
            doing.looked(outcome).await?;
        }
        Self::allow(state, opened, rights, wish).await
    }

    async fn allow(
        state: &State,
        opened: Opened,
        rights: Rights,
        wish: Wish,
    ) -> Result<Self, Error> {
        let (vault, who) = (opened.vault, rights.who());
        let doing = Doing::new(&state.journal, vault, who, wish.act(), wish.what());
        match rights.allow(wish) {
            Ok(()) => Ok(Self {
                opened,
                rights,
                doing,
            }),
            Err(error) => doing.looked(Err(error)).await,
        }
    }

    /// The vault.
    pub(crate) fn vault(&self) -> OpenVault {
        self.opened.vault
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

/// How often to look for a record that another process is writing.
const OPEN_TRIES_MAX: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

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
    for _ in 0..OPEN_TRIES_MAX {
        match Caller::bearer(state, vault, token, Wish::Describe).await {
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
            let (journal, who) = (&state.journal, Who::Owner);
            return Ok(Caller {
                opened,
                rights: Rights::Owner,
                doing: Doing::new(journal, opened.vault, who, Act::Open, None),
            });
        }
        tokio::time::sleep(OPEN_PAUSE).await;
    }
    let late = Error::Io(std::io::ErrorKind::TimedOut.into());
    Err(Error::NotReady(Box::new(late)))
}
