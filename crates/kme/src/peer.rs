//! The connection to the other node: kept up, by mutual TLS.

use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use crate::core::Core;
use crate::{Error, session};

/// How long the peer may say nothing. Alice asks much more often.
const SILENCE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// How often Bob looks whether Alice is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(5);

/// Alice: connects, again and again, until the node stops.
pub(crate) fn connect(core: &Core, tls: ClientConfig) {
    let tls = Arc::new(tls);
    let mut backoff = BACKOFF_FIRST;
    while !core.is_stopped() {
        let sessions = core.line().sessions;
        let result = dial(core, Arc::clone(&tls));
        ended(core, result);
        if core.line().sessions > sessions {
            backoff = BACKOFF_FIRST;
        }
        core.sleep(backoff);
        backoff = (backoff * 2).min(BACKOFF_LAST);
    }
}

fn dial(core: &Core, tls: Arc<ClientConfig>) -> Result<(), Error> {
    let address = &core.config.peer.address;
    let unusable = |detail: &str| io::Error::new(io::ErrorKind::InvalidInput, detail);
    let host = address
        .rsplit_once(':')
        .map(|(host, _)| host.trim_matches(['[', ']']))
        .ok_or_else(|| unusable("peer.address is not HOST:PORT"))?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| unusable("the host in peer.address is no name"))?;
    let mut tried = unusable("the host in peer.address has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                let connection = ClientConnection::new(tls, name).map_err(io::Error::other)?;
                let stream = prepare(core, stream)?;
                return session::run(core, StreamOwned::new(connection, stream));
            }
            Err(error) => tried = error,
        }
    }
    Err(tried.into())
}

/// Bob: waits for Alice, again and again, until the node stops.
pub(crate) fn accept(core: &Core, listener: &TcpListener, tls: ServerConfig) {
    let tls = Arc::new(tls);
    while !core.is_stopped() {
        match listener.accept() {
            Ok((stream, _)) => {
                let result = serve(core, stream, Arc::clone(&tls));
                ended(core, result);
            }
            // Nobody there: the listener does not block, so that a stop is seen.
            Err(_) => core.sleep(LOOK_EVERY),
        }
    }
}

fn serve(core: &Core, stream: TcpStream, tls: Arc<ServerConfig>) -> Result<(), Error> {
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let stream = prepare(core, stream)?;
    session::run(core, StreamOwned::new(connection, stream))
}

fn prepare(core: &Core, stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    core.watch(Some(stream.try_clone()?));
    Ok(stream)
}

fn ended(core: &Core, result: Result<(), Error>) {
    core.watch(None);
    core.line().connected = false;
    if let (Err(error), false) = (result, core.is_stopped()) {
        tracing::warn!("no session with {}: {error}", core.config.peer.name);
    }
}
