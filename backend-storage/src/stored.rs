//! An object that is there: what is known of it, and its bytes on their way out.

use std::fs::File;
use std::io::Read;

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

/// How much of a file is read at a time. The store's own stream reads 8 KiB a hop, which makes a
/// large object several times slower.
const READ_BYTES: u64 = 256 << 10;

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

fn file_chunks(file: File) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    stream::try_unfold(file, |file| {
        blocking(move || {
            let mut buffer = Vec::new();
            (&file).take(READ_BYTES).read_to_end(&mut buffer)?;
            Ok((!buffer.is_empty()).then(|| (Bytes::from(buffer), file)))
        })
    })
}
