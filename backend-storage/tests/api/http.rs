//! What holds for every route: problems for what is not there, and the health of the service.

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use reqwest::{Method, StatusCode};

use crate::support::{App, Owner, Process, Raw, new_id, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn other_routes_and_methods_are_problems_too() {
    let app = App::start().await;
    let owner = app.owner().await;
    for path in ["/", "/v1", "/v2/vaults", "/v1/vaults/x/y/z/note/more"] {
        refused(owner.send(Method::GET, path).await, ProblemType::NotFound).await;
    }
    let path = format!("{}/things/{}", routes::vault(owner.vault), new_id());
    refused(owner.send(Method::GET, &path).await, ProblemType::NotFound).await;
    let (vault, kind, id) = (owner.vault, ObjectKind::Image, new_id());
    for (method, path, allowed) in [
        (Method::POST, routes::vault(vault), "DELETE, GET, PUT"),
        (Method::GET, routes::grants(vault), "POST"),
        (Method::POST, routes::objects(vault, kind), "GET"),
        (
            Method::PATCH,
            routes::object(vault, kind, id),
            "DELETE, GET, PUT",
        ),
        (Method::GET, routes::note(vault, kind, id), "PUT"),
        (Method::DELETE, routes::note(vault, kind, id), "PUT"),
        (Method::POST, routes::HEALTH.to_owned(), "GET"),
    ] {
        let answer = owner.send(method, &path).await;
        assert_eq!(answer.headers()["allow"], allowed);
        refused(answer, ProblemType::MethodNotAllowed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_alive_and_ready_as_long_as_the_store_works() {
    let app = App::start().await;
    let owner = app.owner().await;
    for path in [routes::HEALTH, routes::READY] {
        let answer = owner.send(Method::GET, path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
    }
    // The store's folder for uploads becomes a file: nothing can be written any more.
    let staging = app.dir.join("staging");
    let _ = std::fs::remove_dir_all(&staging);
    std::fs::write(&staging, b"in the way").unwrap();
    let answer = owner.send(Method::GET, routes::READY).await;
    let detail = refused(answer, ProblemType::StorageUnavailable).await;
    assert!(!detail.contains("staging"), "{detail}");
    assert_eq!(
        owner.send(Method::GET, routes::HEALTH).await.status(),
        StatusCode::OK
    );
    let put = owner
        .put(ObjectKind::Image, new_id(), crate::support::image(b"x"))
        .await;
    refused(put, ProblemType::Internal).await;
    std::fs::remove_file(&staging).unwrap();
    assert_eq!(
        owner.send(Method::GET, routes::READY).await.status(),
        StatusCode::OK
    );
    owner.put_image(b"x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_requests() {
    let app = App::start().await;
    let owner = app.owner().await;
    let path = routes::vault(owner.vault);
    let mut raw = Raw::connect(&app.address).await;
    for _ in 0..3 {
        raw.send(&Raw::head(&owner, "GET", &path, "")).await;
        assert_eq!(raw.answer().await.0, 200);
        raw.send(&Raw::head(&owner, "POST", &path, "")).await;
        raw.refused(ProblemType::MethodNotAllowed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_routes_and_no_secrets() {
    for format in ["text", "json"] {
        let dir = tempfile::tempdir().unwrap();
        let settings = format!("[log]\nformat = \"{format}\"\nfilter = \"debug\"");
        let process = Process::start(dir.path(), &settings);
        let owner = Owner::open(&process.address).await;
        let id = owner.put_image(b"x").await;
        owner.read(ObjectKind::Image, id).await;
        let reads = vec![ObjectRef {
            kind: ObjectKind::Image,
            id,
        }];
        let request = GrantRequest {
            reads,
            writes: vec![],
            valid_ms: 60_000,
        };
        let grant = owner.grant(&request).await.grant;
        owner.get_with(&grant, ObjectKind::Image, id).await;
        owner.stranger().get(ObjectKind::Image, id).await;
        owner.send(Method::GET, "/nothing/here").await;
        until("the last line", || process.log().contains("404")).await;
        let log = process.log();
        for told in [
            routes::VAULT,
            routes::OBJECT,
            routes::GRANTS,
            "201",
            "401",
            "duration_ms",
        ] {
            assert!(log.contains(told), "{told}: {log}");
        }
        let secrets = [owner.token.danger_reveal(), grant];
        for secret in secrets
            .iter()
            .chain([&owner.vault.to_string(), &id.to_string()])
        {
            assert!(!log.contains(secret.as_str()), "{log}");
        }
    }
}
