//! Where HTTP without TLS is in order: within one machine, and where it is explicitly allowed.

use std::net::SocketAddr;

use reqwest::Url;

use crate::TlsError;

/// Refuses to listen without TLS where other machines can reach it.
///
/// # Errors
/// [`TlsError::Plain`].
pub fn check_listen(listen: SocketAddr, has_tls: bool, allowed: bool) -> Result<(), TlsError> {
    match has_tls || allowed || listen.ip().is_loopback() {
        true => Ok(()),
        false => Err(TlsError::Plain { listen }),
    }
}

/// Refuses to ask another machine without TLS.
///
/// # Errors
/// [`TlsError::PlainUrl`].
pub fn check_url(url: &Url, allowed: bool) -> Result<(), TlsError> {
    // A URL writes an IPv6 address in brackets.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    match url.scheme() == "https" || allowed || is_here {
        true => Ok(()),
        false => Err(TlsError::PlainUrl {
            url: url.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_the_machine_unless_it_is_allowed() {
        for (listen, tls, allowed, fits) in [
            ("127.0.0.1:1", false, false, true),
            ("[::1]:1", false, false, true),
            ("0.0.0.0:1", false, false, false),
            ("10.0.0.1:1", false, false, false),
            ("[::]:1", false, false, false),
            ("0.0.0.0:1", true, false, true),
            ("0.0.0.0:1", false, true, true),
        ] {
            let checked = check_listen(listen.parse().unwrap(), tls, allowed);
            assert_eq!(checked.is_ok(), fits, "{listen} {tls} {allowed}");
        }
    }

    #[test]
    fn other_machines_are_asked_by_tls_unless_it_is_allowed() {
        for (url, allowed, fits) in [
            ("http://127.0.0.1:7001", false, true),
            ("http://localhost:7001", false, true),
            ("http://[::1]:7001", false, true),
            ("http://storage:7001", false, false),
            ("http://localhost.example", false, false),
            ("http://10.0.0.1", false, false),
            ("http://10.0.0.1", true, true),
            ("https://storage", false, true),
        ] {
            let checked = check_url(&url.parse().unwrap(), allowed);
            assert_eq!(checked.is_ok(), fits, "{url} {allowed}");
        }
    }
}
