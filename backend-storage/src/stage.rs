//! Takes an upload in where nobody reads it, until all checks have passed.
//!
//! Memory of an upload: one part, 1 MiB on a disk and 5 MiB on S3, and what the connection has read
//! ahead. An object that is short enough is kept in memory whole, so that it needs one request only.

use bytes::Bytes;
use darkroom_api::header::Header;
use object_store::MultipartUpload;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::error::Error;
use crate::keys::staging_key;
use crate::store::{Staged, Store};
use crate::upload::{Incoming, Payload};

/// Receives the payload of a header; what fails leaves nothing in the store.
pub(crate) async fn stage(
    store: &Store,
    header: &Header,
    payload: Payload,
    incoming: &mut Incoming,
) -> Result<Staged, Error> {
    let bytes = header.object_bytes().unwrap_or(u64::MAX);
    if bytes <= store.whole_bytes_max() {
        let room = incoming.wait(store.buffer(bytes)).await?;
        return whole(header, payload, incoming, bytes, room).await;
    }
    let part_bytes = store.part_bytes().min(bytes);
    let _room = incoming.wait(store.buffer(part_bytes)).await?;
    let key = staging_key()?;
    let mut parts = Parts(Some(store.upload(&key).await?));
    match fill(&mut parts, header, payload, incoming, length(part_bytes)?).await {
        Ok(()) => Ok(Staged::At(key)),
        Err(error) => {
            parts.abort().await;
            Err(error)
        }
    }
}

async fn whole(
    header: &Header,
    mut payload: Payload,
    incoming: &mut Incoming,
    bytes: u64,
    room: Option<OwnedSemaphorePermit>,
) -> Result<Staged, Error> {
    let mut object = Vec::with_capacity(length(bytes)?);
    object.extend_from_slice(&header.to_bytes());
    while let Some(chunk) = payload.next(incoming).await? {
        object.extend_from_slice(&chunk);
    }
    payload.finish()?;
    Ok(Staged::Whole {
        object: Bytes::from(object),
        _room: room,
    })
}

/// Writes parts of one length, as some stores want it; the last one may be shorter.
async fn fill(
    parts: &mut Parts,
    header: &Header,
    mut payload: Payload,
    incoming: &mut Incoming,
    part_bytes: usize,
) -> Result<(), Error> {
    let mut part = Vec::with_capacity(part_bytes);
    part.extend_from_slice(&header.to_bytes());
    while let Some(mut chunk) = payload.next(incoming).await? {
        // Copied: a chunk would hold on to the whole buffer of the connection that it is cut from.
        while !chunk.is_empty() {
            let missing = part_bytes - part.len();
            part.extend_from_slice(&chunk.split_to(missing.min(chunk.len())));
            if part.len() == part_bytes {
                parts.put(std::mem::take(&mut part)).await?;
                part.reserve_exact(part_bytes);
            }
        }
    }
    payload.finish()?;
    if !part.is_empty() {
        parts.put(part).await?;
    }
    parts.complete().await
}

fn length(bytes: u64) -> Result<usize, Error> {
    usize::try_from(bytes).map_err(|_| Error::Task)
}

/// An upload in parts that is aborted where it is dropped before its end, as when its client goes
/// away. If that fails too, the sweep finds what is left, or on S3 a rule of the bucket.
struct Parts(Option<Box<dyn MultipartUpload>>);

impl Parts {
    async fn put(&mut self, part: Vec<u8>) -> Result<(), Error> {
        let upload = self.0.as_mut().ok_or(Error::Task)?;
        Ok(upload.put_part(part.into()).await?)
    }

    async fn complete(&mut self) -> Result<(), Error> {
        let upload = self.0.as_mut().ok_or(Error::Task)?;
        upload.complete().await?;
        self.0 = None;
        Ok(())
    }

    async fn abort(&mut self) {
        if let Some(mut upload) = self.0.take() {
            let _ = upload.abort().await;
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { upload.abort().await });
        }
    }
}
