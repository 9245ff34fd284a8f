//! Which path of which service a request means, if it means one at all.

use actix_web::http::{Uri, Version};
use darkroom_api::routes::{GATEWAY_COMPUTE, GATEWAY_STORAGE};

use crate::error::{Error, Service};

const VERSION: &str = "/v1/";
const PATH_BYTES_MAX: usize = 512;
const QUERY_BYTES_MAX: usize = 2048;

/// A path that may be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub service: Service,
    pub path: &'a str,
    pub query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Nothing is decoded or normalised here: what is not plain already is refused, so that gateway
    /// and service cannot read one path in two ways.
    pub(crate) fn parse(uri: &'a Uri, version: Version) -> Result<Self, Error> {
        let (service, path) = [
            (Service::Storage, GATEWAY_STORAGE),
            (Service::Compute, GATEWAY_COMPUTE),
        ]
        .into_iter()
        .find_map(|(service, prefix)| Some((service, uri.path().strip_prefix(prefix)?)))
        .ok_or(Error::NotFound)?;
        // From HTTP/2 on every request names it, in place of the header `Host`.
        if uri.authority().is_some() && version < Version::HTTP_2 {
            return Err(Error::PathRefused);
        }
        let segments = path.strip_prefix(VERSION).ok_or(Error::NotFound)?;
        if path.len() > PATH_BYTES_MAX || !segments.split('/').all(is_plain) {
            return Err(Error::PathRefused);
        }
        let query = uri.query();
        if query.is_some_and(|query| query.len() > QUERY_BYTES_MAX) {
            return Err(Error::PathRefused);
        }
        Ok(Self {
            service,
            path,
            query,
        })
    }
}

fn is_plain(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !segment.is_empty() && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Service, String, Option<String>), Error> {
        let uri: Uri = text.parse().unwrap();
        let target = Target::parse(&uri, Version::HTTP_11)?;
        let query = target.query.map(str::to_owned);
        Ok((target.service, target.path.to_owned(), query))
    }

    #[test]
    fn plain_paths_lose_their_prefix() {
        assert_eq!(
            parse("/api/storage/v1/vaults/0a/images/1b?after=2").unwrap(),
            (
                Service::Storage,
                "/v1/vaults/0a/images/1b".into(),
                Some("after=2".into())
            )
        );
        assert_eq!(
            parse("/api/compute/v1/models/chest-view").unwrap(),
            (Service::Compute, "/v1/models/chest-view".into(), None)
        );
    }

    #[test]
    fn http_2_names_the_host_in_every_request() {
        let uri: Uri = "https://darkroom.example/api/storage/v1/x".parse().unwrap();
        assert_eq!(Target::parse(&uri, Version::HTTP_2).unwrap().path, "/v1/x");
    }

    #[test]
    fn everything_else_is_refused() {
        for absent in [
            "/",
            "/api",
            "/api/",
            "/api/other/v1/x",
            "/api/storage",
            "/api/storage/",
            "/api/storage/v1",
            "/api/storage/healthz",
            "/api/storage/docs",
            "/api/storage/docs/start.js",
            "/api/storage/metrics",
            "/api/compute/metrics",
            "/api/compute/readyz",
            "/api/storage/v2/x",
            "/api/storage//v1/x",
            "/api/storage/../v1/x",
            "/api/storagev1/x",
            "/api/storage%2fv1/x",
            "//api/storage/v1/x",
        ] {
            assert!(matches!(parse(absent), Err(Error::NotFound)), "{absent}");
        }
        let long = format!("/api/storage/v1/{}", "x".repeat(PATH_BYTES_MAX));
        let query = format!("/api/storage/v1/x?{}", "x".repeat(QUERY_BYTES_MAX + 1));
        for refused in [
            "/api/storage/v1/",
            "/api/storage/v1/../healthz",
            "/api/storage/v1/./x",
            "/api/storage/v1/x//y",
            "/api/storage/v1/x/",
            "/api/storage/v1/openapi.json",
            "/api/storage/v1/%2e%2e/healthz",
            "/api/storage/v1/x%2fy",
            "/api/storage/v1/x%00",
            "/api/storage/v1/x;y",
            "http://elsewhere.example/api/storage/v1/x",
            &long,
            &query,
        ] {
            assert!(
                matches!(parse(refused), Err(Error::PathRefused)),
                "{refused}"
            );
        }
    }
}
