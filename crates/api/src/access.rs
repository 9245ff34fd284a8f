//! Who may do what in a vault besides its owner: invitations, the owner's token and limited tokens.
//!
//! All secrets are drawn by the client, which keeps one before it sends its hash: so a request whose
//! answer was lost can be sent again as it was, and a secret is in no answer, log or store.

use serde::{Deserialize, Serialize};

use crate::ids::TokenId;
use crate::token::TokenHash;

/// The header that brings an invitation with the `PUT` that opens a vault: 64 hexadecimal digits.
pub const INVITATION: &str = "darkroom-invitation";
/// The last generation of an owner's token: clients that derive theirs from a master secret rotate it
/// so often at the most, so that one that does not know the present generation can try all of them, and
/// is not taken for one who guesses.
pub const GENERATION_LAST: u32 = 32;
/// The longest label of a token, in bytes.
pub const LABEL_MAX_BYTES: usize = 128;

/// What a limited token is good for. None deletes anything, makes tokens, or reads the log.
///
/// | | `read` | `submit` |
/// |---|---|---|
/// | describe the vault | yes | yes |
/// | list images and results, with their notes | yes | no |
/// | list evaluation keys | yes | yes |
/// | read images and evaluation keys | yes | no |
/// | read results | yes | yes |
/// | store images and evaluation keys | no | yes |
/// | write a note where there is none yet | no | yes |
/// | mint grants | no | yes |
///
/// A `submit` token cannot list images or results, so it reaches those whose ids its holder drew:
/// they are 128 random bits. Its grants end with it at the latest, also when it is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Look at everything, change nothing.
    Read,
    /// Have images analysed.
    Submit,
}

/// `PUT` of a vault's token: the owner's new one takes the place of the one that this is asked with.
/// Asked again in the same way it is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRotation {
    /// The new token's hash; the token was never one of this vault.
    pub token_sha256: TokenHash,
}

/// `PUT` of a limited token: makes it. The token in the path is the first half of the hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The token's hash; the token was never one of this vault.
    pub token_sha256: TokenHash,
    /// Whose it is, 1 to [`LABEL_MAX_BYTES`] bytes without control characters. Storage can read it:
    /// whoever does not want that puts a sealed text here.
    #[cfg_attr(
        feature = "openapi",
        schema(
            min_length = 1,
            max_length = 128,
            pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
        )
    )]
    pub label: String,
    /// What it is good for.
    pub scope: Scope,
    /// When it ends, Unix time; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_ms: Option<u64>,
}

/// A limited token as its vault's owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// Its public name.
    pub id: TokenId,
    /// Whose it is.
    pub label: String,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made, Unix time.
    pub created_ms: u64,
    /// When it ends, Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_ms: Option<u64>,
    /// When it was revoked, Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<u64>,
}

impl TokenInfo {
    /// Whether it opens anything at this time.
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.revoked_ms.is_none() && self.not_after_ms.is_none_or(|end| now_ms < end)
    }
}

/// `GET` of a vault's tokens: the limited ones, oldest first, also those that ended or were revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// The tokens.
    pub tokens: Vec<TokenInfo>,
}

/// The generations of an owner's token in the order in which they are tried by who knows this one, and
/// was refused with it: later ones first, as a rotation elsewhere makes them.
pub fn generations(known: u32) -> impl Iterator<Item = u32> {
    let later = known.saturating_add(1)..=GENERATION_LAST;
    later.chain(0..known.min(GENERATION_LAST + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_generations_but_the_known_one_are_tried_once() {
        for known in [0, 1, 31, 32, 33, u32::MAX] {
            let mut tried: Vec<u32> = generations(known).collect();
            let later = tried.iter().take_while(|g| **g > known).count();
            assert!(tried[later..].iter().all(|g| *g < known));
            tried.sort_unstable();
            let expected = (0..=GENERATION_LAST).filter(|g| *g != known);
            assert_eq!(tried, expected.collect::<Vec<_>>());
        }
        assert_eq!(generations(2).take(2).collect::<Vec<_>>(), [3, 4]);
    }
}
