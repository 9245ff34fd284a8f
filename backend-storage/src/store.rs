//! The object store underneath: a folder of a disk, or a bucket of an S3-compatible store.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, ListResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::disk::Disk;
use crate::error::Error;
use crate::measured::Measured;
use crate::metrics::Metrics;
use crate::s3::PART_BYTES;
use crate::stage::{Parts, Upload};

/// What is written at a time where parts may be of any length.
pub(crate) const DISK_PART_BYTES: u64 = 512 << 10;
/// The unit in which memory for uploads is shared out.
const BUFFER_UNIT: u64 = 1 << 10;

/// The object store.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    medium: Medium,
}

/// Where the two kinds of store differ.
#[derive(Debug, Clone)]
enum Medium {
    Disk(Disk),
    S3 {
        whole_bytes_max: u64,
        buffers: Arc<Semaphore>,
    },
}

/// An upload that is checked and not yet visible.
#[derive(Debug)]
pub(crate) enum Staged {
    /// Under a key that nobody reads.
    At(Path),
    /// In memory, with its share of what uploads may take.
    Whole {
        object: Bytes,
        _room: Option<OwnedSemaphorePermit>,
    },
}

impl Store {
    /// Opens the store. Nothing is asked of a bucket yet.
    pub(crate) async fn open(config: &Config, metrics: &Metrics) -> Result<Self, Error> {
        let measured =
            |store: Arc<dyn ObjectStore>| Arc::new(Measured::new(store, metrics.store.clone()));
        if let Some(s3) = &config.s3 {
            let units = usize::try_from(s3.buffer_bytes / BUFFER_UNIT).unwrap_or(usize::MAX);
            return Ok(Self {
                objects: measured(s3.client()?),
                medium: Medium::S3 {
                    whole_bytes_max: s3.whole_bytes_max(),
                    buffers: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
                },
            });
        }
        let (disk, files) = Disk::open(config.data_dir.clone()).await?;
        Ok(Self {
            objects: measured(Arc::new(files)),
            medium: Medium::Disk(disk),
        })
    }

    /// Whether other processes, of which we cannot know, may work on it, over a network.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.medium, Medium::S3 { .. })
    }

    /// Up to how many bytes an object is held in memory until it is whole.
    pub(crate) fn whole_bytes_max(&self) -> u64 {
        match &self.medium {
            Medium::Disk(_) => 0,
            Medium::S3 {
                whole_bytes_max, ..
            } => *whole_bytes_max,
        }
    }

    /// How many bytes of a longer object are written at a time.
    pub(crate) fn part_bytes(&self) -> u64 {
        match &self.medium {
            Medium::Disk(_) => DISK_PART_BYTES,
            Medium::S3 { .. } => PART_BYTES,
        }
    }

    /// How many bytes are free on the disk, and how many it has; nothing for a bucket.
    pub(crate) async fn space(&self) -> Result<Option<(u64, u64)>, Error> {
        match &self.medium {
            Medium::Disk(disk) => disk.space().await.map(Some),
            Medium::S3 { .. } => Ok(None),
        }
    }

    /// Waits until an upload may take so much memory; it may as long as it keeps the answer.
    pub(crate) async fn buffer(&self, bytes: u64) -> Result<Option<OwnedSemaphorePermit>, Error> {
        match &self.medium {
            Medium::Disk(_) => Ok(None),
            Medium::S3 { buffers, .. } => {
                let units = bytes.div_ceil(BUFFER_UNIT);
                let units = u32::try_from(units).map_err(|_| Error::Task)?;
                let permit = Arc::clone(buffers).acquire_many_owned(units).await;
                permit.map(Some).map_err(|_| Error::Task)
            }
        }
    }

    /// Writes a small object; false if the mode is to create and something is there.
    pub(crate) async fn put(
        &self,
        key: &Path,
        content: impl Into<Bytes>,
        mode: PutMode,
    ) -> Result<bool, Error> {
        let content = content.into().into();
        created(self.objects.put_opts(key, content, mode.into()).await)
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
        match found(self.objects.get_opts(key, options).await) {
            Ok(Some(result)) => {
                let meta = result.meta.clone();
                Ok(Some((meta, result.bytes().await?)))
            }
            Ok(None) => Ok(None),
            // S3 refuses every range of an object without content.
            Err(error) => match found(self.objects.head(key).await)? {
                Some(meta) if meta.size == 0 => Ok(Some((meta, Bytes::new()))),
                _ => Err(error),
            },
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
    pub(crate) async fn upload(&self, key: &Path) -> Result<Upload, Error> {
        match &self.medium {
            Medium::Disk(disk) => Ok(Upload::File(disk.begin(key).await?)),
            Medium::S3 { .. } => {
                let parts = self.objects.put_multipart(key).await?;
                Ok(Upload::Parts(Parts::new(parts)))
            }
        }
    }

    /// Makes an upload appear at a key, at once and whole; false if something is there, or comes there
    /// at the same time.
    pub(crate) async fn publish(&self, staged: &Staged, to: &Path) -> Result<bool, Error> {
        match staged {
            Staged::At(from) => created(self.objects.copy_if_not_exists(from, to).await),
            Staged::Whole { object, .. } => self.put(to, object.clone(), PutMode::Create).await,
        }
    }

    /// Takes away what [`Self::publish`] does not need any more.
    pub(crate) async fn discard(&self, staged: Staged) -> Result<(), Error> {
        match staged {
            Staged::At(key) => self.delete(&key).await.map(drop),
            Staged::Whole { .. } => Ok(()),
        }
    }

    /// Deletes an object; false if it is known not to have been there (S3 does not say).
    pub(crate) async fn delete(&self, key: &Path) -> Result<bool, Error> {
        Ok(found(self.objects.delete(key).await)?.is_some())
    }

    /// Deletes an object so that it stays deleted when the power fails.
    pub(crate) async fn delete_durably(&self, key: &Path) -> Result<(), Error> {
        let was_there = self.delete(key).await?;
        match &self.medium {
            Medium::Disk(disk) if was_there => disk.sync_deletion(key).await,
            _ => Ok(()),
        }
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

    /// Deletes all under a prefix, and the prefix where it is a folder; what is gone already is no
    /// error.
    pub(crate) async fn delete_all(&self, prefix: &Path) -> Result<(), Error> {
        let keys = self.list(prefix).map_ok(|meta| meta.location).boxed();
        let mut deletions = self.objects.delete_stream(keys);
        while let Some(deletion) = deletions.next().await {
            found(deletion)?;
        }
        match &self.medium {
            Medium::Disk(disk) => disk.remove(prefix).await,
            Medium::S3 { .. } => Ok(()),
        }
    }

    /// Removes what broken uploads left that no list shows, if it is older than a time. S3 does that
    /// by a rule of the bucket.
    pub(crate) async fn sweep_half_written(&self, before: SystemTime) -> Result<u64, Error> {
        match &self.medium {
            Medium::Disk(disk) => disk.sweep_half_written(before).await,
            Medium::S3 { .. } => Ok(0),
        }
    }
}

fn found<T>(result: Result<T, object_store::Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn created<T>(result: Result<T, object_store::Error>) -> Result<bool, Error> {
    match result {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
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
