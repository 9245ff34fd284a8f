//! Bodies that are counted as they pass.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::StreamExt;
use prometheus::{IntCounter, IntGauge};
use tracing::Span;

/// A request's body that counts its bytes.
pub(crate) fn counted(payload: Payload, bytes: IntCounter) -> Payload {
    if matches!(payload, Payload::None) {
        return payload;
    }
    let payload = payload.inspect(move |piece| {
        if let Ok(piece) = piece {
            bytes.inc_by(piece.len() as u64);
        }
    });
    Payload::Stream {
        payload: Box::pin(payload),
    }
}

/// One request in flight, until this is dropped.
pub(crate) struct Flight(Option<IntGauge>);

impl Flight {
    pub(crate) fn begin(gauge: Option<IntGauge>) -> Self {
        gauge.iter().for_each(IntGauge::inc);
        Self(gauge)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.iter().for_each(IntGauge::dec);
    }
}

/// An answer's body: what is done for it is in the request's span, which lasts as long.
pub(crate) struct Answer {
    pub(crate) body: BoxBody,
    pub(crate) span: Span,
    pub(crate) sent: Option<IntCounter>,
    pub(crate) broken: Option<IntCounter>,
    pub(crate) _flight: Flight,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let answer = &mut *self;
        let _in = answer.span.enter();
        let piece = answer.body.as_pin_mut().poll_next(context);
        match &piece {
            Poll::Ready(Some(Ok(piece))) => {
                let sent = answer.sent.iter();
                sent.for_each(|sent| sent.inc_by(piece.len() as u64));
            }
            Poll::Ready(Some(Err(_))) => answer.broken.iter().for_each(IntCounter::inc),
            Poll::Ready(None) | Poll::Pending => {}
        }
        piece
    }
}
