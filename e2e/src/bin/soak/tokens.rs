//! Limited tokens, and the rotation of the owner's.

use anyhow::{Result, bail};
use darkroom_api::access::{Scope, TokenRequest};
use darkroom_api::problem::ProblemType;
use darkroom_api::token::Token;

use crate::customer::Customer;
use crate::fleet::Way;

impl Customer {
    /// Makes a token, stores an image with it, revokes it: then it opens nothing anywhere.
    pub async fn limited_token(&mut self) -> Result<()> {
        let limited = self.owner.draw_token();
        let wanted = &TokenRequest {
            token_sha256: limited.hash(),
            label: "a camera".to_owned(),
            scope: Scope::Submit,
            not_after_ms: None,
        };
        let (vault, token) = (self.owner.vault, self.owner.vault_token.clone());
        let token = &token;
        let make = |way: Way| async move { way.storage.make_token(vault, token, wanted).await };
        self.patiently(make).await.outcome?;
        self.upload_with(&limited).await?;
        let id = limited.hash().id();
        let revoke = |way: Way| async move { way.storage.revoke_token(vault, token, id).await };
        self.patiently(revoke).await.outcome?;
        self.tally.act("limited tokens made and revoked", 1);
        self.opens_nothing(&limited).await
    }

    pub async fn rotate(&mut self) -> Result<()> {
        let (old, new) = (self.owner.vault_token.clone(), self.owner.draw_token());
        let (vault, before, after) = (self.owner.vault, &old, &new);
        let rotate = |way: Way| async move { way.storage.rotate_token(vault, before, after).await };
        self.patiently(rotate).await.outcome?;
        self.owner.vault_token = new.clone();
        self.tally.act("owners' tokens rotated", 1);
        self.opens_nothing(&old).await
    }

    async fn opens_nothing(&self, token: &Token) -> Result<()> {
        let vault = self.owner.vault;
        for only in &self.ways {
            let look = |_: Way| async move { only.storage.vault(vault, token).await };
            match self.patiently(look).await.outcome {
                Err(error)
                    if error.problem().map(|p| p.kind) == Some(ProblemType::Unauthorized) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => bail!("a token that was taken back still opens the vault"),
            }
        }
        Ok(())
    }
}
