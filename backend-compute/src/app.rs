//! The service: put together, run, stopped.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, dev, web};
use darkroom_openapi::Description;
use darkroom_qkd::link::{LinkMetrics, LinkServer, guard};
use darkroom_rate::{Fence, limit};
use darkroom_telemetry::{Figures, Observer, observe};
use darkroom_tls::{remember, server_config};
use tokio::sync::watch;

use crate::config::{Config, Limits};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::Catalogue;
use crate::queue::Queue;
use crate::routes;
use crate::storage::Storage;
use crate::worker::Worker;

/// How long open connections may go on when everything else has stopped.
const LINGER_S: u64 = 3;

/// How far the service is with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is not stopping.
    Serving,
    /// No new jobs; running images are finished.
    Draining,
    /// Event streams end.
    Closing,
}

/// What the routes need.
#[derive(Debug)]
pub struct State {
    /// The jobs.
    pub queue: Arc<Queue>,
    /// The models.
    pub catalogue: Arc<Catalogue>,
    /// Where images come from and results go.
    pub storage: Arc<Storage>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What callers may ask for.
    pub limits: Limits,
    /// How often event streams look for what nobody announced.
    pub poll: Duration,
    /// Whether the service is stopping.
    pub phase: watch::Receiver<Phase>,
    /// What the routes are.
    pub description: Description,
}

/// A service that listens. It works once [`Server::run`] is polled.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    http: HttpRunner,
    worker: Worker,
    drain: Duration,
    phase: watch::Sender<Phase>,
    stop: watch::Receiver<bool>,
    handle: Handle,
}

/// Asks a [`Server`] to stop.
#[derive(Debug, Clone)]
pub struct Handle(Arc<watch::Sender<bool>>);

impl Handle {
    /// New jobs are refused, running images finished, the rest given back to the queue; then
    /// [`Server::run`] returns.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

struct HttpRunner(dev::Server);

impl std::fmt::Debug for HttpRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpRunner")
    }
}

/// Says whether compute would start with this configuration, its queue aside.
///
/// # Errors
/// Those of [`serve`], save what belongs to the queue and the listener.
pub fn check(config: &Config) -> Result<(), Error> {
    config.check()?;
    Catalogue::new(config)?;
    crate::storage::http_client(config)?;
    for link in [&config.gateway_link, &config.storage_link] {
        link.try_out()?;
    }
    config.tls.as_ref().map(server_config).transpose()?;
    Ok(())
}

/// The description of all routes, OpenAPI 3.1, as JSON.
///
/// # Errors
/// It cannot be written.
pub fn openapi() -> Result<String, Error> {
    let document = darkroom_openapi::finish(&routes::description::describe())?;
    Ok(format!("{document:#}\n"))
}

/// Starts compute on this listener. Queue and models are ready when this returns.
///
/// # Errors
/// A setting makes no sense, a model folder or the database cannot be used.
pub async fn serve(listener: TcpListener, config: Config) -> Result<Server, Error> {
    config.check()?;
    let address = listener.local_addr()?;
    let catalogue = Catalogue::new(&config)?;
    catalogue.current().await?;
    let queue = Arc::new(Queue::open(&config).await?);
    let metrics = Arc::new(Metrics::new()?);
    let storage = Arc::new(Storage::new(&config, Arc::clone(&metrics))?);
    if let Some(link) = storage.link() {
        metrics.add(LinkMetrics::of_client(Arc::clone(link))?)?;
    }
    let link = LinkServer::open([&config.gateway_link])?.map(web::Data::new);
    if let Some(link) = &link {
        metrics.add(LinkMetrics::of_server(link.clone().into_inner())?)?;
    }
    let tls = config.tls.as_ref().map(server_config).transpose()?;
    let worker = Worker::start(
        &config,
        Arc::clone(&queue),
        Arc::clone(&catalogue),
        Arc::clone(&storage),
        Arc::clone(&metrics),
    )?;

    let (phase, phases) = watch::channel(Phase::Serving);
    let poll = Duration::from_millis(config.queue.poll_ms);
    let state = State {
        queue,
        catalogue,
        storage,
        metrics,
        limits: config.limits.clone(),
        poll,
        phase: phases,
        description: Description::new(&routes::description::describe(), config.docs_page)?,
    };
    let state = web::Data::new(state);
    let fence = web::Data::new(Fence::new(&config.rate)?);
    let observer = Observer::of_routes(Figures::new(state.metrics.registry())?);
    let observer = web::Data::new(observer);
    let app = move || {
        App::new()
            .app_data(state.clone())
            .app_data(observer.clone())
            .app_data(fence.clone())
            .wrap(from_fn(limit))
            .wrap(from_fn(guard))
            .wrap(from_fn(observe))
            .configure(|app| {
                if let Some(link) = &link {
                    app.app_data(link.clone());
                }
            })
            .configure(|app| routes::add(app, &state))
    };
    let server = HttpServer::new(app)
        .on_connect(remember)
        .disable_signals()
        .shutdown_timeout(LINGER_S)
        // A client that has gone away ends its event stream.
        .h1_allow_half_closed(false);
    let http = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?.run(),
        None => server.listen(listener)?.run(),
    };
    let (asked, stop) = watch::channel(false);
    let handle = Handle(Arc::new(asked));
    let drain = Duration::from_millis(config.drain_ms);
    Ok(Server {
        address,
        http: HttpRunner(http),
        worker,
        drain,
        phase,
        stop,
        handle,
    })
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stops it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until it is asked to stop and has stopped.
    ///
    /// # Errors
    /// The HTTP server failed.
    pub async fn run(mut self) -> Result<(), Error> {
        let (mut http, phase, drain) = (self.http.0, self.phase, self.drain);
        let web = http.handle();
        let stopping = async move {
            // The sender is in `self.handle`, which lives as long as this function.
            let _ = self.stop.wait_for(|stop| *stop).await;
            tracing::info!(drain_ms = drain.as_millis(), "stopping");
            phase.send_replace(Phase::Draining);
            self.worker.drain(drain).await;
            phase.send_replace(Phase::Closing);
            web.stop(true).await;
        };
        tokio::select! {
            served = &mut http => return Ok(served?),
            () = stopping => {}
        }
        http.await?;
        tracing::info!("stopped");
        Ok(())
    }
}
