//! The object store underneath: its keys, and what the local disk needs besides.
//!
//! Durability, read in object_store 0.14.2, `src/local.rs`, with `with_fsync(true)`:
//! - `put_opts`, and `complete` of a multipart upload: the file `name#1` is synced (`sync_and_close`),
//!   renamed (create-only: hard-linked) and the folder synced (`finish_staged_rename`,
//!   `finish_staged_hard_link`); folders made on the way are synced up to the first old one
//!   (`create_parent_dirs`).
//! - `copy_if_not_exists`: one `link(2)`, atomic and create-only, then the folder is synced
//!   (`hard_link`); the content was synced when its upload was completed.
//! - `delete_stream` passes `fsync = false`: deletions that must last are synced here.

use std::fs::DirBuilder;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, VaultId};
use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode,
};

use crate::error::Error;
use crate::vaults::OpenVault;

/// The folder of the uploads that are not yet checked.
pub(crate) const STAGING: &str = "staging";
/// The folder of the vaults' content.
pub(crate) const DATA: &str = "data";

/// The object store.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    root: PathBuf,
}

impl Store {
    /// Opens the store in a folder, which is made, for this user alone, if it is not there.
    pub(crate) async fn open(root: PathBuf) -> Result<Self, Error> {
        blocking(move || {
            make_private_dir(&root)?;
            let root = root.canonicalize()?;
            let disk = LocalFileSystem::new_with_prefix(&root)?.with_fsync(true);
            Ok(Self {
                objects: Arc::new(disk),
                root,
            })
        })
        .await
    }

    /// Where the store lies.
    pub(crate) fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Writes a small object; whether it was not there before. With `replace`, also if it was.
    pub(crate) async fn put(
        &self,
        key: &Path,
        content: Vec<u8>,
        mode: PutMode,
    ) -> Result<bool, Error> {
        match self
            .objects
            .put_opts(key, content.into(), mode.into())
            .await
        {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a small object whole.
    pub(crate) async fn read(&self, key: &Path) -> Result<Option<Bytes>, Error> {
        match self.get(key).await? {
            Some(found) => Ok(Some(found.bytes().await?)),
            None => Ok(None),
        }
    }

    /// Reads a part of an object, and what the store knows of it.
    pub(crate) async fn read_range(
        &self,
        key: &Path,
        range: Range<u64>,
    ) -> Result<Option<(ObjectMeta, Bytes)>, Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        match found(self.objects.get_opts(key, options).await)? {
            Some(result) => {
                let meta = result.meta.clone();
                Ok(Some((meta, result.bytes().await?)))
            }
            None => Ok(None),
        }
    }

    /// Opens an object for reading.
    pub(crate) async fn get(&self, key: &Path) -> Result<Option<GetResult>, Error> {
        found(self.objects.get(key).await)
    }

    /// The length of an object.
    pub(crate) async fn size(&self, key: &Path) -> Result<Option<u64>, Error> {
        Ok(found(self.objects.head(key).await)?.map(|meta| meta.size))
    }

    /// Begins an upload in parts.
    pub(crate) async fn upload(&self, key: &Path) -> Result<Box<dyn MultipartUpload>, Error> {
        Ok(self.objects.put_multipart(key).await?)
    }

    /// Makes what is at `from` appear at `to` as well, at once and whole; false if something is
    /// there.
    pub(crate) async fn publish(&self, from: &Path, to: &Path) -> Result<bool, Error> {
        match self.objects.copy_if_not_exists(from, to).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object; whether it was there.
    pub(crate) async fn delete(&self, key: &Path) -> Result<bool, Error> {
        Ok(found(self.objects.delete(key).await)?.is_some())
    }

    /// Deletes an object so that it stays deleted when the power fails; whether it was there.
    pub(crate) async fn delete_durably(&self, key: &Path) -> Result<bool, Error> {
        let was_there = self.delete(key).await?;
        if was_there {
            let mut folder = self.root.clone();
            folder.extend(key.parts().map(|part| part.as_ref().to_owned()));
            folder.pop();
            blocking(move || sync_dir(&folder)).await?;
        }
        Ok(was_there)
    }

    /// All objects under a prefix, in no order.
    pub(crate) fn list(
        &self,
        prefix: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta, object_store::Error>> {
        self.objects.list(Some(prefix))
    }

    /// The folders and objects right under a prefix.
    pub(crate) async fn list_folder(&self, prefix: &Path) -> Result<ListResult, Error> {
        Ok(self.objects.list_with_delimiter(Some(prefix)).await?)
    }

    /// Deletes what is listed; what is gone already is no error.
    pub(crate) async fn delete_all(&self, prefix: &Path) -> Result<u64, Error> {
        use futures_util::{StreamExt, TryStreamExt};
        let keys = self.list(prefix).map_ok(|meta| meta.location).boxed();
        let mut deletions = self.objects.delete_stream(keys);
        let mut deleted = 0;
        while let Some(deletion) = deletions.next().await {
            deleted += u64::from(found(deletion)?.is_some());
        }
        Ok(deleted)
    }
}

fn found<T>(result: Result<T, object_store::Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs something that waits for the disk away from the threads that serve requests.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Task)?
}

fn make_private_dir(dir: &std::path::Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    dir.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), |parent| {
            // A folder that may not be opened cannot be synced; that is the operator's choice.
            match sync_dir(parent) {
                Err(Error::Io(error)) if error.kind() != io::ErrorKind::PermissionDenied => {
                    Err(error)
                }
                _ => Ok(()),
            }
        })
}

/// Makes deletions in a folder last.
pub(crate) fn sync_dir(dir: &std::path::Path) -> Result<(), Error> {
    if cfg!(unix) {
        std::fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

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
