//! Limited tokens of an owner.

use darkroom_api::access::{Scope, TokenInfo, TokenList, TokenRequest, TokenRotation};
use darkroom_api::routes;
use darkroom_api::token::Token;
use reqwest::{Method, Response, StatusCode};

use super::{Owner, random};

impl Owner {
    /// The same vault, asked with this token.
    pub fn with(&self, token: &Token) -> Self {
        Self {
            token: token.clone(),
            ..self.clone()
        }
    }

    pub async fn put_token(&self, token: &Token, wanted: &TokenRequest) -> Response {
        let path = routes::token(self.vault, token.hash().id());
        let request = self.request(Method::PUT, &path).json(wanted);
        request.send().await.unwrap()
    }

    /// Whoever holds a new token of this scope.
    pub async fn colleague(&self, scope: Scope) -> Self {
        self.colleague_until(scope, None).await
    }

    pub async fn colleague_until(&self, scope: Scope, not_after_ms: Option<u64>) -> Self {
        let token = Token::new(random());
        let wanted = TokenRequest {
            token_sha256: token.hash(),
            label: "colleague".into(),
            scope,
            not_after_ms,
        };
        let made = self.put_token(&token, &wanted).await;
        assert_eq!(made.status(), StatusCode::CREATED);
        self.with(&token)
    }

    pub async fn tokens(&self) -> Vec<TokenInfo> {
        let path = routes::tokens(self.vault);
        let listed = self.send(Method::GET, &path).await;
        assert_eq!(listed.status(), StatusCode::OK);
        listed.json::<TokenList>().await.unwrap().tokens
    }

    pub async fn revoke(&self, token: &Token) -> Response {
        let path = routes::token(self.vault, token.hash().id());
        self.send(Method::DELETE, &path).await
    }

    pub async fn rotate_to(&self, new: &Token) -> Response {
        let wanted = TokenRotation {
            token_sha256: new.hash(),
        };
        let path = routes::owner_token(self.vault);
        let request = self.request(Method::PUT, &path).json(&wanted);
        request.send().await.unwrap()
    }
}
