//! What passes to a service and back, and what the client is told when none is there.

use std::collections::BTreeMap;

use darkroom_api::problem::ProblemType;
use reqwest::Method;
use serde_json::Value;

use crate::{World, header, nobody, problem};

/// A place in somebody's trace, which goes on behind a gateway that sends none.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[actix_web::test]
async fn a_request_passes_without_what_is_not_for_the_service() {
    let world = World::start();
    let asked = world
        .client
        .put(world.url("/api/storage/v1/echo?after=1&x=%20%2F"))
        .header("authorization", "Bearer 00ff")
        .header("content-type", "application/octet-stream")
        .header("accept", "application/json")
        .header("range", "bytes=0-9")
        .header("if-none-match", "\"t\"")
        .header("last-event-id", "12")
        .header("x-request-id", "analysis-1")
        .header("traceparent", TRACEPARENT)
        .header("cookie", "session=secret")
        .header("referer", "http://here/")
        .header("user-agent", "Browser of one person")
        .header("x-forwarded-for", "192.0.2.1")
        .header("forwarded", "for=192.0.2.1")
        .header("te", "trailers")
        .header("upgrade", "websocket")
        .header("proxy-authorization", "Basic x")
        .header("x-http-method-override", "DELETE")
        .header("accept-encoding", "br")
        .body("the body");
    let response = asked.send().await.unwrap();
    assert_eq!(response.status(), 201);
    let echo: Value = response.json().await.unwrap();
    assert_eq!(echo["method"], "PUT");
    assert_eq!(echo["uri"], "/v1/echo?after=1&x=%20%2F");
    assert_eq!(echo["body"], "the body");
    let headers: BTreeMap<String, String> =
        serde_json::from_value::<Vec<(String, String)>>(echo["headers"].clone())
            .unwrap()
            .into_iter()
            .collect();
    let upstream = world.upstream.address.to_string();
    let expected = BTreeMap::from(
        [
            ("accept", "application/json"),
            ("authorization", "Bearer 00ff"),
            ("content-length", "8"),
            ("content-type", "application/octet-stream"),
            ("host", upstream.as_str()),
            ("if-none-match", "\"t\""),
            ("last-event-id", "12"),
            ("range", "bytes=0-9"),
            ("traceparent", TRACEPARENT),
            ("x-request-id", "analysis-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    assert_eq!(headers, expected);
}

#[actix_web::test]
async fn an_answer_passes_without_what_is_not_for_the_page() {
    let world = World::start();
    let response = world.fetch("/api/compute/v1/echo").await;
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "retry-after"), "7");
    assert_eq!(header(&response, "cache-control"), "no-store");
    for gone in [
        "set-cookie",
        "server",
        "x-internal",
        "access-control-allow-origin",
    ] {
        assert_eq!(header(&response, gone), "", "{gone}");
    }
    let policy = header(&response, "content-security-policy");
    assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'");
}

#[actix_web::test]
async fn every_method_of_the_contract_passes_and_no_other() {
    let world = World::start();
    let url = world.url("/api/storage/v1/echo");
    for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
        let asked = world.client.request(method.clone(), &url);
        let echo: Value = asked.send().await.unwrap().json().await.unwrap();
        assert_eq!(echo["method"], method.as_str());
    }
    let head = world.client.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 201);
    assert_ne!(header(&head, "content-length"), "0");
    let before = world.upstream.seen().len();
    for method in [
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
        Method::from_bytes(b"PURGE").unwrap(),
    ] {
        let response = world.client.request(method, &url).send().await.unwrap();
        assert_eq!(problem(response).await.kind, ProblemType::MethodNotAllowed);
    }
    assert_eq!(world.upstream.seen().len(), before);
}

#[actix_web::test]
async fn validators_pass_both_ways() {
    let world = World::start();
    let url = world.url("/api/storage/v1/tagged");
    let first = world.client.get(&url).send().await.unwrap();
    assert_eq!(header(&first, "etag"), "\"one\"");
    assert_eq!(header(&first, "cache-control"), "no-cache");
    assert_eq!(first.text().await.unwrap(), "tagged");
    let again = world
        .client
        .get(&url)
        .header("if-none-match", "\"one\"")
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(header(&again, "etag"), "\"one\"");
}

#[actix_web::test]
async fn problems_of_a_service_pass_as_they_are() {
    let world = World::start();
    let response = world.fetch("/api/storage/v1/no-such-route").await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.text().await.unwrap(), "unknown to the service");
}

#[actix_web::test]
async fn a_redirect_is_not_followed_and_its_address_not_told() {
    let world = World::start();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let asked = client
        .build()
        .unwrap()
        .get(world.url("/api/storage/v1/moved"));
    let response = asked.send().await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(header(&response, "location"), "");
}

#[actix_web::test]
async fn a_service_that_is_down_is_named_with_the_mend() {
    let world = World::with_compute(nobody());
    let response = world.fetch("/api/compute/v1/models").await;
    assert_eq!(response.status(), 502);
    let told = problem(response).await;
    assert_eq!(told.kind, ProblemType::UpstreamUnreachable);
    assert!(told.detail.contains("cannot reach compute"), "{told}");
    assert!(told.detail.contains("compute_url"), "{told}");
    let other = world.fetch("/api/storage/v1/echo").await;
    assert_eq!(other.status(), 201, "storage goes on");
}

#[actix_web::test]
async fn ready_means_that_both_services_are() {
    let world = World::start();
    assert_eq!(world.fetch("/healthz").await.status(), 200);
    assert_eq!(world.fetch("/readyz").await.status(), 200);
    let lame = World::with_compute(nobody());
    assert_eq!(lame.fetch("/healthz").await.status(), 200);
    let told = problem(lame.fetch("/readyz").await).await;
    assert_eq!(told.kind, ProblemType::UpstreamUnreachable);
    assert!(told.detail.contains("compute"), "{told}");
}
