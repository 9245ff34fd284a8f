//! Identifiers: 128 random (or derived) bits each, written as 32 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, de};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// A 128-bit id is 32 lower-case hexadecimal digits.
    #[error("an id is 32 lower-case hexadecimal digits")]
    NotHex,
    /// A model id is 1 to 64 of a-z, 0-9 and '-', not starting or ending with '-'.
    #[error("a model id is 1 to 64 of a-z, 0-9 and '-', not starting or ending with '-'")]
    NotASlug,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{32}$"))]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(IdError::NotHex);
                }
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError::NotHex)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// A vault: one owner's namespace in storage. Derived from the owner's master secret.
    VaultId
}
id! {
    /// An object in a vault: an encrypted image, an evaluation key or a result. Drawn by the client.
    ObjectId
}
id! {
    /// A job in compute. Drawn by compute.
    JobId
}
id! {
    /// The public name of a token: the first half of its hash.
    TokenId
}
id! {
    /// The public name of a secret key: equal ids, equal keys.
    KeyId
}

/// The name of a model: the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"))]
#[serde(transparent)]
pub struct ModelId(String);

impl ModelId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ModelId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let edges = text.starts_with('-') || text.ends_with('-');
        if text.is_empty() || text.len() > 64 || edges || !text.bytes().all(allowed) {
            return Err(IdError::NotASlug);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for ModelId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_refuse_what_is_not_theirs() {
        let id = ObjectId([0xab; 16]);
        assert_eq!(id.to_string().parse::<ObjectId>(), Ok(id));
        for bad in [
            "",
            "ab",
            "../../../../../../etc/passwd-----",
            &"AB".repeat(16),
            &"ab".repeat(17),
        ] {
            assert_eq!(bad.parse::<ObjectId>(), Err(IdError::NotHex), "{bad:?}");
        }
    }

    #[test]
    fn model_ids_cannot_be_paths() {
        assert!("chest-view".parse::<ModelId>().is_ok());
        for bad in ["", ".", "..", "a/b", "A", "-a", "a-", &"a".repeat(65)] {
            assert_eq!(bad.parse::<ModelId>(), Err(IdError::NotASlug), "{bad:?}");
        }
    }
}
