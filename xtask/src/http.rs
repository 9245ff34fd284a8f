//! Just enough HTTP to ask a service of ours how it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The status of a `GET` without a body.
pub fn status(address: SocketAddr, path: &str) -> Result<u16> {
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut head = Vec::new();
    stream.take(4096).read_to_end(&mut head)?;
    parse_status(&head)
}

fn parse_status(head: &[u8]) -> Result<u16> {
    let text = String::from_utf8_lossy(head);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    match words.next() {
        Some("HTTP/1.0" | "HTTP/1.1") => {}
        _ => bail!("not an HTTP answer"),
    }
    let code = words.next().context("an HTTP answer without a status")?;
    code.parse()
        .context("an HTTP answer with a status that is no number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_and_nonsense_refused() {
        assert_eq!(
            parse_status(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap(),
            503
        );
        assert_eq!(parse_status(b"HTTP/1.0 200 OK").unwrap(), 200);
        for bad in [&b""[..], b"SSH-2.0-x", b"HTTP/1.1", b"HTTP/1.1 abc"] {
            assert!(parse_status(bad).is_err(), "{bad:?}");
        }
    }
}
