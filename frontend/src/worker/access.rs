//! Who may do what in the vault besides its owner.

use darkroom_api::access::{Scope, TokenInfo, TokenList, TokenRequest};
use darkroom_api::ids::TokenId;
use darkroom_api::routes;
use darkroom_api::storage::VaultInfo;
use darkroom_api::token::Token;

use super::http::{self, Body};
use super::scope;
use super::services::{JSON, Owned};
use crate::protocol::{MadeToken, Secret, Trouble, VaultState};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Owned {
    /// Describes the vault, and opens it if it is not there.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub(super) async fn vault_info(&self) -> Result<VaultInfo, Trouble> {
        let path = routes::vault(self.held.vault());
        http::from_json(&self.storage("GET", path, Body::Empty, JSON).await?)
    }

    /// How full the vault is, and how often its token was rotated.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn vault_state(&self) -> Result<VaultState, Trouble> {
        let vault = self.vault_info().await?;
        let generation = self.held.generation();
        Ok(VaultState { vault, generation })
    }

    /// The limited tokens, newest first.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>, Trouble> {
        let path = routes::tokens(self.held.vault());
        let list = self.storage("GET", path, Body::Empty, JSON).await?;
        let TokenList { mut tokens } = http::from_json(&list)?;
        tokens.reverse();
        Ok(tokens)
    }

    /// Makes a limited token.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn make_token(
        &self,
        label: String,
        scope: Scope,
        days: Option<u32>,
    ) -> Result<MadeToken, Trouble> {
        let secret = Token::new(scope::randomness()?.bytes());
        let end = days.map(|days| scope::now_ms().saturating_add(u64::from(days) * DAY_MS));
        let wanted = TokenRequest {
            token_sha256: secret.hash(),
            label,
            scope,
            not_after_ms: end,
        };
        let path = routes::token(self.held.vault(), wanted.token_sha256.id());
        let body = http::to_json(&wanted)?;
        let info = http::from_json(&self.storage("PUT", path, body, JSON).await?)?;
        let secret = Secret(secret.danger_reveal());
        let vault = self.held.vault();
        Ok(MadeToken {
            info,
            secret,
            vault,
        })
    }

    /// Revokes a limited token.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn revoke_token(&self, token: TokenId) -> Result<(), Trouble> {
        let path = routes::token(self.held.vault(), token);
        self.storage("DELETE", path, Body::Empty, JSON).await?;
        Ok(())
    }
}
