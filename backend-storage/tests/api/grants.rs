//! Grants: what they open, and all that they do not.

use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GRANT_OBJECTS_MAX, GrantRequest, ObjectRef};
use reqwest::{Method, StatusCode};

use crate::support::{App, Owner, image, new_id, object, refused};

fn read_image(id: ObjectId) -> GrantRequest {
    let reads = vec![ObjectRef {
        kind: ObjectKind::Image,
        id,
    }];
    GrantRequest {
        reads,
        writes: vec![],
        valid_ms: 60_000,
    }
}

fn write_result(id: ObjectId) -> GrantRequest {
    GrantRequest {
        reads: vec![],
        writes: vec![id],
        valid_ms: 60_000,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_reads_and_writes_what_it_names() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (image_id, key_id, result_id) = (owner.put_image(b"x").await, new_id(), new_id());
    let key = object(ObjectKind::EvaluationKey, b"key");
    owner
        .put(ObjectKind::EvaluationKey, key_id, key.clone())
        .await;
    let reads = vec![
        ObjectRef {
            kind: ObjectKind::Image,
            id: image_id,
        },
        ObjectRef {
            kind: ObjectKind::EvaluationKey,
            id: key_id,
        },
    ];
    let request = GrantRequest {
        reads,
        writes: vec![result_id],
        valid_ms: 60_000,
    };
    let grant = owner.grant(&request).await;
    assert!(grant.grant.bytes().all(|byte| byte.is_ascii_graphic()));

    for _twice in 0..2 {
        let read = owner
            .get_with(&grant.grant, ObjectKind::Image, image_id)
            .await;
        assert_eq!(read.bytes().await.unwrap(), image(b"x"));
        let read = owner
            .get_with(&grant.grant, ObjectKind::EvaluationKey, key_id)
            .await;
        assert_eq!(read.bytes().await.unwrap(), key);
    }
    let result = object(ObjectKind::Result, b"result");
    for expected in [StatusCode::CREATED, StatusCode::OK] {
        let put = owner
            .put_with(&grant.grant, ObjectKind::Result, result_id, result.clone())
            .await;
        assert_eq!(put.status(), expected);
    }
    let other = object(ObjectKind::Result, b"another");
    let put = owner
        .put_with(&grant.grant, ObjectKind::Result, result_id, other)
        .await;
    refused(put, ProblemType::ObjectExists).await;
    assert_eq!(owner.read(ObjectKind::Result, result_id).await, result);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_does_nothing_else() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (granted, other) = (owner.put_image(b"x").await, owner.put_image(b"y").await);
    let result = new_id();
    let mut request = read_image(granted);
    request.writes.push(result);
    let grant = owner.grant(&request).await.grant;
    let kinds = ObjectKind::ALL;
    let mut answers = vec![
        owner.get_with(&grant, kinds[0], other).await,
        owner.get_with(&grant, kinds[1], granted).await,
        owner.get_with(&grant, kinds[2], granted).await,
        owner.get_with(&grant, kinds[2], result).await,
        owner.put_with(&grant, kinds[0], granted, image(b"x")).await,
        owner.put_with(&grant, kinds[0], result, image(b"x")).await,
        owner
            .put_with(&grant, kinds[1], result, object(kinds[1], b"x"))
            .await,
        owner
            .put_with(&grant, kinds[2], granted, object(kinds[2], b"x"))
            .await,
        owner
            .put_with(&grant, kinds[2], new_id(), object(kinds[2], b"x"))
            .await,
    ];
    let vault = owner.vault;
    for (method, path) in [
        (Method::GET, routes::vault(vault)),
        (Method::DELETE, routes::vault(vault)),
        (Method::POST, routes::grants(vault)),
        (Method::GET, routes::objects(vault, kinds[0])),
        (Method::DELETE, routes::object(vault, kinds[0], granted)),
        (Method::DELETE, routes::object(vault, kinds[2], result)),
        (Method::PUT, routes::note(vault, kinds[0], granted)),
        (Method::PUT, routes::note(vault, kinds[2], result)),
    ] {
        let request = owner.request_as(method, &path, &format!("Grant {grant}"));
        answers.push(request.send().await.unwrap());
    }
    for answer in answers {
        refused(answer, ProblemType::GrantRefused).await;
    }
    // It opens no vault, not even its own, and it is no bearer token.
    let open = owner.request_as(
        Method::PUT,
        &routes::vault(vault),
        &format!("Grant {grant}"),
    );
    refused(open.send().await.unwrap(), ProblemType::Unauthorized).await;
    let path = owner.path(kinds[0], granted);
    let bearer = owner.request_as(Method::GET, &path, &format!("Bearer {grant}"));
    refused(bearer.send().await.unwrap(), ProblemType::Unauthorized).await;
    assert_eq!(owner.all(kinds[0]).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_for_its_own_vault() {
    let app = App::start().await;
    let (owner, other) = (app.owner().await, app.owner().await);
    let id = new_id();
    owner.put(ObjectKind::Image, id, image(b"mine")).await;
    other.put(ObjectKind::Image, id, image(b"theirs")).await;
    let grant = owner.grant(&read_image(id)).await.grant;
    let answer = other.get_with(&grant, ObjectKind::Image, id).await;
    refused(answer, ProblemType::GrantRefused).await;
    let unknown = Owner::new(&app.address);
    let answer = unknown.get_with(&grant, ObjectKind::Image, id).await;
    refused(answer, ProblemType::GrantRefused).await;
    // Another storage has another key.
    let elsewhere = App::start().await;
    let there = owner.at(&elsewhere.address);
    assert_eq!(there.put_vault().await.status(), StatusCode::CREATED);
    let answer = there.get_with(&grant, ObjectKind::Image, id).await;
    refused(answer, ProblemType::GrantInvalid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends() {
    let app = App::start_with(|config| config.limits.grant_ms = 120_000).await;
    let owner = app.owner().await;
    let id = owner.put_image(b"x").await;
    let mut request = read_image(id);
    request.valid_ms = u64::MAX;
    let before = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let capped = owner.grant(&request).await;
    let valid = u128::from(capped.not_after_ms) - before.as_millis();
    assert!((120_000..180_000).contains(&valid), "{valid}");
    request.valid_ms = 1;
    let short = owner.grant(&request).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let answer = owner.get_with(&short.grant, ObjectKind::Image, id).await;
    refused(answer, ProblemType::GrantExpired).await;
    let write = new_id();
    let short = owner
        .grant(&GrantRequest {
            valid_ms: 1,
            ..write_result(write)
        })
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let result = object(ObjectKind::Result, b"x");
    let answer = owner
        .put_with(&short.grant, ObjectKind::Result, write, result)
        .await;
    refused(answer, ProblemType::GrantExpired).await;
    assert!(owner.all(ObjectKind::Result).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_character_of_a_grant_can_be_changed() {
    let app = App::start().await;
    let owner = app.owner().await;
    let id = owner.put_image(b"x").await;
    let mut request = read_image(id);
    request.writes.push(new_id());
    let grant = owner.grant(&request).await.grant;
    for at in 0..grant.len() {
        let mut forged = grant.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let answer = owner.get_with(&forged, ObjectKind::Image, id).await;
        refused(answer, ProblemType::GrantInvalid).await;
    }
    let all = [
        &grant[1..],
        &grant[..grant.len() - 1],
        "",
        "x",
        "é",
        &grant.repeat(2),
    ];
    for forged in all
        .map(str::to_owned)
        .into_iter()
        .chain([format!("{grant}A"), format!("{grant} ,")])
    {
        let answer = owner.get_with(&forged, ObjectKind::Image, id).await;
        // Without its trailing space an empty grant is no credential at all, nor is what is not ASCII.
        let expected = if forged.is_empty() || !forged.is_ascii() {
            ProblemType::Unauthorized
        } else {
            ProblemType::GrantInvalid
        };
        refused(answer, expected).await;
    }
    assert_eq!(
        owner.get_with(&grant, ObjectKind::Image, id).await.status(),
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_survive_a_restart_and_end_with_the_key_that_signed_them() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let id = owner.put_image(b"x").await;
    let grant = owner.grant(&read_image(id)).await.grant;
    app.stop().await;
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = owner.at(&app.address);
    assert_eq!(
        owner.get_with(&grant, ObjectKind::Image, id).await.status(),
        StatusCode::OK
    );
    std::fs::remove_file(app.dir.join("server/grant-key")).unwrap();
    app.stop().await;
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = owner.at(&app.address);
    let old = owner.get_with(&grant, ObjectKind::Image, id).await;
    refused(old, ProblemType::GrantInvalid).await;
    let grant = owner.grant(&read_image(id)).await.grant;
    let new = owner.get_with(&grant, ObjectKind::Image, id).await;
    assert_eq!(new.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_for_grants_are_refused() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (image, result) = (new_id(), new_id());
    let with = |reads: Vec<ObjectRef>, writes: Vec<ObjectId>, valid_ms| {
        serde_json::to_vec(&GrantRequest {
            reads,
            writes,
            valid_ms,
        })
        .unwrap()
    };
    let image = ObjectRef {
        kind: ObjectKind::Image,
        id: image,
    };
    let bad = [
        with(vec![], vec![], 1000),
        with(vec![image], vec![], 0),
        with(
            vec![ObjectRef {
                kind: ObjectKind::Result,
                id: result,
            }],
            vec![],
            1000,
        ),
        with(vec![image; GRANT_OBJECTS_MAX], vec![result], 1000),
        b"".to_vec(),
        b"[]".to_vec(),
        b"{\"reads\":[],\"writes\":[],\"valid_ms\":-1}".to_vec(),
        b"{\"reads\":[],\"writes\":[\"../../x\"],\"valid_ms\":1}".to_vec(),
        b"{\"reads\":[],\"writes\":[],\"valid_ms\":1,\"more\":1}".to_vec(),
        vec![0xff; 100],
        vec![b'['; 100_000],
    ];
    let path = routes::grants(owner.vault);
    for body in bad {
        let answer = owner
            .request(Method::POST, &path)
            .body(body)
            .send()
            .await
            .unwrap();
        refused(answer, ProblemType::MalformedRequest).await;
    }
    let answer = owner
        .request(Method::POST, &path)
        .body(vec![b' '; 200_000])
        .send()
        .await
        .unwrap();
    refused(answer, ProblemType::TooLarge).await;
    // Owners do not write results: only what compute made of their images is one.
    let result_path = owner.path(ObjectKind::Result, result);
    let body = object(ObjectKind::Result, b"x");
    let answer = owner
        .request(Method::PUT, &result_path)
        .body(body)
        .send()
        .await
        .unwrap();
    refused(answer, ProblemType::GrantRefused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_grant_fits_into_a_header() {
    let app = App::start().await;
    let owner = app.owner().await;
    let id = owner.put_image(b"x").await;
    let mut reads = vec![ObjectRef {
        kind: ObjectKind::Image,
        id,
    }];
    reads.extend((1..256).map(|_| ObjectRef {
        kind: ObjectKind::Image,
        id: new_id(),
    }));
    let writes: Vec<_> = (0..256).map(|_| new_id()).collect();
    let last = writes[255];
    let grant = owner
        .grant(&GrantRequest {
            reads,
            writes,
            valid_ms: 60_000,
        })
        .await
        .grant;
    assert_eq!(
        owner.get_with(&grant, ObjectKind::Image, id).await.status(),
        StatusCode::OK
    );
    let result = object(ObjectKind::Result, b"x");
    let put = owner
        .put_with(&grant, ObjectKind::Result, last, result)
        .await;
    assert_eq!(put.status(), StatusCode::CREATED);
}
