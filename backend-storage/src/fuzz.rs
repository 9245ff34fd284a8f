//! What requests reach, for the fuzz targets: whether it was taken.

use std::pin::Pin;

use actix_web::error::PayloadError;
use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::{FromRequest, dev, web};
use bytes::Bytes;
use darkroom_api::access::INVITATION;
use darkroom_api::header::ObjectKind;
use futures_util::{FutureExt, Stream, stream};

use crate::auth;
use crate::config::Upload;
use crate::grant;
use crate::upload::{Incoming, check};

/// A grant, first as what is signed, then as what is asked with.
pub fn grant(bytes: &[u8]) -> bool {
    grant::fuzz(bytes)
}

/// What a request is asked with: the values of `Authorization` and of the invitation's header.
pub fn credentials(authorization: &[u8], invitation: &[u8]) -> bool {
    let headers = [authorization, invitation].map(HeaderValue::from_bytes);
    let [Ok(authorization), Ok(invitation)] = headers else {
        return false;
    };
    let request = TestRequest::get()
        .insert_header((AUTHORIZATION, authorization))
        .insert_header((INVITATION, invitation))
        .to_http_request();
    auth::fuzz(&request)
}

/// An object that is uploaded in these pieces, of at most `bytes_max`; `announced` is its
/// `Content-Length`. Its payload's length, if it was taken.
pub async fn upload(
    pieces: Vec<Bytes>,
    announced: Option<u64>,
    kind: ObjectKind,
    bytes_max: u64,
) -> Option<u64> {
    let mut request = TestRequest::put();
    if let Some(announced) = announced {
        request = request.insert_header((CONTENT_LENGTH, announced));
    }
    let request = request.to_http_request();
    let pieces = stream::iter(pieces.into_iter().map(Ok));
    let pieces: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(pieces);
    let mut payload = dev::Payload::from(pieces);
    let payload = web::Payload::from_request(&request, &mut payload).now_or_never()?;
    let mut incoming = Incoming::new(&request, payload.ok()?, &Upload::default());
    check(&mut incoming, kind, bytes_max).await.ok()
}
