//! Bearer tokens: 256 random bits that open something, and the hash that a service keeps of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::TokenId;

/// The scheme of an owner's token in the `Authorization` header.
pub const BEARER: &str = "Bearer";
/// The scheme of a grant in the `Authorization` header.
pub const GRANT: &str = "Grant";

/// A text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a token is 64 lower-case hexadecimal digits")]
pub struct TokenError;

/// A secret of 256 bits. Never printed; wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; 32]);

impl Token {
    /// Takes 32 secret bytes as a token.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What a service keeps of the token. A plain hash suffices for 256 random bits.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }

    /// The token as it travels: 64 hexadecimal digits.
    pub fn danger_reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> String {
        format!("{BEARER} {}", self.danger_reveal())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| TokenError)?;
        Ok(Self(bytes))
    }
}

/// SHA-256 of a [`Token`]. Compared in constant time.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-fA-F]{64}$"))]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The token's public name.
    pub fn id(&self) -> TokenId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        TokenId(id)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(String::deserialize(d)?, &mut bytes).map_err(de::Error::custom)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_printed_and_its_hash_is_stable() {
        let token = Token::new([7; 32]);
        assert_eq!(format!("{token:?}"), "Token(..)");
        let same: Token = token.danger_reveal().parse().unwrap();
        assert_eq!(same.hash(), token.hash());
        assert_ne!(Token::new([8; 32]).hash(), token.hash());
    }
}
