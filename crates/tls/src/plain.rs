//! Where HTTP without TLS is in order.

use std::net::SocketAddr;

use crate::TlsError;

/// Refuses plain HTTP on an address that other machines can reach, unless it is explicitly allowed.
///
/// # Errors
/// [`TlsError::Plain`].
pub fn check_plain(listen: SocketAddr, has_tls: bool, allowed: bool) -> Result<(), TlsError> {
    match has_tls || allowed || listen.ip().is_loopback() {
        true => Ok(()),
        false => Err(TlsError::Plain { listen }),
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
            let checked = check_plain(listen.parse().unwrap(), tls, allowed);
            assert_eq!(checked.is_ok(), fits, "{listen} {tls} {allowed}");
        }
    }
}
