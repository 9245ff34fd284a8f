//! Puts the service together.

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use darkroom_openapi::Description;
use darkroom_qkd::link::{LinkMetrics, LinkServer, guard};
use darkroom_rate::{Fence, limit};
use darkroom_telemetry::{Figures, Observer, observe};
use darkroom_tls::{remember, server_config};
use futures_util::future::BoxFuture;

use crate::clock::SteadyClock;
use crate::config::Config;
use crate::create_only::try_create_only;
use crate::error::Error;
use crate::grant::Signer;
use crate::invitations::Invitations;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::objects::Objects;
use crate::s3::S3Settings;
use crate::store::Store;
use crate::tokens::Tokens;
use crate::vaults::Vaults;
use crate::{routes, sweep};

/// How long a connection whose upload was refused is read on, so that the client sees the answer.
const LINGER: Duration = Duration::from_secs(5);

/// How long the head of a request may take: some seconds are little for a busy machine.
const HEAD: Duration = Duration::from_secs(15);

/// What the handlers work with.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) vaults: Vaults,
    pub(crate) tokens: Tokens,
    pub(crate) invitations: Invitations,
    pub(crate) journal: Arc<Journal>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) signer: Signer,
    pub(crate) clock: SteadyClock,
    pub(crate) metrics: Metrics,
    pub(crate) description: Description,
}

impl State {
    async fn open(config: Config) -> Result<Self, Error> {
        config.validate()?;
        let metrics = Metrics::new()?;
        let store = Store::open(&config, &metrics).await?;
        if store.is_remote() {
            try_create_only(&store).await?;
        }
        let vaults = Vaults::new(store.clone());
        let tokens = Tokens::new(store.clone(), vaults.clone(), config.limits.tokens);
        let invitations = Invitations::new(store.clone());
        let audit = config.audit.clone();
        let journal = Arc::new(Journal::new(store.clone(), vaults.clone(), audit));
        let objects = Arc::new(Objects::new(
            store.clone(),
            vaults.clone(),
            &config,
            metrics.clone(),
        ));
        let signer = Signer::open(&store).await?;
        let description = Description::new(&routes::describe(), config.docs_page)?;
        Ok(Self {
            config,
            store,
            vaults,
            tokens,
            invitations,
            journal,
            objects,
            signer,
            clock: SteadyClock::default(),
            metrics,
            description,
        })
    }
}

/// Serves on a listener until the returned service's handle stops it. The address in the
/// configuration is not looked at. Must be called, and the server awaited, within a tokio runtime;
/// signals are left to the caller.
///
/// # Errors
/// The configuration is not valid, or the store cannot be opened.
pub async fn serve(listener: TcpListener, config: Config) -> Result<Service, Error> {
    let state = web::Data::new(State::open(config).await?);
    let every = Duration::from_millis(state.config.sweep.every_ms);
    let links = [&state.config.gateway_link, &state.config.compute_link];
    let link = LinkServer::open(links)?.map(web::Data::new);
    if let Some(link) = &link {
        let figures = LinkMetrics::of_server(link.clone().into_inner())?;
        state.metrics.registry.register(Box::new(figures))?;
    }
    let observer = Observer::of_routes(Figures::new(&state.metrics.registry)?);
    let observer = web::Data::new(observer);
    let tls = state.config.tls.as_ref().map(server_config).transpose()?;
    let fence = Fence::new(&state.config.rate).map_err(|error| Error::Config {
        detail: error.to_string(),
    })?;
    let fence = web::Data::new(fence);
    let (workers, stop_ms) = (state.config.workers, state.config.stop_ms);
    // The sweep ends with the service: it holds the state only while it works.
    let weak = Arc::downgrade(&state.clone().into_inner());
    let journal = Arc::clone(&state.journal);
    tokio::spawn(sweep::run(weak, every));
    let mut server = HttpServer::new(move || {
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
            .configure(routes::configure)
            .default_service(web::to(routes::no_route))
    })
    .on_connect(remember)
    .tcp_nodelay(true)
    .client_request_timeout(HEAD)
    .client_disconnect_timeout(LINGER)
    .shutdown_timeout(stop_ms.div_ceil(1000))
    .disable_signals();
    if workers > 0 {
        server = server.workers(workers);
    }
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    let server = server.run();
    Ok(Service {
        handle: server.handle(),
        run: Box::pin(async move {
            let outcome = server.await;
            journal.settle_all().await;
            outcome
        }),
    })
}

/// The running service. It ends when its handle stops it and the logs of vaults are written.
pub struct Service {
    handle: ServerHandle,
    run: BoxFuture<'static, io::Result<()>>,
}

impl Service {
    /// What stops it.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

impl Future for Service {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.run.as_mut().poll(context)
    }
}

/// The description of all routes, OpenAPI 3.1, as JSON.
///
/// # Errors
/// It cannot be written.
pub fn openapi() -> Result<String, Error> {
    let document = darkroom_openapi::finish(&routes::describe())?;
    Ok(format!("{document:#}\n"))
}

/// Says whether storage would start with this configuration, its store aside.
///
/// # Errors
/// Those of [`serve`], save what belongs to the store and the listener.
pub fn check(config: &Config) -> Result<(), Error> {
    config.validate()?;
    for link in [&config.gateway_link, &config.compute_link] {
        link.try_out()?;
    }
    config.tls.as_ref().map(server_config).transpose()?;
    config.s3.as_ref().map(S3Settings::client).transpose()?;
    Ok(())
}
