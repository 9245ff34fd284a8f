//! What the fence looks at of a request.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, FORWARDED, HeaderMap, HeaderValue, X_FORWARDED_FOR};
use darkroom_api::routes::{
    GATEWAY_COMPUTE, GATEWAY_PROTECTION, GATEWAY_STORAGE, HEALTH, METRICS, PROTECTION, READY,
};
use ipnet::IpNet;

use crate::settings::ProxyHeader;

const VAULTS: &str = "/v1/vaults/";

/// Whether this is asked by who runs the service, and never limited.
pub(crate) fn is_open(path: &str) -> bool {
    matches!(
        path,
        HEALTH | READY | METRICS | PROTECTION | GATEWAY_PROTECTION
    )
}

/// What belongs to one bucket: the vault in the path, and what is asked with. Nobody has a bucket
/// where neither is there. So nobody can use up what another one has.
pub(crate) fn who<'a>(path: &'a str, headers: &'a HeaderMap) -> Option<(&'a str, &'a [u8])> {
    let vault = vault(path).map(|(vault, _)| vault);
    let credential = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    match (vault, credential) {
        (None, None) => None,
        (vault, credential) => Some((vault.unwrap_or_default(), credential.unwrap_or_default())),
    }
}

/// Whether it would open a vault.
pub(crate) fn opens(method: &Method, path: &str) -> bool {
    *method == Method::PUT && vault(path).is_some_and(|(_, rest)| rest.is_empty())
}

/// The vault and what comes after it.
fn vault(path: &str) -> Option<(&str, &str)> {
    let path = [GATEWAY_STORAGE, GATEWAY_COMPUTE]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix))
        .unwrap_or(path);
    let path = path.strip_prefix(VAULTS)?;
    Some(path.split_once('/').unwrap_or((path, "")))
}

/// The address that counts: the peer's, or if that is a proxy, the one that it says it asks for; `None`
/// if it says none. Of an IPv6 address the network of 64 bits, which one subscriber has.
pub(crate) fn address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    proxies: &[IpNet],
    say: ProxyHeader,
) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    let is_proxy = |address: IpAddr| proxies.iter().any(|net| net.contains(&address));
    let counts = match is_proxy(peer) {
        true => asked_for(headers, say)?,
        false => peer,
    };
    Some(match counts {
        IpAddr::V4(_) => counts,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    })
}

/// The last address: the proxy itself has written it, and those before it may be made up.
fn asked_for(headers: &HeaderMap, say: ProxyHeader) -> Option<IpAddr> {
    let last = |name: &str| {
        let line = headers.get_all(name).last()?.to_str().ok()?;
        line.rsplit(',').next()
    };
    match say {
        ProxyHeader::XForwardedFor => parse(last("x-forwarded-for")?.trim()),
        ProxyHeader::Forwarded => {
            let node = last("forwarded")?.split(';').find_map(|pair| {
                let (name, node) = pair.trim().split_once('=')?;
                name.eq_ignore_ascii_case("for").then_some(node)
            })?;
            parse(node.trim_matches('"'))
        }
    }
}

/// An address, perhaps with a port, perhaps in brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    let address: IpAddr = bare.parse().ok()?;
    Some(address.to_canonical())
}

/// Whether a proxy's line names an address, in either of the headers, and the path a vault; for the
/// fuzz targets.
pub(crate) fn fuzz(path: &str, line: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(line) else {
        return false;
    };
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let says = [
        (FORWARDED, ProxyHeader::Forwarded),
        (X_FORWARDED_FOR, ProxyHeader::XForwardedFor),
    ];
    let named = says.map(|(name, say)| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.clone());
        let found = address(Some(proxy), &headers, &[proxy.into()], say);
        // Nobody but a proxy is believed.
        let stranger = IpAddr::from([203, 0, 113, 9]);
        let theirs = address(Some(stranger), &headers, &[proxy.into()], say);
        assert_eq!(theirs, Some(stranger));
        found.is_some()
    });
    named.contains(&true) | opens(&Method::PUT, path)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_proxies_are_believed_whom_they_ask_for() {
        use ProxyHeader::{Forwarded, XForwardedFor};
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let seen = |peer: &str, say, lines: &[(&'static str, &'static str)]| {
            let peer = peer.parse().unwrap();
            let address = address(Some(peer), &headers(lines), &proxies, say);
            address.map(|address| address.to_string())
        };
        let (outside, client) = ("192.0.2.1", "198.51.100.7");
        for (say, lines) in [
            (Forwarded, &[("forwarded", "for=198.51.100.7")][..]),
            (
                Forwarded,
                &[("forwarded", "for=203.0.113.9, for=198.51.100.7;proto=https")],
            ),
            (
                Forwarded,
                &[
                    ("forwarded", "for=203.0.113.9"),
                    ("forwarded", "proto=http;For=\"198.51.100.7:4711\""),
                ],
            ),
            (
                XForwardedFor,
                &[("x-forwarded-for", "203.0.113.9, 198.51.100.7")],
            ),
            (
                XForwardedFor,
                &[
                    ("forwarded", "for=203.0.113.9"),
                    ("x-forwarded-for", "198.51.100.7"),
                ],
            ),
        ] {
            for proxy in ["10.1.2.3", "::ffff:10.1.2.3", "::1"] {
                assert_eq!(
                    seen(proxy, say, lines).as_deref(),
                    Some(client),
                    "{lines:?}"
                );
            }
            assert_eq!(seen(outside, say, lines).as_deref(), Some(outside));
        }
        let six = [("x-forwarded-for", "2001:db8:1:2:3:4:5:6")];
        let subscriber = seen("::1", XForwardedFor, &six);
        assert_eq!(subscriber.as_deref(), Some("2001:db8:1:2::"));
        let six = [("forwarded", "for=\"[2001:db8:1:2:3:4:5:6]:80\"")];
        assert_eq!(seen("::1", Forwarded, &six), subscriber);
        for (say, nobody) in [
            (Forwarded, &[][..]),
            (Forwarded, &[("forwarded", "for=unknown")]),
            (Forwarded, &[("forwarded", "proto=https")]),
            (Forwarded, &[("x-forwarded-for", "198.51.100.7")]),
            (XForwardedFor, &[("x-forwarded-for", "")]),
            (XForwardedFor, &[("forwarded", "for=198.51.100.7")]),
        ] {
            assert_eq!(seen("10.1.2.3", say, nobody), None, "{nobody:?}");
        }
    }

    #[test]
    fn vaults_are_known_at_storage_and_at_the_gateway() {
        let none = headers(&[]);
        let some = headers(&[("authorization", "Bearer x")]);
        let cases = [
            ("/v1/vaults/ab", Some(("ab", &b""[..]))),
            ("/v1/vaults/ab/images/cd", Some(("ab", b""))),
            ("/api/storage/v1/vaults/ab/log", Some(("ab", b""))),
            ("/v1/jobs", None),
            ("/index.html", None),
        ];
        for (path, expected) in cases {
            assert_eq!(who(path, &none), expected, "{path}");
            let vault = expected.map_or("", |(vault, _)| vault);
            assert_eq!(who(path, &some), Some((vault, &b"Bearer x"[..])), "{path}");
        }
        for (path, expected) in [
            ("/v1/vaults/ab", true),
            ("/api/storage/v1/vaults/ab", true),
            ("/v1/vaults/ab/token", false),
            ("/v1/jobs", false),
        ] {
            assert_eq!(opens(&Method::PUT, path), expected, "{path}");
            assert!(!opens(&Method::GET, path));
        }
    }
}
