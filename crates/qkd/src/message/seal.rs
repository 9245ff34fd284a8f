//! Plain bytes become segments.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use bytes::{BufMut, Bytes, BytesMut};

use super::header::Header;
use super::kem::SharedSecret;
use super::{Context, LAST, MessageError, PREFIX_BYTES, SEGMENT_BYTES, TAG_BYTES};
use crate::key::Key;

/// Seals one message, segment by segment.
pub struct Sealer {
    key: LessSafeKey,
    segment: u64,
}

impl Sealer {
    /// Begins a message; the header's bytes go out first. The QKD key is used up.
    ///
    /// # Errors
    /// The cryptography fails.
    pub fn new(
        header: &Header,
        key: Key,
        shared: Option<&SharedSecret>,
        context: &Context<'_>,
    ) -> Result<(Self, Bytes), MessageError> {
        let header = header.to_bytes();
        let key = context.message_key(&key, shared, &header)?;
        Ok((Self { key, segment: 0 }, header))
    }

    /// The next segment, of at most [`SEGMENT_BYTES`] plain bytes.
    ///
    /// # Errors
    /// It is too long, or the cryptography fails.
    pub fn segment(&mut self, plain: &[u8], is_last: bool) -> Result<Bytes, MessageError> {
        let mut room = room(plain.len());
        room.put_slice(plain);
        self.segment_in_place(room, is_last)
    }

    /// The same for plain bytes that stand in a [`room`] already.
    pub(super) fn segment_in_place(
        &mut self,
        mut room: BytesMut,
        is_last: bool,
    ) -> Result<Bytes, MessageError> {
        let (head, plain) = room.split_at_mut(PREFIX_BYTES);
        let prefix = prefix(plain.len(), is_last)?;
        head.copy_from_slice(&prefix);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(self.segment), Aad::from(prefix), plain)
            .map_err(|_| MessageError::Crypto)?;
        room.put_slice(tag.as_ref());
        self.segment += 1;
        Ok(room.freeze())
    }
}

/// Where a segment of so many plain bytes can be sealed: what stands before it is there, they follow.
pub(super) fn room(plain_bytes: usize) -> BytesMut {
    let mut room = BytesMut::with_capacity(PREFIX_BYTES + plain_bytes + TAG_BYTES);
    room.put_bytes(0, PREFIX_BYTES);
    room
}

/// How long a message of known length is on the wire when its segments are as long as can be.
pub fn sealed_bytes(header: &Header, plain_bytes: u64) -> u64 {
    let segments = plain_bytes.div_ceil(SEGMENT_BYTES as u64).max(1);
    header.bytes() as u64 + plain_bytes + segments * (PREFIX_BYTES + TAG_BYTES) as u64
}

pub(super) fn prefix(bytes: usize, is_last: bool) -> Result<[u8; PREFIX_BYTES], MessageError> {
    let length = u32::try_from(bytes).ok();
    let length = length.filter(|_| bytes <= SEGMENT_BYTES);
    let length = length.ok_or(MessageError::Malformed("a segment is too long"))?;
    Ok((length | if is_last { LAST } else { 0 }).to_be_bytes())
}

/// Segments are counted in the nonce; every message has a key of its own.
pub(super) fn nonce(segment: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&segment.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
