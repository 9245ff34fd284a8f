//! What protects each hop of the way, as the ends of its connections see it.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use darkroom_api::protection::{Hop, Party, Protection, Seen};
use darkroom_api::routes::PROTECTION;
use futures_util::future::join;

use crate::error::Service;
use crate::proxy::Proxy;

const GLANCE: Duration = Duration::from_secs(3);

/// Answers [`darkroom_api::routes::GATEWAY_PROTECTION`].
pub(crate) async fn protection(request: &HttpRequest, proxy: &Proxy) -> HttpResponse {
    let (storage, mut compute) =
        join(ask(proxy, Service::Storage), ask(proxy, Service::Compute)).await;
    let beyond = compute.as_mut().and_then(|seen| seen.beyond.take());
    let hop = |from, to, seen| Hop { from, to, seen };
    let here = Some(darkroom_tls::seen(request));
    let hops = vec![
        hop(Party::Browser, Party::Gateway, here),
        hop(Party::Gateway, Party::Storage, storage),
        hop(Party::Gateway, Party::Compute, compute),
        beyond.map_or_else(|| hop(Party::Compute, Party::Storage, None), |hop| *hop),
    ];
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(Protection { hops })
}

/// Asks past the link, for what protects the connection beneath; what the link does, its end here
/// knows itself.
async fn ask(proxy: &Proxy, service: Service) -> Option<Seen> {
    let url = proxy.origin(service).at(PROTECTION, None);
    let answer = proxy.client.get(url).timeout(GLANCE).send().await.ok()?;
    let here = darkroom_tls::is_loopback(&answer);
    let mut seen: Seen = answer.error_for_status().ok()?.json().await.ok()?;
    seen.loopback &= here;
    seen.link = proxy.link(service).map(|link| link.seen());
    Some(seen)
}
