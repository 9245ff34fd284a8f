//! What requests reach, for the fuzz targets: whether it was taken.

use std::path::Path;
use std::sync::Arc;

use actix_web::body::{MessageBody, to_bytes};
use actix_web::http::header::{ACCEPT_ENCODING, HeaderValue, IF_NONE_MATCH};
use actix_web::http::{Uri, Version};
use actix_web::test::TestRequest;
use futures_util::FutureExt;

use crate::config::Origin;
use crate::page;
use crate::target::Target;

/// A path (and query) that is asked for: what is passed on is under `/v1/` of a service, and the
/// service's library reads the same path in it.
pub fn target(bytes: &[u8], origin: &Origin) -> bool {
    let Ok(uri) = Uri::try_from(bytes) else {
        return false;
    };
    let versions = [Version::HTTP_11, Version::HTTP_2];
    let passed = versions.map(|version| {
        Target::parse(&uri, version).is_ok_and(|target| {
            let url = origin.at(target.path, target.query);
            let at_home = origin.at("/", None);
            assert_eq!(url.origin(), at_home.origin());
            assert_eq!(url.path(), target.path);
            assert!(url.path().starts_with("/v1/") && !url.path().contains(".."));
            assert!(url.fragment().is_none());
            true
        })
    });
    passed.contains(&true)
}

/// The page in a folder.
pub struct Page(Arc<page::Page>);

impl Page {
    /// Reads it. Nothing where it is none.
    pub fn load(folder: &Path) -> Option<Self> {
        page::Page::load(folder).ok().map(|page| Self(page.into()))
    }

    /// The body of the answer to a path, with these headers; nothing if it is refused.
    pub fn answer(&self, path: &[u8], encoding: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
        let mut request = TestRequest::get();
        for (name, value) in [(ACCEPT_ENCODING, encoding), (IF_NONE_MATCH, tag)] {
            request = request.insert_header((name, HeaderValue::from_bytes(value).ok()?));
        }
        let uri = Uri::try_from(path).ok()?;
        // As a request brings it, which `TestRequest::uri` does not take without panicking.
        let mut request = request.to_srv_request();
        request.head_mut().uri = uri;
        let answer = self.0.answer(request.request()).ok()?;
        let body = to_bytes(answer.into_body().boxed()).now_or_never()?.ok()?;
        Some(body.to_vec())
    }
}
