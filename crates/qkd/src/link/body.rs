//! Bodies of requests and answers as streams.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// A request's body as it came. It stays alive when it has ended or failed: while it is there, actix
/// reads on for a moment after a refusal, so that the client sees the answer, and then closes.
#[derive(Clone)]
pub(super) struct Body(Rc<RefCell<Payload>>);

impl Body {
    pub(super) fn of(request: &mut ServiceRequest) -> Self {
        Self(Rc::new(RefCell::new(request.take_payload())))
    }
}

impl Stream for Body {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.0.borrow_mut().poll_next_unpin(task);
        piece.map(|piece| piece.map(|piece| piece.map_err(io::Error::other)))
    }
}

/// The body of an answer as a stream.
pub(super) struct PlainBody(Pin<Box<BoxBody>>);

impl PlainBody {
    pub(super) fn of(body: BoxBody) -> Self {
        Self(Box::pin(body))
    }
}

impl Stream for PlainBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.0.as_mut().poll_next(task);
        piece.map(|piece| piece.map(|piece| piece.map_err(|e| io::Error::other(e.to_string()))))
    }
}
