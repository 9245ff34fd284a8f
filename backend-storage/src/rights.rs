//! What each credential is good for: all of it, in one place.

use darkroom_api::access::Scope;
use darkroom_api::audit::{Act, What, Who};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, TokenId};
use darkroom_api::storage::ObjectRef;

use crate::error::Error;
use crate::grant::Claims;
use crate::limited::Limited;

/// What somebody wants to do, and to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Describe the vault.
    Describe,
    /// Delete the vault.
    DeleteVault,
    /// List a collection.
    List(ObjectKind),
    /// Read an object.
    Read(ObjectKind, ObjectId),
    /// Store an object.
    Put(ObjectKind, ObjectId),
    /// Delete an object.
    Delete(ObjectKind, ObjectId),
    /// Write a note.
    PutNote(ObjectKind, ObjectId),
    /// Mint a grant.
    MintGrant,
    /// Rotate the owner's token.
    RotateToken,
    /// List the limited tokens.
    ListTokens,
    /// Make a limited token.
    MakeToken(TokenId),
    /// Revoke a limited token.
    RevokeToken(TokenId),
    /// Read the log.
    ReadLog,
}

impl Wish {
    /// How it is called in the log.
    pub(crate) fn act(self) -> Act {
        match self {
            Self::Describe => Act::Describe,
            Self::DeleteVault => Act::DeleteVault,
            Self::List(_) => Act::List,
            Self::Read(..) => Act::Read,
            Self::Put(..) => Act::Put,
            Self::Delete(..) => Act::Delete,
            Self::PutNote(..) => Act::PutNote,
            Self::MintGrant => Act::MintGrant,
            Self::RotateToken => Act::RotateToken,
            Self::ListTokens => Act::ListTokens,
            Self::MakeToken(_) => Act::MakeToken,
            Self::RevokeToken(_) => Act::RevokeToken,
            Self::ReadLog => Act::ReadLog,
        }
    }

    /// To what, as the log says it; of a grant it is known later.
    pub(crate) fn what(self) -> Option<What> {
        match self {
            Self::Describe
            | Self::DeleteVault
            | Self::MintGrant
            | Self::RotateToken
            | Self::ListTokens
            | Self::ReadLog => None,
            Self::List(kind) => Some(What::Collection(kind)),
            Self::Read(kind, id)
            | Self::Put(kind, id)
            | Self::Delete(kind, id)
            | Self::PutNote(kind, id) => Some(What::Object { kind, id }),
            Self::MakeToken(id) | Self::RevokeToken(id) => Some(What::Token(id)),
        }
    }
}

/// What somebody may do.
#[derive(Debug, Clone)]
pub(crate) enum Rights {
    /// Those of the owner.
    Owner,
    /// Those of a limited token.
    Limited(TokenId, Limited),
    /// Those of a grant, and its id in the log.
    Granted(Claims, String),
}

impl Rights {
    /// Who has them, as the log says it.
    pub(crate) fn who(&self) -> Who {
        match self {
            Self::Owner => Who::Owner,
            Self::Limited(id, limited) => Who::Token {
                id: *id,
                label: limited.label.clone(),
            },
            Self::Granted(_, id) => Who::Grant { id: id.clone() },
        }
    }

    /// Whether they cover it. No wildcard over wishes: a new one has to be decided for everybody.
    pub(crate) fn allow(&self, wish: Wish) -> Result<(), Error> {
        match self {
            Self::Owner => owner(wish),
            Self::Limited(_, limited) => match limited.scope {
                Scope::Read => read(wish),
                Scope::Submit => submit(wish),
            },
            Self::Granted(claims, _) => granted(claims, wish),
        }
    }
}

/// Results are written only by whoever has a grant: what compute made of images.
fn owner(wish: Wish) -> Result<(), Error> {
    match wish {
        Wish::Put(ObjectKind::Result, _) => Err(Error::GrantRefused {
            reason: "results are written with a grant",
        }),
        Wish::Put(ObjectKind::Image | ObjectKind::EvaluationKey, _)
        | Wish::Describe
        | Wish::DeleteVault
        | Wish::List(_)
        | Wish::Read(..)
        | Wish::Delete(..)
        | Wish::PutNote(..)
        | Wish::MintGrant
        | Wish::RotateToken
        | Wish::ListTokens
        | Wish::MakeToken(_)
        | Wish::RevokeToken(_)
        | Wish::ReadLog => Ok(()),
    }
}

fn read(wish: Wish) -> Result<(), Error> {
    match wish {
        Wish::Describe | Wish::List(_) | Wish::Read(..) => Ok(()),
        Wish::DeleteVault
        | Wish::Put(..)
        | Wish::Delete(..)
        | Wish::PutNote(..)
        | Wish::MintGrant
        | Wish::RotateToken
        | Wish::ListTokens
        | Wish::MakeToken(_)
        | Wish::RevokeToken(_)
        | Wish::ReadLog => Err(Error::TokenRefused {
            reason: "this token only reads; ask the vault's owner",
        }),
    }
}

fn submit(wish: Wish) -> Result<(), Error> {
    match wish {
        Wish::Describe
        | Wish::List(ObjectKind::EvaluationKey)
        | Wish::Read(ObjectKind::Result, _)
        | Wish::Put(ObjectKind::Image | ObjectKind::EvaluationKey, _)
        | Wish::PutNote(..)
        | Wish::MintGrant => Ok(()),
        Wish::DeleteVault
        | Wish::List(ObjectKind::Image | ObjectKind::Result)
        | Wish::Read(ObjectKind::Image | ObjectKind::EvaluationKey, _)
        | Wish::Put(ObjectKind::Result, _)
        | Wish::Delete(..)
        | Wish::RotateToken
        | Wish::ListTokens
        | Wish::MakeToken(_)
        | Wish::RevokeToken(_)
        | Wish::ReadLog => Err(Error::TokenRefused {
            reason: "this token only has images analysed; ask the vault's owner",
        }),
    }
}

fn granted(claims: &Claims, wish: Wish) -> Result<(), Error> {
    let reason = match wish {
        Wish::Read(kind, id) if claims.reads.contains(&ObjectRef { kind, id }) => return Ok(()),
        Wish::Read(..) => "the grant does not allow to read this object",
        Wish::Put(ObjectKind::Result, id) if claims.writes.contains(&id) => return Ok(()),
        Wish::Put(..) => "the grant does not allow to write this object",
        Wish::Describe
        | Wish::DeleteVault
        | Wish::List(_)
        | Wish::Delete(..)
        | Wish::PutNote(..)
        | Wish::MintGrant
        | Wish::RotateToken
        | Wish::ListTokens
        | Wish::MakeToken(_)
        | Wish::RevokeToken(_)
        | Wish::ReadLog => "only the vault's owner may do this",
    };
    Err(Error::GrantRefused { reason })
}
