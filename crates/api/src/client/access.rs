//! Who may do what in a vault, and what was done in it.

use reqwest::Method;

use super::{ClientError, Storage};
use crate::access::{INVITATION, TokenInfo, TokenList, TokenRequest, TokenRotation};
use crate::audit::{Checkpoint, LogEntry, LogPage, check_chain};
use crate::ids::{TokenId, VaultId};
use crate::routes;
use crate::storage::VaultInfo;
use crate::token::Token;

impl Storage {
    /// Opens the vault with an invitation, or finds it open.
    ///
    /// # Errors
    /// Unreachable, or a problem: the invitation was used for another vault, or another token opened
    /// this one.
    pub async fn open_vault_invited(
        &self,
        vault: VaultId,
        owner: &Token,
        invitation: &Token,
    ) -> Result<VaultInfo, ClientError> {
        let request = self.owned(Method::PUT, &routes::vault(vault), owner);
        let request = request.header(INVITATION, invitation.danger_reveal());
        self.0.json(request).await
    }

    /// Puts a new owner's token in the place of the old one, which opens nothing from then on. Keep
    /// the new one before: where an answer is lost, call this again with both.
    ///
    /// # Errors
    /// Unreachable, or a problem: the old one is not the owner's, or the new one was used before.
    pub async fn rotate_token(
        &self,
        vault: VaultId,
        old: &Token,
        new: &Token,
    ) -> Result<(), ClientError> {
        let wanted = TokenRotation {
            token_sha256: new.hash(),
        };
        let path = routes::owner_token(vault);
        let request = self.owned(Method::PUT, &path, old).json(&wanted);
        self.0.send(request).await.map(drop)
    }

    /// Makes a limited token. The same again is no error.
    ///
    /// # Errors
    /// Unreachable, or a problem: too many tokens, or this one is in use.
    pub async fn make_token(
        &self,
        vault: VaultId,
        owner: &Token,
        wanted: &TokenRequest,
    ) -> Result<TokenInfo, ClientError> {
        let path = routes::token(vault, wanted.token_sha256.id());
        self.0
            .json(self.owned(Method::PUT, &path, owner).json(wanted))
            .await
    }

    /// Lists the limited tokens, oldest first.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn tokens(
        &self,
        vault: VaultId,
        owner: &Token,
    ) -> Result<Vec<TokenInfo>, ClientError> {
        let path = routes::tokens(vault);
        let list: TokenList = self.0.json(self.owned(Method::GET, &path, owner)).await?;
        Ok(list.tokens)
    }

    /// Revokes a limited token: it opens nothing from then on, nor do the grants that it minted.
    ///
    /// # Errors
    /// Unreachable, or a problem: there is none of this id.
    pub async fn revoke_token(
        &self,
        vault: VaultId,
        owner: &Token,
        token: TokenId,
    ) -> Result<(), ClientError> {
        let path = routes::token(vault, token);
        let request = self.owned(Method::DELETE, &path, owner);
        self.0.send(request).await.map(drop)
    }

    /// Reads the log after this place and checks that it follows from it. Without a place it begins
    /// with the oldest entries that are kept. Keep the place that comes back for the next time.
    ///
    /// # Errors
    /// Unreachable, a problem, or the log was altered. Also where entries after the place were dropped
    /// since, because they were too many: then begin without one.
    pub async fn log(
        &self,
        vault: VaultId,
        owner: &Token,
        seen: Option<Checkpoint>,
    ) -> Result<(Vec<LogEntry>, Checkpoint), ClientError> {
        let (mut entries, mut last) = (Vec::new(), seen);
        loop {
            let after = last.map_or(0, |last| last.number);
            let path = format!("{}?after={after}", routes::log(vault));
            let page: LogPage = self.0.json(self.owned(Method::GET, &path, owner)).await?;
            let from = last.unwrap_or(page.from);
            let lines = page.lines.iter().map(String::as_str);
            let (more, end) = check_chain(from, lines)?;
            let is_last = !page.more || more.is_empty();
            entries.extend(more);
            last = Some(end);
            if is_last {
                return Ok((entries, end));
            }
        }
    }
}
