//! The bodies that storage takes and gives.

use serde::{Deserialize, Serialize};

use crate::header::{ObjectKind, ParameterSetId};
use crate::ids::{KeyId, ObjectId, VaultId};

/// The longest note, sealed, in bytes.
pub const NOTE_MAX_BYTES: usize = 4096;
/// The most objects in one page of a list.
pub const LIST_PAGE_MAX: usize = 200;
/// The most objects that one grant can name, reads and writes together.
pub const GRANT_OBJECTS_MAX: usize = 512;

/// `GET` of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VaultInfo {
    /// The vault.
    pub vault: VaultId,
    /// When it was opened, Unix time.
    pub created_ms: u64,
    /// Objects in it.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most objects that it may hold.
    pub objects_max: u64,
    /// The most bytes that one object may have.
    pub object_bytes_max: u64,
    /// The most bytes that it may hold; absent from an older storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// How long images are kept, where storage deletes them by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_kept_ms: Option<u64>,
    /// How long results are kept, where storage deletes them by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results_kept_ms: Option<u64>,
}

/// What storage knows of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObjectInfo {
    /// The object.
    pub id: ObjectId,
    /// What it is.
    pub kind: ObjectKind,
    /// Its length, header included.
    pub bytes: u64,
    /// SHA-256 of its payload, hexadecimal.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// The parameter set in its header.
    pub parameters: ParameterSetId,
    /// The key in its header.
    pub key: KeyId,
    /// When it was stored, Unix time.
    pub created_ms: u64,
    /// When storage deletes it by itself, Unix time, or a little later; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// The sealed note beside it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Sealed>,
}

/// One page of a list, oldest id first; ask again with `?after=` the last id for the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObjectList {
    /// The objects, sorted by id.
    pub objects: Vec<ObjectInfo>,
    /// Whether there are more.
    pub more: bool,
}

/// The query of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
pub struct ListQuery {
    /// Only ids after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ObjectId>,
    /// At most so many; [`LIST_PAGE_MAX`] where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1))]
    pub limit: Option<usize>,
}

/// Asks for a grant: until then, whoever holds it may read these objects and write these results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// Images and evaluation keys that may be read.
    #[cfg_attr(feature = "openapi", schema(max_items = 512))]
    pub reads: Vec<ObjectRef>,
    /// Results that may be written.
    #[cfg_attr(feature = "openapi", schema(max_items = 512))]
    pub writes: Vec<ObjectId>,
    /// For how long, from now; storage may shorten it.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub valid_ms: u64,
}

/// An object by kind and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ObjectRef {
    /// What it is.
    pub kind: ObjectKind,
    /// Its id.
    pub id: ObjectId,
}

/// A grant. It goes to compute with the job and comes back to storage in `Authorization: Grant ...`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grant {
    /// Opaque; ASCII without spaces.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9_-]+$"))]
    pub grant: String,
    /// When it ends, Unix time.
    pub not_after_ms: u64,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant")
            .field("not_after_ms", &self.not_after_ms)
            .finish_non_exhaustive()
    }
}

/// A few sealed bytes, base64 in JSON.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, content_encoding = "base64"))]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        s.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use base64::Engine;
        let text = String::deserialize(d)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text);
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}
