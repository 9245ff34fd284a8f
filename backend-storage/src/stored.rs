//! An object that is there: what is known of it, and its bytes on their way out.

use std::fs::File;
use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use darkroom_api::header::{HEADER_BYTES, Header, ObjectKind};
use darkroom_api::ids::ObjectId;
use darkroom_api::storage::{ObjectInfo, Sealed};
use futures_util::stream::{self, BoxStream, Stream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetResult, GetResultPayload, ObjectMeta};

use crate::error::Error;
use crate::keys::{note_key, object_key};
use crate::retention::Retention;
use crate::store::blocking;
use crate::vaults::OpenVault;

/// How much of a file is read at a time: so little that it is still in the processor's cache when it
/// goes to the socket, and no more than actix keeps a buffer for.
const READ_BYTES: usize = 64 << 10;

/// Where an object is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) vault: OpenVault,
    pub(crate) kind: ObjectKind,
    pub(crate) id: ObjectId,
}

impl Place {
    pub(crate) fn object(&self) -> Path {
        object_key(self.vault, self.kind, self.id)
    }

    pub(crate) fn note(&self) -> Path {
        note_key(self.vault, self.kind, self.id)
    }
}

/// An object that is there, before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) header: Header,
    pub(crate) created_ms: u64,
}

impl Stored {
    pub(crate) fn new(meta: &ObjectMeta, head: &[u8]) -> Result<Self, Error> {
        let header = Header::parse(head).map_err(|_| Error::Damaged { what: "an object" })?;
        if header.object_bytes() != Some(meta.size) {
            return Err(Error::Damaged { what: "an object" });
        }
        let created_ms = u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0);
        Ok(Self { header, created_ms })
    }

    /// What a client is told of it.
    pub(crate) fn info(
        &self,
        retention: &Retention,
        id: ObjectId,
        note: Option<Sealed>,
    ) -> ObjectInfo {
        ObjectInfo {
            id,
            kind: self.header.kind,
            bytes: self
                .header
                .payload_bytes
                .saturating_add(HEADER_BYTES as u64),
            sha256: hex::encode(self.header.sha256),
            parameters: self.header.parameters,
            key: self.header.key,
            created_ms: self.created_ms,
            expires_ms: retention.expires_ms(self.header.kind, self.created_ms),
            note,
        }
    }
}

/// An object on its way out.
pub(crate) struct Download {
    pub(crate) stored: Stored,
    pub(crate) bytes: u64,
    pub(crate) content: BoxStream<'static, Result<Bytes, Error>>,
}

impl Download {
    pub(crate) async fn begin(found: GetResult) -> Result<Self, Error> {
        let meta = found.meta.clone();
        let mut chunks = chunks(found);
        let mut head = BytesMut::new();
        while head.len() < HEADER_BYTES {
            match chunks.try_next().await? {
                Some(chunk) => head.extend_from_slice(&chunk),
                None => return Err(Error::Damaged { what: "an object" }),
            }
        }
        let stored = Stored::new(&meta, &head)?;
        let first = stream::once(async move { Ok(head.freeze()) });
        Ok(Self {
            stored,
            bytes: meta.size,
            content: first.chain(chunks).boxed(),
        })
    }
}

/// Of two objects with one id only the same one is no error.
pub(crate) fn same_or_conflict(found: Stored, header: &Header) -> Result<(Stored, bool), Error> {
    if found.header == *header {
        Ok((found, false))
    } else {
        Err(Error::ObjectExists)
    }
}

fn chunks(found: GetResult) -> BoxStream<'static, Result<Bytes, Error>> {
    match found.payload {
        GetResultPayload::File(file, _) => file_chunks(file).boxed(),
        GetResultPayload::Stream(stream) => stream.map_err(Error::from).boxed(),
    }
}

/// A file, read into one buffer again and again. What the system holds in memory is read right here:
/// passing it between threads costs more than copying it.
fn file_chunks(file: File) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    stream::try_unfold((file, BytesMut::new()), |(file, mut buffer)| async move {
        buffer.resize(READ_BYTES, 0);
        let (file, mut buffer, length) = match read_at_hand(&file, &mut buffer)? {
            Some(length) => (file, buffer, length),
            None => blocking(move || read_waiting(file, buffer)).await?,
        };
        buffer.truncate(length);
        let chunk = buffer.split().freeze();
        Ok((length > 0).then_some((chunk, (file, buffer))))
    })
}

fn read_waiting(file: File, mut buffer: BytesMut) -> Result<(File, BytesMut, usize), Error> {
    loop {
        match (&file).read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => {
                let length = read?;
                return Ok((file, buffer, length));
            }
        }
    }
}

/// The next bytes of a file if that needs no waiting for a disk; `None` where it does, or where the
/// file system does not say.
#[cfg(target_os = "linux")]
fn read_at_hand(file: &File, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    /// From where the last reading ended.
    const ONWARDS: u64 = u64::MAX;
    let mut buffers = [io::IoSliceMut::new(buffer)];
    match preadv2(file, &mut buffers, ONWARDS, ReadWriteFlags::NOWAIT) {
        Ok(length) => Ok(Some(length)),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_at_hand(_: &File, _: &mut [u8]) -> Result<Option<usize>, Error> {
    Ok(None)
}
