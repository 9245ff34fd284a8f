//! The server.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use darkroom_api::routes::{HEALTH, READY};

use crate::config::Config;
use crate::error::Error;
use crate::headers::secure;
use crate::page::Page;
use crate::proxy::Proxy;
use crate::ready::{alive, ready};

const API: &str = "/api";
const READ: &str = "GET, HEAD";
const KEEP_ALIVE: Duration = Duration::from_secs(75);
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
    let app = move || {
        App::new()
            .app_data(page.clone())
            .app_data(proxy.clone())
            .wrap(from_fn(secure))
            .default_service(web::to(answer))
    };
    let server = HttpServer::new(app)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_S)
        // A client that has gone away ends its request here and in the service behind.
        .h1_allow_half_closed(false)
        .listen(listener)?
        .run();
    Ok(server)
}

/// Says whether a gateway would start with this configuration.
///
/// # Errors
/// Those of [`serve`], save what belongs to the listener.
pub fn check(config: &Config) -> Result<(), Error> {
    Page::load(&config.page_dir)?;
    Proxy::new(config)?;
    Ok(())
}

/// Every request. The path is matched as it came: a router would decode it first.
async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    page: web::Data<Page>,
    proxy: web::Data<Proxy>,
) -> Result<HttpResponse, Error> {
    let path = request.uri().path();
    let under_api = path.strip_prefix(API);
    if under_api.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return proxy.pass(&request, payload).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::MethodNotAllowed {
            method: request.method().to_string(),
            allowed: READ,
        });
    }
    match path {
        HEALTH => Ok(alive()),
        READY => ready(&proxy).await,
        _ => page.answer(&request),
    }
}
