//! Who may do what in a vault, and what was done in it.

use futures_util::stream::{self, StreamExt};
use reqwest::Method;

use super::{ClientError, Storage};
use crate::access::{
    GENERATION_LAST, INVITATION, TokenInfo, TokenList, TokenRequest, TokenRotation, generations,
};
use crate::audit::{Checkpoint, LogEntry, LogPage, check_chain, check_past};
use crate::ids::{TokenId, VaultId};
use crate::problem::ProblemType;
use crate::routes;
use crate::storage::VaultInfo;
use crate::token::Token;

/// How many tokens are tried at a time.
const TRIED_AT_A_TIME: usize = 8;

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

    /// Finds the generation of the owner's token that opens the vault, after the known one was refused.
    /// `token` derives the token of a generation; `on_tried` is told how many were tried. `None` if
    /// there is none, or no such vault.
    ///
    /// Covers a rotation that broke off within storage: it is finished.
    ///
    /// # Errors
    /// Unreachable, or a problem other than that a token is refused.
    pub async fn find_generation(
        &self,
        vault: VaultId,
        known: u32,
        token: impl Fn(u32) -> Token,
        mut on_tried: impl FnMut(u32),
    ) -> Result<Option<u32>, ClientError> {
        let look = async |generation| {
            let opened = self.vault(vault, &token(generation)).await;
            accepted(opened.map(|_| generation))
        };
        // A rotation of which only the first half was done is finished by the same request, from the
        // last one on: the earlier ones are answered alike. Where none was begun, nothing is changed.
        let finish = async |old: u32| {
            let new = old + 1;
            let rotated = self.rotate_token(vault, &token(old), &token(new)).await;
            accepted(rotated.map(|()| new))
        };
        let mut tried = 0;
        let mut answers = stream::iter(generations(known))
            .map(look)
            .buffered(TRIED_AT_A_TIME);
        while let Some(found) = answers.next().await {
            if let Some(generation) = found? {
                return Ok(Some(generation));
            }
            tried += 1;
            on_tried(tried);
        }
        let mut answers = stream::iter((0..GENERATION_LAST).rev())
            .map(finish)
            .buffered(TRIED_AT_A_TIME);
        while let Some(found) = answers.next().await {
            if let Some(generation) = found? {
                return Ok(Some(generation));
            }
        }
        Ok(None)
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
            if page.lines.is_empty() {
                // Then what was seen has to be where it ends.
                check_past(&[], page.from, from)?;
            }
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

/// Nothing if a token was refused.
fn accepted(answer: Result<u32, ClientError>) -> Result<Option<u32>, ClientError> {
    match answer {
        Err(ClientError::Problem(problem)) if problem.kind == ProblemType::Unauthorized => Ok(None),
        other => other.map(Some),
    }
}
