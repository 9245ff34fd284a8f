//! Where everything lies in the store.

use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, VaultId};
use object_store::path::Path;

use crate::error::Error;
use crate::vaults::OpenVault;

/// The folder of the uploads that are not yet checked.
pub(crate) const STAGING: &str = "staging";
/// The folder of the vaults' content.
pub(crate) const DATA: &str = "data";

/// The key of a vault's record.
pub(crate) fn record_key(vault: VaultId) -> Path {
    Path::from(format!("vaults/{vault}"))
}

/// The prefix of all that a vault holds.
pub(crate) fn content_key(vault: OpenVault) -> Path {
    Path::from(format!("{DATA}/{vault}"))
}

/// The prefix of a collection.
pub(crate) fn collection_key(vault: OpenVault, kind: ObjectKind) -> Path {
    Path::from(format!("{DATA}/{vault}/{}", kind.segment()))
}

/// The key of an object.
pub(crate) fn object_key(vault: OpenVault, kind: ObjectKind, id: ObjectId) -> Path {
    Path::from(format!("{DATA}/{vault}/{}/{id}", kind.segment()))
}

/// The key of the note beside an object.
pub(crate) fn note_key(vault: OpenVault, kind: ObjectKind, id: ObjectId) -> Path {
    Path::from(format!("{DATA}/{vault}/notes-{}/{id}", kind.segment()))
}

/// Whether a key within a vault is that of an object or of a note, and of which.
pub(crate) fn parse_content_key(key: &Path) -> Option<(Content, ObjectKind, ObjectId)> {
    let mut parts = key.parts().skip(2);
    let collection = parts.next()?;
    let id = parts.next()?.as_ref().parse().ok()?;
    let collection = collection.as_ref();
    let (content, segment) = match collection.strip_prefix("notes-") {
        Some(segment) => (Content::Note, segment),
        None => (Content::Object, collection),
    };
    Some((content, ObjectKind::from_segment(segment)?, id))
}

/// What lies in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// An object.
    Object,
    /// A note.
    Note,
}

/// A new key for an upload.
pub(crate) fn staging_key() -> Result<Path, Error> {
    Ok(Path::from(format!("{STAGING}/{:032x}", random_u128()?)))
}

/// The key of the secret that signs grants.
pub(crate) fn grant_key_key() -> Path {
    Path::from("server/grant-key")
}

/// A new key to try the store with.
pub(crate) fn probe_key() -> Result<Path, Error> {
    Ok(Path::from(format!(
        "{STAGING}/probe-{:032x}",
        random_u128()?
    )))
}

/// 128 random bits.
pub(crate) fn random_u128() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::Randomness)?;
    Ok(u128::from_le_bytes(bytes))
}
