//! The health check of a container: one tiny request to the service on this machine.

use std::io::{Error, Read, Result, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(3);

/// Asks the service that listens at `listen` whether it is alive ([`HEALTH`](crate::routes::HEALTH)) or
/// ready ([`READY`](crate::routes::READY)); an address that means "every interface" is asked on the
/// loopback one.
///
/// # Errors
/// If nobody listens there, no answer comes in time, or the answer is not 200.
pub fn check(listen: SocketAddr, route: &str) -> Result<()> {
    let address = reachable(listen);
    let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let request = format!("GET {route} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    if &status != b"HTTP/1.1 200" {
        let status = String::from_utf8_lossy(&status).into_owned();
        return Err(Error::other(format!("{address} answered {status:?}")));
    }
    Ok(())
}

/// Where this machine itself reaches what listens there: an address that means every interface is
/// asked on the loopback one.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::routes::{HEALTH, READY};

    fn answer(route: &'static str, with: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            let asked = format!("GET {route} HTTP/1.1\r\n");
            assert!(request[..length].starts_with(asked.as_bytes()));
            stream.write_all(with).unwrap();
        });
        address
    }

    #[test]
    fn only_200_is_healthy() {
        for route in [HEALTH, READY] {
            assert!(check(answer(route, b"HTTP/1.1 200 OK\r\n\r\n"), route).is_ok());
            assert!(check(answer(route, b"HTTP/1.1 503 Busy\r\n\r\n"), route).is_err());
            assert!(check(answer(route, b""), route).is_err());
        }
    }
}
