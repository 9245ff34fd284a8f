//! The headers that shut the page off from everything else.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use actix_web::middleware::Next;
use darkroom_tls::Connection;

use crate::error::Error;

/// Sent with every response.
const ALWAYS: [(&str, &str); 6] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", PERMISSIONS),
];

// Dropping, picking, pasting and copying need no permission, and the page uses nothing else.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), \
    gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()";

/// Over TLS: a browser that was here once comes by TLS for a year. Not to `localhost`, where it would
/// keep the browser from all else that is developed on that machine.
const STRICT: &str = "max-age=31536000";

pub(crate) const POLICY: HeaderName = HeaderName::from_static("content-security-policy");

/// The policy of what the services answer: data, never a document.
const POLICY_OF_DATA: &str = "default-src 'none'; frame-ancestors 'none'";

/// The policy of the page's files. A worker lives under the policy of its own script, so these need
/// one that lets it compile WebAssembly and reach this origin.
pub(crate) const POLICY_OF_FILES: &str = "default-src 'none'; \
    script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' blob:; \
    object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/// The policy of the page itself.
pub(crate) fn policy_of_page(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; \
         style-src 'self' 'nonce-{nonce}'; img-src 'self' blob: data:; connect-src 'self' blob:; \
         worker-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'none'"
    )
}

/// 128 fresh random bits, hexadecimal.
pub(crate) fn nonce() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(hex::encode(bytes))
}

/// Puts them on every response, errors included.
pub(crate) async fn secure(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let connection = request.conn_data::<Connection>();
    let is_tls = connection.is_some_and(|connection| connection.tls.is_some());
    let is_strict = is_tls && !is_localhost(request.connection_info().host());
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if is_strict {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT));
    }
    if !headers.contains_key(POLICY) {
        headers.insert(POLICY, HeaderValue::from_static(POLICY_OF_DATA));
    }
    Ok(response)
}

fn is_localhost(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_known_with_and_without_its_port() {
        for host in ["localhost", "localhost:7000", "page.localhost:7000"] {
            assert!(is_localhost(host), "{host}");
        }
        for host in [
            "localhost.example.org",
            "example.org:7000",
            "127.0.0.1:7000",
        ] {
            assert!(!is_localhost(host), "{host}");
        }
    }
}
