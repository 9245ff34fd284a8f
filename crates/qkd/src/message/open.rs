//! Segments become plain bytes.

use aws_lc_rs::aead::{Aad, LessSafeKey};
use bytes::{Bytes, BytesMut};

use super::header::Header;
use super::kem::SharedSecret;
use super::seal::nonce;
use super::{Context, LAST, MessageError, PREFIX_BYTES, SEGMENT_BYTES, TAG_BYTES};
use crate::key::Key;

/// Opens one message, however its bytes come. Holds at most one segment and what came with it.
pub struct Opener {
    key: LessSafeKey,
    announced_bytes: Option<u64>,
    opened_bytes: u64,
    segment: u64,
    is_ended: bool,
    pending: BytesMut,
}

impl Opener {
    /// Begins a message after its header. The QKD key is used up.
    ///
    /// # Errors
    /// The cryptography fails.
    pub fn new(
        header: &Header,
        key: Key,
        shared: Option<&SharedSecret>,
        context: &Context<'_>,
    ) -> Result<Self, MessageError> {
        Ok(Self {
            key: context.message_key(&key, shared, &header.to_bytes())?,
            announced_bytes: header.length_bytes,
            opened_bytes: 0,
            segment: 0,
            is_ended: false,
            pending: BytesMut::new(),
        })
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, sealed: &[u8]) {
        // Once for a segment, not once for each piece of it.
        if self.pending.capacity() - self.pending.len() < sealed.len() {
            self.pending
                .reserve(sealed.len().max(PREFIX_BYTES + SEGMENT_BYTES + TAG_BYTES));
        }
        self.pending.extend_from_slice(sealed);
    }

    /// The next segment's plain bytes, if they are complete.
    ///
    /// # Errors
    /// The message is not genuine; it must not be read on.
    pub fn next_segment(&mut self) -> Result<Option<Bytes>, MessageError> {
        if self.is_ended {
            return match self.pending.is_empty() {
                true => Ok(None),
                false => Err(MessageError::Trailing),
            };
        }
        let Some(&prefix) = self.pending.first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let word = u32::from_be_bytes(prefix);
        let (is_last, plain_bytes) = (word & LAST != 0, (word & !LAST) as usize);
        if plain_bytes > SEGMENT_BYTES {
            return Err(MessageError::Malformed("a segment is too long"));
        }
        let sealed_bytes = PREFIX_BYTES + plain_bytes + TAG_BYTES;
        if self.pending.len() < sealed_bytes {
            return Ok(None);
        }
        let mut segment = self.pending.split_to(sealed_bytes).split_off(PREFIX_BYTES);
        self.key
            .open_in_place(nonce(self.segment), Aad::from(prefix), &mut segment)
            .map_err(|_| MessageError::Forged {
                segment: self.segment,
            })?;
        segment.truncate(plain_bytes);
        self.segment += 1;
        self.is_ended = is_last;
        self.count(plain_bytes as u64)?;
        Ok(Some(segment.freeze()))
    }

    /// Whether the last segment has been opened.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// To be called when no more bytes come.
    ///
    /// # Errors
    /// The message was not complete, or something follows it.
    pub fn finish(&self) -> Result<(), MessageError> {
        match (self.is_ended, self.pending.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(MessageError::Trailing),
            (false, _) => Err(MessageError::Truncated),
        }
    }

    fn count(&mut self, plain_bytes: u64) -> Result<(), MessageError> {
        self.opened_bytes += plain_bytes;
        let Some(announced_bytes) = self.announced_bytes else {
            return Ok(());
        };
        let fits = match self.is_ended {
            true => self.opened_bytes == announced_bytes,
            false => self.opened_bytes <= announced_bytes,
        };
        match fits {
            true => Ok(()),
            false => Err(MessageError::Length { announced_bytes }),
        }
    }
}
