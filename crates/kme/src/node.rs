//! A running node.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};
use darkroom_tls::{client_config, remember, server_config};
use rustls::ServerConfig;

use crate::config::{Config, Role};
use crate::core::Core;
use crate::page::Status;
use crate::{Error, etsi, page, peer};

/// How long requests may go on after a stop.
const STOP_SECONDS: u64 = 1;

/// A node that runs in threads of its own until it is stopped or dropped.
pub struct Node {
    core: Arc<Core>,
    etsi: SocketAddr,
    status: SocketAddr,
    peer: Option<SocketAddr>,
    servers: Vec<ServerHandle>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts a node. It listens when this returns; the peer may come later. No runtime is needed, and
/// none is in the way.
///
/// # Errors
/// The configuration, a certificate or the secret cannot be used, or an address is taken.
pub fn start(config: Config) -> Result<Node, Error> {
    let core = Arc::new(Core::new(config)?);
    let config = &core.config;
    let tls = server_config(&config.tls.server())?;
    let (etsi_listener, etsi) = listen(config.listen)?;
    let (status_listener, status) = listen(config.status)?;
    let mut node = Node {
        core: Arc::clone(&core),
        etsi,
        status,
        peer: None,
        servers: Vec::new(),
        threads: Vec::new(),
    };
    node.start_servers(etsi_listener, tls.clone(), status_listener)?;
    match config.role {
        Role::Alice => {
            let tls = client_config(&config.tls.client())?;
            let core = Arc::clone(&core);
            node.threads
                .push(thread::spawn(move || peer::connect(&core, tls)));
        }
        Role::Bob => {
            let (listener, address) = listen(config.peer.listen)?;
            listener.set_nonblocking(true)?;
            node.peer = Some(address);
            let core = Arc::clone(&core);
            let accept = move || peer::accept(&core, &listener, tls);
            node.threads.push(thread::spawn(accept));
        }
    }
    Ok(node)
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl Node {
    /// Where applications ask for keys.
    pub fn etsi_address(&self) -> SocketAddr {
        self.etsi
    }

    /// Where the status page is.
    pub fn status_address(&self) -> SocketAddr {
        self.status
    }

    /// Where Bob waits for Alice.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Lets somebody at this end of the fibre intercept and resend every photon, or no longer.
    pub fn set_eavesdropper(&self, on: bool) {
        self.core.set_eavesdropper(on);
    }

    /// What `/status.json` says.
    pub fn status(&self) -> Status {
        Status::of(&self.core)
    }

    /// Stops, and returns when all threads have ended. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }

    fn start_servers(
        &mut self,
        etsi: TcpListener,
        tls: ServerConfig,
        status: TcpListener,
    ) -> Result<(), Error> {
        let core = web::Data::from(Arc::clone(&self.core));
        let (sender, started) = mpsc::channel();
        self.threads.push(thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let servers = servers(&core, etsi, tls, status);
                match servers {
                    Ok((etsi, status)) => {
                        let handles = vec![etsi.handle(), status.handle()];
                        // The other end waits for it.
                        let _ = sender.send(Ok(handles));
                        let _ = futures_util::join!(etsi, status);
                    }
                    Err(error) => drop(sender.send(Err(error))),
                }
            });
        }));
        let died = |_| Error::Servers {
            detail: "their thread ended".to_owned(),
        };
        self.servers = started.recv().map_err(died)??;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.core.stop();
        for server in &self.servers {
            // The order is given by the call; the end is waited for by its thread.
            drop(server.stop(true));
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the node broke down");
            }
        }
    }
}

fn servers(
    core: &web::Data<Core>,
    etsi: TcpListener,
    tls: ServerConfig,
    status: TcpListener,
) -> Result<(Server, Server), Error> {
    let data = core.clone();
    let etsi = HttpServer::new(move || App::new().app_data(data.clone()).configure(etsi::routes))
        .on_connect(remember)
        .workers(2)
        .shutdown_timeout(STOP_SECONDS)
        .disable_signals()
        .listen_rustls_0_23(etsi, tls)?
        .run();
    let data = core.clone();
    let status = HttpServer::new(move || App::new().app_data(data.clone()).configure(page::routes))
        .workers(1)
        .shutdown_timeout(STOP_SECONDS)
        .disable_signals()
        .listen(status)?
        .run();
    Ok((etsi, status))
}
