//! The description of all routes: it names those that are there, and the page to read it is served.

use std::process::Command;

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_openapi::trial::{described, faults, operations};
use reqwest::Method;
use serde_json::Value;

use crate::strangers;
use crate::support::{App, refused};

fn description() -> Value {
    serde_json::from_str(&backend_storage::openapi().unwrap()).unwrap()
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
    let opening = &description["paths"][routes::VAULT]["put"]["parameters"];
    let mut headers = opening.as_array().unwrap().iter();
    assert!(headers.any(|header| header["name"] == darkroom_api::access::INVITATION));
    let collections = &description["components"]["schemas"]["Collection"]["enum"];
    let segments = ObjectKind::ALL.map(ObjectKind::segment);
    assert_eq!(*collections, serde_json::json!(segments));
    let note = &description["paths"][routes::NOTE]["put"]["requestBody"]["content"];
    let longest = &note["application/octet-stream"]["schema"]["maxLength"];
    assert_eq!(*longest, darkroom_api::storage::NOTE_MAX_BYTES);
    let grant = &description["components"]["schemas"]["GrantRequest"]["properties"];
    for what in ["reads", "writes"] {
        let most = &grant[what]["maxItems"];
        assert_eq!(*most, darkroom_api::storage::GRANT_OBJECTS_MAX);
    }
    let label = &description["components"]["schemas"]["TokenRequest"]["properties"]["label"];
    assert_eq!(label["maxLength"], darkroom_api::access::LABEL_MAX_BYTES);
}

#[test]
fn the_program_prints_it_without_a_configuration() {
    let program = Command::new(env!("CARGO_BIN_EXE_backend-storage"))
        .args(["--openapi", "--config", "/nowhere"])
        .output()
        .unwrap();
    assert!(program.status.success());
    let printed: Value = serde_json::from_slice(&program.stdout).unwrap();
    assert_eq!(printed, description());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_and_so_is_the_page_where_that_is_wanted() {
    let app = App::start().await;
    let url = |path: &str| format!("http://{}{path}", app.address);
    let served = reqwest::get(url(routes::OPENAPI)).await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.json::<Value>().await.unwrap(), description());

    let page = reqwest::get(url(routes::DOCS)).await.unwrap();
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/docs/"));
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    assert!(!page.text().await.unwrap().contains("http"));
    for (file, media_type) in [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("start.js", "text/javascript; charset=utf-8"),
    ] {
        let file = reqwest::get(url(&format!("/docs/{file}"))).await.unwrap();
        assert_eq!(file.status(), 200);
        assert_eq!(file.headers()["content-type"], media_type);
    }

    let without = App::start_with(|config| config.docs_page = false).await;
    let owner = without.owner().await;
    for path in ["/docs", "/docs/", "/docs/start.js"] {
        refused(owner.send(Method::GET, path).await, ProblemType::NotFound).await;
    }
    let described = owner.send(Method::GET, routes::OPENAPI).await;
    assert_eq!(described.status(), 200);
}
