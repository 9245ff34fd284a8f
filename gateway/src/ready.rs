//! Whether the gateway can do its work: only if both services can.

use std::time::Duration;

use actix_web::HttpResponse;
use darkroom_api::routes::READY;
use futures_util::future::try_join;

use crate::error::{Error, Service};
use crate::proxy::Proxy;

const ANSWER: Duration = Duration::from_secs(5);

/// Answers [`darkroom_api::routes::HEALTH`].
pub(crate) fn alive() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(serde_json::json!({ "status": "alive" }))
}

/// Answers [`READY`].
pub(crate) async fn ready(proxy: &Proxy) -> Result<HttpResponse, Error> {
    try_join(ask(proxy, Service::Storage), ask(proxy, Service::Compute)).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(serde_json::json!({ "status": "ready" })))
}

async fn ask(proxy: &Proxy, service: Service) -> Result<(), Error> {
    let url = proxy.origin(service).at(READY, None);
    let asked = proxy.client.get(url).timeout(ANSWER).send().await;
    match asked {
        Err(error) if error.is_timeout() && !error.is_connect() => Err(Error::Silent {
            service,
            idle_s: ANSWER.as_secs(),
        }),
        Err(_) => Err(Error::Unreachable { service }),
        Ok(response) if !response.status().is_success() => Err(Error::NotReady {
            service,
            status: response.status().as_u16(),
        }),
        Ok(_) => Ok(()),
    }
}
