//! Takes an upload in where nobody reads it, until all checks have passed.
//!
//! Memory of an upload: on a disk two parts of 512 KiB, one of which is received while the other is
//! hashed and written on another thread; on S3 one part of 5 MiB; and what the connection has read
//! ahead. An object that is short enough for S3 is kept in memory whole, so that it needs one request
//! only.

use std::mem;

use bytes::Bytes;
use darkroom_api::header::{HEADER_BYTES, Header};
use futures_util::future::join;
use object_store::MultipartUpload;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::Error;
use crate::half_written::HalfWritten;
use crate::keys::staging_key;
use crate::store::{DISK_PART_BYTES, Staged, Store, blocking};
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
    let intake = Intake::new(store.upload(&key).await?);
    take_in(intake, header, payload, incoming, part_bytes).await?;
    Ok(Staged::At(key))
}

/// Receives a payload that is there already, and only checks it.
pub(crate) async fn check(
    header: &Header,
    payload: Payload,
    incoming: &mut Incoming,
) -> Result<(), Error> {
    let bytes = header.object_bytes().unwrap_or(u64::MAX);
    let intake = Intake::new(Upload::Nowhere);
    take_in(
        intake,
        header,
        payload,
        incoming,
        DISK_PART_BYTES.min(bytes),
    )
    .await
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
    let object = Bytes::from(object);
    let content = object.slice(HEADER_BYTES..);
    let digest = blocking(move || Ok(Sha256::digest(&content))).await?;
    payload.finish(digest.into())?;
    Ok(Staged::Whole {
        object,
        _room: room,
    })
}

async fn take_in(
    mut intake: Intake,
    header: &Header,
    payload: Payload,
    incoming: &mut Incoming,
    part_bytes: u64,
) -> Result<(), Error> {
    let part_bytes = length(part_bytes)?;
    match fill(&mut intake, header, payload, incoming, part_bytes).await {
        Ok(()) => Ok(()),
        Err(error) => {
            intake.abort().await;
            Err(error)
        }
    }
}

/// Writes parts of one length, as some stores want it; the last one may be shorter.
async fn fill(
    intake: &mut Intake,
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
                part = intake.put(part, part_bytes).await?;
            }
        }
    }
    if !part.is_empty() {
        intake.put(part, 0).await?;
    }
    payload.finish(intake.digest().await?)?;
    intake.complete().await
}

fn length(bytes: u64) -> Result<usize, Error> {
    usize::try_from(bytes).map_err(|_| Error::Task)
}

/// Where parts go.
pub(crate) enum Upload {
    /// Into a file of a disk.
    File(HalfWritten),
    /// To another machine.
    Parts(Parts),
    /// They are only looked at.
    Nowhere,
}

/// What was taken in, and the part's memory to be used again.
type Received = Result<(Taken, Vec<u8>), Error>;

/// Hashes parts and passes them on, on other threads than the one that receives.
struct Intake {
    taken: Option<Taken>,
    busy: Option<JoinHandle<Received>>,
    spare: Vec<u8>,
    /// What of the next part is header and not hashed.
    header_bytes: usize,
}

/// What was taken in so far.
struct Taken {
    hash: Sha256,
    upload: Upload,
}

impl Intake {
    fn new(upload: Upload) -> Self {
        let hash = Sha256::new();
        Self {
            taken: Some(Taken { hash, upload }),
            busy: None,
            spare: Vec::new(),
            header_bytes: HEADER_BYTES,
        }
    }

    /// Takes a part as soon as the one before is through; a buffer for so many bytes of the next.
    async fn put(&mut self, part: Vec<u8>, next_bytes: usize) -> Result<Vec<u8>, Error> {
        self.settle().await?;
        let taken = self.taken.take().ok_or(Error::Task)?;
        let header_bytes = mem::take(&mut self.header_bytes);
        let is_remote = matches!(taken.upload, Upload::Parts(_));
        self.busy = Some(taken.take(part, header_bytes));
        if is_remote {
            // Two of its parts would be too much memory.
            self.settle().await?;
        }
        let mut next = mem::take(&mut self.spare);
        next.clear();
        next.reserve_exact(next_bytes);
        Ok(next)
    }

    async fn settle(&mut self) -> Result<(), Error> {
        if let Some(busy) = &mut self.busy {
            let done = busy.await;
            self.busy = None;
            let (taken, spare) = done.map_err(|_| Error::Task)??;
            self.taken = Some(taken);
            self.spare = spare;
        }
        Ok(())
    }

    async fn digest(&mut self) -> Result<[u8; 32], Error> {
        self.settle().await?;
        let taken = self.taken.as_ref().ok_or(Error::Task)?;
        Ok(taken.hash.clone().finalize().into())
    }

    async fn complete(&mut self) -> Result<(), Error> {
        match self.taken.take().ok_or(Error::Task)?.upload {
            Upload::File(file) => blocking(move || Ok(file.finish()?)).await,
            Upload::Parts(mut parts) => match parts.complete().await {
                Err(error) => {
                    parts.abort().await;
                    Err(error)
                }
                done => done,
            },
            Upload::Nowhere => Ok(()),
        }
    }

    /// Leaves nothing of it.
    async fn abort(&mut self) {
        // What failed is gone already.
        let _ = self.settle().await;
        match self.taken.take().map(|taken| taken.upload) {
            Some(Upload::File(file)) => {
                let _ = spawn_blocking(move || drop(file)).await;
            }
            Some(Upload::Parts(mut parts)) => parts.abort().await,
            Some(Upload::Nowhere) | None => {}
        }
    }
}

impl Taken {
    fn take(
        mut self,
        part: Vec<u8>,
        header_bytes: usize,
    ) -> JoinHandle<Result<(Self, Vec<u8>), Error>> {
        match self.upload {
            Upload::Parts(parts) => tokio::spawn(send(self.hash, parts, part, header_bytes)),
            _ => spawn_blocking(move || {
                self.hash.update(&part[header_bytes..]);
                if let Upload::File(file) = &mut self.upload {
                    file.write(&part)?;
                }
                Ok((self, part))
            }),
        }
    }
}

async fn send(mut hash: Sha256, mut parts: Parts, part: Vec<u8>, header_bytes: usize) -> Received {
    let part = Bytes::from(part);
    let content = part.slice(header_bytes..);
    let hashing = blocking(move || {
        hash.update(&content);
        Ok(hash)
    });
    match join(hashing, parts.put(part)).await {
        (Ok(hash), Ok(())) => {
            let upload = Upload::Parts(parts);
            Ok((Taken { hash, upload }, Vec::new()))
        }
        (Err(error), _) | (_, Err(error)) => {
            parts.abort().await;
            Err(error)
        }
    }
}

/// An upload in parts that is aborted where it is dropped before its end, as when its client goes
/// away. If that fails too, a rule of the bucket removes what is left.
pub(crate) struct Parts(Option<Box<dyn MultipartUpload>>);

impl Parts {
    pub(crate) fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self(Some(upload))
    }

    async fn put(&mut self, part: Bytes) -> Result<(), Error> {
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
