//! Opening, describing and deleting vaults.

use std::collections::BTreeSet;

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef, VaultInfo};
use reqwest::{Method, StatusCode};

use crate::store::unfinished;
use crate::support::{App, Owner, Raw, files, image, new_id, random, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_opens_and_only_its_token_opens_again() {
    let app = App::start().await;
    let owner = Owner::new(&app.address);
    let first = owner.put_vault().await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: VaultInfo = first.json().await.unwrap();
    assert_eq!(
        (first.vault, first.objects, first.bytes),
        (owner.vault, 0, 0)
    );
    assert_eq!(
        (first.objects_max, first.object_bytes_max),
        (10_000, 256 << 20)
    );
    let again = owner.put_vault().await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<VaultInfo>().await.unwrap(), first);
    assert_eq!(owner.info().await, first);
    refused(
        owner.stranger().put_vault().await,
        ProblemType::Unauthorized,
    )
    .await;
    assert_eq!(owner.info().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_open_a_vault_at_once_one_token_wins() {
    let app = App::start().await;
    let one = Owner::new(&app.address);
    let callers: Vec<_> = (0..8).map(|_| one.stranger()).collect();
    let answers = callers.iter().map(|caller| caller.put_vault());
    let answers = futures_util::future::join_all(answers).await;
    let created = answers
        .iter()
        .filter(|answer| answer.status() == StatusCode::CREATED)
        .count();
    assert_eq!(created, 1);
    for (caller, answer) in callers.iter().zip(answers) {
        if answer.status() == StatusCode::CREATED {
            caller.info().await;
        } else {
            refused(answer, ProblemType::Unauthorized).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_hash_of_the_token_is_kept() {
    let app = App::start().await;
    let owner = app.owner().await;
    owner.put_image(b"x").await;
    let secret = owner.token.danger_reveal();
    let hash = owner.token.hash().to_string();
    let contents: Vec<_> = files(&app.dir)
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let holds = |needle: &[u8]| {
        contents
            .iter()
            .any(|content| content.windows(needle.len()).any(|part| part == needle))
    };
    assert!(holds(hash.as_bytes()));
    assert!(!holds(secret.as_bytes()));
    let bytes = (0..32).map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap());
    assert!(!holds(&bytes.collect::<Vec<_>>()));
}

/// Every route but the one that opens, with a method that it takes.
fn routes_of(owner: &Owner) -> Vec<(Method, String)> {
    let (vault, id) = (owner.vault, new_id());
    let mut all = vec![
        (Method::GET, routes::vault(vault)),
        (Method::DELETE, routes::vault(vault)),
        (Method::POST, routes::grants(vault)),
    ];
    for kind in ObjectKind::ALL {
        all.push((Method::GET, routes::objects(vault, kind)));
        all.push((Method::GET, routes::object(vault, kind, id)));
        all.push((Method::PUT, routes::object(vault, kind, id)));
        all.push((Method::DELETE, routes::object(vault, kind, id)));
        all.push((Method::PUT, routes::note(vault, kind, id)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_cannot_be_told_from_an_unknown_vault() {
    let app = App::start().await;
    let owner = app.owner().await;
    let kept = owner.put_image(b"kept").await;
    let (stranger, nowhere) = (owner.stranger(), Owner::new(&app.address));
    for ((method, known), (_, unknown)) in routes_of(&owner).into_iter().zip(routes_of(&nowhere)) {
        let mut bodies = Vec::new();
        for path in [known, unknown] {
            let answer = stranger.send(method.clone(), &path).await;
            // The map of headers has no order of its own.
            let headers = answer.headers().keys().map(ToString::to_string);
            let headers: BTreeSet<_> = headers.collect();
            let body = refused(answer, ProblemType::Unauthorized).await;
            bodies.push((headers, body));
        }
        assert_eq!(bodies[0], bodies[1], "{method}");
    }
    assert_eq!(owner.read(ObjectKind::Image, kept).await, image(b"kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_token_opens_nothing() {
    let app = App::start().await;
    let owner = app.owner().await;
    let good = owner.token.danger_reveal();
    let bad = [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        format!("Bearer {}", &good[..63]),
        format!("Bearer {good}0"),
        format!("Bearer  {good}"),
        format!("Bearer {good} "),
        format!("Bearer {}", "z".repeat(64)),
        format!("Basic {good}"),
        format!("Grant {good}"),
        good.clone(),
        format!("Bearer {}", "é".repeat(32)),
    ];
    let path = routes::vault(owner.vault);
    for value in bad {
        let request = owner.http.get(format!("http://{}{path}", app.address));
        let value = reqwest::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        // A trailing space is no part of a header's value, so that one is the token itself.
        let is_token = value.as_bytes().trim_ascii_end() == format!("Bearer {good}").as_bytes();
        let answer = request
            .header("authorization", &value)
            .send()
            .await
            .unwrap();
        if is_token {
            assert_eq!(answer.status(), StatusCode::OK);
        } else if value.as_bytes().starts_with(b"Grant") {
            refused(answer, ProblemType::GrantInvalid).await;
        } else {
            refused(answer, ProblemType::Unauthorized).await;
        }
    }
    let without = owner
        .http
        .get(format!("http://{}{path}", app.address))
        .send()
        .await
        .unwrap();
    assert_eq!(without.headers()["www-authenticate"], "Bearer");
    refused(without, ProblemType::Unauthorized).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_vault_is_gone_and_nothing_of_it_comes_back() {
    let app = App::start().await;
    let owner = app.owner().await;
    let other = app.owner().await;
    let id = owner.put_image(b"secret ciphertext").await;
    owner
        .put_note(ObjectKind::Image, id, b"sealed".to_vec())
        .await;
    let others = other.put_image(b"another's").await;
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

    let gone = owner
        .send(Method::DELETE, &routes::vault(owner.vault))
        .await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    for (method, path) in routes_of(&owner) {
        refused(owner.send(method, &path).await, ProblemType::Unauthorized).await;
    }
    let image = ObjectKind::Image;
    refused(
        owner.get_with(&grant, image, id).await,
        ProblemType::GrantInvalid,
    )
    .await;
    let vault = owner.vault.to_string();
    let left: Vec<_> = files(&app.dir);
    assert!(
        left.iter()
            .all(|file| !file.to_string_lossy().contains(&vault)),
        "{left:?}"
    );

    // Whoever opens it again, with whatever token, finds it empty; old grants stay dead.
    let next = owner.stranger();
    assert_eq!(next.put_vault().await.status(), StatusCode::CREATED);
    assert_eq!(next.info().await.objects, 0);
    refused(next.get(image, id).await, ProblemType::ObjectNotFound).await;
    refused(
        next.get_with(&grant, image, id).await,
        ProblemType::GrantInvalid,
    )
    .await;
    assert!(next.list(image, "").await.objects.is_empty());
    assert_eq!(
        other.read(image, others).await,
        crate::support::image(b"another's")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_into_a_vault_that_is_deleted_meanwhile_leaves_nothing() {
    let app = App::start().await;
    let owner = app.owner().await;
    let object = image(&[7; 7_000_000]);
    let path = owner.path(ObjectKind::Image, new_id());
    let mut upload = Raw::connect(&app.address).await;
    let length = format!("Content-Length: {}\r\n", object.len());
    upload.send(&Raw::head(&owner, "PUT", &path, &length)).await;
    upload.send(&object[..6_000_000]).await;
    until("the upload to begin", || !unfinished(&app.dir).is_empty()).await;
    let gone = owner
        .send(Method::DELETE, &routes::vault(owner.vault))
        .await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    upload.send(&object[6_000_000..]).await;
    upload.refused(ProblemType::Unauthorized).await;
    assert!(unfinished(&app.dir).is_empty());
    assert!(files(&app.dir.join("data")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn content_whose_vault_is_closed_is_unreadable_and_swept_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let (owner, store) = (app.owner().await, app.dir.clone());
    let id = owner.put_image(b"left behind").await;
    let kept = Owner::open(&app.address).await;
    let kept_id = kept.put_image(b"kept").await;
    app.stop().await;
    // As if the service had been killed in the middle of the deletion.
    std::fs::remove_file(store.join("vaults").join(owner.vault.to_string())).unwrap();

    let app = App::start_in(dir.path(), |_| {}).await;
    let (owner, kept) = (owner.at(&app.address), kept.at(&app.address));
    refused(
        owner.get(ObjectKind::Image, id).await,
        ProblemType::Unauthorized,
    )
    .await;
    assert_eq!(owner.put_vault().await.status(), StatusCode::CREATED);
    refused(
        owner.get(ObjectKind::Image, id).await,
        ProblemType::ObjectNotFound,
    )
    .await;
    let name = id.to_string();
    until("the sweep", || {
        !files(&store).iter().any(|file| file.ends_with(&name))
    })
    .await;
    assert_eq!(kept.read(ObjectKind::Image, kept_id).await, image(b"kept"));
    let fresh = owner.put_image(&random::<9>()).await;
    assert!(owner.all(ObjectKind::Image).await.contains_key(&fresh));
}
