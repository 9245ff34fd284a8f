//! The server.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServiceRequest};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use darkroom_api::routes::{
    COMPUTE_PATTERNS, GATEWAY_COMPUTE, GATEWAY_PROTECTION, GATEWAY_STORAGE, HEALTH, METRICS, READY,
    STORAGE_PATTERNS, pattern_of,
};
use darkroom_rate::{Fence, limit};
use darkroom_telemetry::{Figures, Observer, exposition, observe};
use darkroom_tls::{remember, server_config};

use crate::config::Config;
use crate::error::Error;
use crate::headers::secure;
use crate::metrics::Metrics;
use crate::page::Page;
use crate::protection::protection;
use crate::proxy::Proxy;
use crate::ready::{alive, ready};

const API: &str = "/api";
const READ: &str = "GET, HEAD";
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long the head of a request may take: some seconds are little for a busy machine.
const HEAD: Duration = Duration::from_secs(15);
/// Streams of events never end by themselves.
const SHUTDOWN_S: u64 = 5;

/// Starts the gateway on a listener that is bound already; call it inside an actix runtime.
///
/// # Errors
/// If the page is missing or unfit, or the server cannot start.
pub fn serve(listener: TcpListener, config: Config) -> Result<Server, Error> {
    let page = Arc::new(Page::load(&config.page_dir)?);
    page.compress()?;
    let page = web::Data::from(page);
    let proxy = web::Data::new(Proxy::new(&config)?);
    let fence = Fence::new(&config.rate).map_err(|error| Error::Config {
        reason: error.to_string(),
    })?;
    let fence = web::Data::new(fence);
    let metrics = web::Data::new(Metrics::new(&proxy)?);
    let figures = Figures::new(&metrics.registry)?;
    let observer = web::Data::new(Observer { figures, route });
    let tls = config.tls.as_ref().map(server_config).transpose()?;
    let app = move || {
        App::new()
            .app_data(page.clone())
            .app_data(proxy.clone())
            .app_data(metrics.clone())
            .app_data(observer.clone())
            .app_data(fence.clone())
            .wrap(from_fn(limit))
            .wrap(from_fn(secure))
            .wrap(from_fn(observe))
            .default_service(web::to(answer))
    };
    let server = HttpServer::new(app)
        .on_connect(remember)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD)
        .shutdown_timeout(SHUTDOWN_S)
        // A client that has gone away ends its request here and in the service behind.
        .h1_allow_half_closed(false);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// Says whether a gateway would start with this configuration; within a tokio runtime.
///
/// # Errors
/// Those of [`serve`], save what belongs to the listener.
pub fn check(config: &Config) -> Result<(), Error> {
    Page::load(&config.page_dir)?;
    Proxy::try_out(config)?;
    config.tls.as_ref().map(server_config).transpose()?;
    Ok(())
}

/// The pattern of a path: a service's, one of the gateway's own, or all files of the page together.
fn route(request: &ServiceRequest) -> Option<String> {
    let path = request.uri().path();
    if [GATEWAY_PROTECTION, HEALTH, READY, METRICS].contains(&path) {
        return Some(path.to_owned());
    }
    let services = [
        (GATEWAY_STORAGE, STORAGE_PATTERNS),
        (GATEWAY_COMPUTE, COMPUTE_PATTERNS),
    ];
    for (prefix, patterns) in services {
        if let Some(rest) = path.strip_prefix(prefix) {
            return pattern_of(rest, patterns).map(|pattern| format!("{prefix}{pattern}"));
        }
    }
    let is_api = path == API || path.starts_with("/api/");
    (!is_api).then(|| "page".to_owned())
}

/// Every request. The path is matched as it came: a router would decode it first.
async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    page: web::Data<Page>,
    proxy: web::Data<Proxy>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, Error> {
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if path == GATEWAY_PROTECTION && is_read {
        return Ok(protection(&request, &proxy).await);
    }
    let under_api = path.strip_prefix(API);
    if under_api.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        let passed = proxy.pass(&request, payload).await;
        return passed.inspect_err(|error| metrics.failed(error));
    }
    if !is_read {
        return Err(Error::MethodNotAllowed {
            method: request.method().to_string(),
            allowed: READ,
        });
    }
    match path {
        HEALTH => Ok(alive()),
        READY => ready(&proxy).await,
        METRICS => Ok(exposition(&metrics.registry)?),
        _ => page.answer(&request),
    }
}
