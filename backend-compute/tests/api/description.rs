//! The description of all routes: it names those that are there, and the page to read it is served.

use darkroom_api::compute::JOB_IMAGES_MAX;
use darkroom_api::routes;
use darkroom_openapi::trial::{described, faults, operations};
use serde_json::Value;

use super::strangers;
use super::support::World;

fn description() -> Value {
    serde_json::from_str(&backend_compute::openapi().unwrap()).unwrap()
}

#[test]
fn every_route_is_described_and_no_other() {
    let routes = described(
        strangers::configured(),
        include_str!("../../../crates/api/src/routes.rs"),
    );
    assert_eq!(operations(&description()), routes);
}

#[test]
fn the_description_is_whole() {
    let description = description();
    assert_eq!(faults(&description), Vec::<String>::new());
    let job = &description["components"]["schemas"]["SubmitJob"]["properties"];
    assert_eq!(job["items"]["maxItems"], JOB_IMAGES_MAX);
}

#[tokio::test]
async fn it_is_served_and_so_is_the_page_where_that_is_wanted() {
    let world = World::new().await;
    let compute = world.compute().await;
    let url = |path: &str| format!("{}{path}", compute.base);
    let served = reqwest::get(url(routes::OPENAPI)).await.unwrap();
    assert_eq!(served.json::<Value>().await.unwrap(), description());
    let page = reqwest::get(url(routes::DOCS)).await.unwrap();
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/docs/"));
    assert!(page.headers().contains_key("content-security-policy"));
    let script = reqwest::get(url("/docs/swagger-ui-bundle.js")).await;
    assert_eq!(script.unwrap().status(), 200);
}
