//! Bodies that are sealed and opened as they pass; no more than a segment is held.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::seal::room;
use super::{Header, MessageError, Opener, PREFIX_BYTES, SEGMENT_BYTES, Sealer, TAG_BYTES};

/// A stream of sealed bytes from one of plain bytes.
pub struct Sealed<S> {
    plain: Option<S>,
    sealer: Sealer,
    /// What goes out before the next segment: the header, at the start.
    first: Option<Bytes>,
    /// The next segment, as far as it has come.
    room: BytesMut,
    /// What came and belongs to the segments after it.
    rest: Bytes,
    announced_bytes: Option<u64>,
    taken_bytes: u64,
}

impl<S> Sealed<S> {
    /// Seals what the stream brings. Without an announced length each segment goes out as soon as
    /// the stream pauses, so that events arrive when they happen.
    pub fn new(sealer: Sealer, header: &Header, first: Bytes, plain: S) -> Self {
        Self {
            plain: Some(plain),
            sealer,
            first: Some(first),
            room: room(0),
            rest: Bytes::new(),
            announced_bytes: header.length_bytes,
            taken_bytes: 0,
        }
    }

    fn segment(&mut self, is_last: bool) -> Poll<Option<io::Result<Bytes>>> {
        let plain = std::mem::replace(&mut self.room, room(0));
        let sealed = self.sealer.segment_in_place(plain, is_last);
        if is_last || sealed.is_err() {
            self.end_here();
        }
        Poll::Ready(Some(sealed.map_err(io::Error::other)))
    }

    /// Bytes in the segment that is being filled.
    fn filled(&self) -> usize {
        self.room.len() - PREFIX_BYTES
    }

    fn fill(&mut self) {
        if self.filled() == 0 {
            // A short body needs no long room.
            let bytes = match self.announced_bytes {
                Some(bytes) if bytes < SEGMENT_BYTES as u64 => self.rest.len(),
                _ => SEGMENT_BYTES,
            };
            self.room.reserve(bytes + TAG_BYTES);
        }
        let bytes = self.rest.len().min(SEGMENT_BYTES - self.filled());
        self.room.extend_from_slice(&self.rest.split_to(bytes));
    }

    /// Nothing is read or sealed any more.
    fn end_here(&mut self) {
        self.plain = None;
        self.rest.clear();
    }

    fn end(&mut self) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(announced_bytes) = self.announced_bytes
            && announced_bytes != self.taken_bytes
        {
            self.end_here();
            let error = MessageError::Length { announced_bytes };
            return Poll::Ready(Some(Err(io::Error::other(error))));
        }
        self.segment(true)
    }
}

impl<S, E> Stream for Sealed<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<io::Error>,
{
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            let Some(plain) = &mut this.plain else {
                return Poll::Ready(None);
            };
            if !this.rest.is_empty() {
                // A full one stays until something follows it: else it is the last.
                if this.filled() == SEGMENT_BYTES {
                    return this.segment(false);
                }
                this.fill();
                continue;
            }
            match plain.poll_next_unpin(task) {
                Poll::Ready(Some(Ok(piece))) => {
                    this.taken_bytes += piece.len() as u64;
                    this.rest = piece;
                }
                Poll::Ready(Some(Err(error))) => {
                    this.end_here();
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Ready(None) => return this.end(),
                Poll::Pending if this.announced_bytes.is_none() && this.filled() > 0 => {
                    return this.segment(false);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A stream of plain bytes from one of sealed bytes. It ends without an error only if the message
/// was whole and genuine.
pub struct Opened<S> {
    sealed: Option<S>,
    opener: Opener,
}

impl<S> Opened<S> {
    /// Opens what the stream brings after the header; `rest` is what came with the header.
    pub fn new(mut opener: Opener, rest: &[u8], sealed: S) -> Self {
        opener.push(rest);
        Self {
            sealed: Some(sealed),
            opener,
        }
    }
}

impl<S, E> Stream for Opened<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<io::Error>,
{
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let Some(sealed) = &mut this.sealed else {
                return Poll::Ready(None);
            };
            match this.opener.next_segment() {
                // An empty piece means nothing to a reader, and some take it for the end.
                Ok(Some(plain)) if plain.is_empty() => continue,
                Ok(Some(plain)) => return Poll::Ready(Some(Ok(plain))),
                Ok(None) => {}
                Err(error) => return this.fail(error),
            }
            match ready!(sealed.poll_next_unpin(task)) {
                Some(Ok(piece)) => this.opener.push(&piece),
                Some(Err(error)) => {
                    this.sealed = None;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => match this.opener.finish() {
                    Ok(()) => this.sealed = None,
                    Err(error) => return this.fail(error),
                },
            }
        }
    }
}

impl<S> Opened<S> {
    fn fail(&mut self, error: MessageError) -> Poll<Option<io::Result<Bytes>>> {
        self.sealed = None;
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        Poll::Ready(Some(Err(error)))
    }
}

/// Reads a message's header off the front of a stream; returns what came with it as well.
///
/// # Errors
/// The stream fails or ends, or what it brings is no header.
pub async fn read_header<S, E>(sealed: &mut S) -> io::Result<(Header, Bytes)>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<io::Error>,
{
    let invalid = |error: MessageError| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut read = BytesMut::new();
    loop {
        let expected = Header::expected_bytes(&read).map_err(invalid)?;
        if read.len() >= expected {
            let rest = read.split_off(expected).freeze();
            return Ok((Header::parse(&read.freeze()).map_err(invalid)?, rest));
        }
        match sealed.next().await {
            Some(piece) => read.extend_from_slice(&piece.map_err(Into::into)?),
            None => return Err(invalid(MessageError::Truncated)),
        }
    }
}
