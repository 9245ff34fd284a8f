//! What protects a connection, read off the connection.

use std::any::Any;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use darkroom_api::protection::{Seen, Tls};
use rustls::ServerConnection;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A connection that a server has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// What was negotiated; nothing on plain HTTP.
    pub tls: Option<Tls>,
    /// The common name in the client's certificate, which was verified.
    pub client: Option<String>,
}

/// For `HttpServer::on_connect`: requests then find a [`Connection`] by `conn_data`.
pub fn remember(io: &dyn Any, data: &mut Extensions) {
    let tls = io.downcast_ref::<TlsStream<TcpStream>>();
    data.insert(match tls {
        Some(stream) => of(stream.get_ref().1),
        None => Connection {
            tls: None,
            client: None,
        },
    });
}

/// What protects the connection on which this was asked: the answer of
/// [`darkroom_api::routes::PROTECTION`]. Sealed links are seen by their clients.
pub fn seen(request: &HttpRequest) -> Seen {
    let peer = request.peer_addr();
    let tls = request.conn_data::<Connection>();
    Seen {
        loopback: peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()),
        tls: tls.and_then(|connection| connection.tls.clone()),
        link: None,
        beyond: None,
    }
}

fn of(connection: &ServerConnection) -> Connection {
    let group = connection.negotiated_key_exchange_group();
    let suite = connection.negotiated_cipher_suite();
    let client = connection
        .peer_certificates()
        .and_then(|chain| common_name(chain.first()?));
    let tls = Tls {
        key_exchange: group.map_or_else(String::new, |group| format!("{:?}", group.name())),
        cipher_suite: suite.map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
        client_certificate: connection.peer_certificates().is_some(),
    };
    Connection {
        tls: Some(tls),
        client,
    }
}

fn common_name(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    Some(name.as_str().ok()?.to_owned())
}
