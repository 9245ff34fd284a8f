//! A limited token, as it is stored.

use darkroom_api::access::{Scope, TokenInfo};
use darkroom_api::ids::TokenId;
use serde::{Deserialize, Serialize};

/// What is stored of a limited token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limited {
    pub(crate) label: String,
    pub(crate) scope: Scope,
    pub(crate) created_ms: u64,
    pub(crate) not_after_ms: Option<u64>,
    pub(crate) revoked_ms: Option<u64>,
}

impl Limited {
    /// Whether it opens anything at this time.
    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        self.revoked_ms.is_none() && self.not_after_ms.is_none_or(|end| now_ms < end)
    }

    /// Whether it is what is wanted, and was not revoked.
    pub(crate) fn is_same(&self, wanted: &Self) -> bool {
        let made = |limited: &Self| (limited.label.clone(), limited.scope, limited.not_after_ms);
        self.revoked_ms.is_none() && made(self) == made(wanted)
    }

    /// What its owner is told of it.
    pub(crate) fn info(&self, id: TokenId) -> TokenInfo {
        TokenInfo {
            id,
            label: self.label.clone(),
            scope: self.scope,
            created_ms: self.created_ms,
            not_after_ms: self.not_after_ms,
            revoked_ms: self.revoked_ms,
        }
    }
}
