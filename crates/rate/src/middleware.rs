//! The fence around a service's routes.

use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType};
use darkroom_telemetry::identify;

use crate::asked;
use crate::fence::Fence;

/// For `from_fn`: answers whoever asks too often, in front of everything else. The app's data have a
/// [`Fence`].
///
/// # Errors
/// Those of the service itself.
pub async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let fence = request.app_data::<web::Data<Fence>>().cloned();
    // As the routes see it: decoded.
    let path = request.match_info().as_str();
    let Some(fence) = fence.filter(|_| !asked::is_open(path)) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let headers = request.headers();
    let peer = request.peer_addr().map(|peer| peer.ip());
    let asked = fence.asked(
        asked::address(peer, headers, &fence.proxies, fence.proxies_say),
        asked::who(path, headers),
        asked::opens(request.method(), path),
    );
    if let Err(wait) = fence.admit(asked) {
        return Ok(request.into_response(too_often(wait)));
    }
    let outcome = next.call(request).await;
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    fence.learn(asked, status.as_u16());
    Ok(outcome?.map_into_boxed_body())
}

fn too_often(wait: Duration) -> HttpResponse {
    let wait_s = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    let wait_s = wait_s.max(1);
    let detail = format!("too much was asked from here; ask again in {wait_s} seconds");
    let problem = identify(Problem {
        retry_after_s: Some(wait_s),
        ..Problem::new(ProblemType::RateLimited, detail)
    });
    let mut response = HttpResponse::build(StatusCode::TOO_MANY_REQUESTS)
        .insert_header((RETRY_AFTER, wait_s))
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type(MEDIA_TYPE)
        .body(serde_json::to_string(&problem).unwrap_or_default());
    // Whoever counts problems finds it here.
    response.extensions_mut().insert(problem.kind);
    response
}
