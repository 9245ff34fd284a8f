//! Storing, reading, listing and deleting objects.

use darkroom_api::header::{HEADER_BYTES, ObjectKind};
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectInfo};
use reqwest::{Body, Method, StatusCode};

use crate::support::{App, describe, image, new_id, object, random_bytes, refused};

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_stored_read_and_deleted() {
    let app = App::start().await;
    let owner = app.owner().await;
    for kind in ObjectKind::ALL {
        let (id, payload) = (new_id(), random_bytes(3_000_000));
        let bytes = object(kind, &payload);
        let request = GrantRequest {
            reads: vec![],
            writes: vec![id],
            valid_ms: 60_000,
        };
        let stored = match kind {
            ObjectKind::Result => {
                let grant = owner.grant(&request).await.grant;
                owner.put_with(&grant, kind, id, bytes.clone()).await
            }
            _ => owner.put(kind, id, bytes.clone()).await,
        };
        assert_eq!(stored.status(), StatusCode::CREATED);
        let info: ObjectInfo = stored.json().await.unwrap();
        let header = describe(kind, &payload);
        assert_eq!(
            (info.id, info.kind, info.bytes),
            (id, kind, bytes.len() as u64)
        );
        assert_eq!((info.parameters, info.key), (header.parameters, header.key));
        assert_eq!(info.sha256, hex::encode(header.sha256));
        assert!(info.note.is_none() && info.created_ms > 1_600_000_000_000);

        let read = owner.get(kind, id).await;
        assert_eq!(read.status(), StatusCode::OK);
        assert_eq!(read.headers()["content-type"], "application/octet-stream");
        assert_eq!(read.headers()["content-length"], bytes.len().to_string());
        let tag = format!("\"{}\"", info.sha256);
        assert_eq!(read.headers()["etag"], tag);
        assert_eq!(read.bytes().await.unwrap(), bytes);
        let request = owner.request(Method::GET, &owner.path(kind, id));
        let same = request.header("if-none-match", tag).send().await.unwrap();
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(owner.list(kind, "").await.objects, [info]);

        assert_eq!(
            owner.delete(kind, id).await.status(),
            StatusCode::NO_CONTENT
        );
        refused(owner.get(kind, id).await, ProblemType::ObjectNotFound).await;
        refused(owner.delete(kind, id).await, ProblemType::ObjectNotFound).await;
        assert!(owner.list(kind, "").await.objects.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_around_the_header_and_the_parts_come_back_whole() {
    let app = App::start().await;
    let owner = app.owner().await;
    let lengths = [1 << 20, 5 << 20].map(|part| {
        [
            part - HEADER_BYTES - 1,
            part - HEADER_BYTES,
            part - HEADER_BYTES + 1,
            2 * part - HEADER_BYTES,
            2 * part + 1,
        ]
    });
    for length in [0, 1].into_iter().chain(lengths.into_iter().flatten()) {
        let payload = random_bytes(length);
        let id = owner.put_image(&payload).await;
        assert_eq!(
            owner.read(ObjectKind::Image, id).await,
            image(&payload),
            "{length}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_may_come_in_any_chunks_without_a_length() {
    let app = App::start().await;
    let owner = app.owner().await;
    let bytes = image(&random_bytes(5000));
    for size in [1, 7, 71, 72, 73, 4096] {
        let chunks: Vec<_> = bytes
            .chunks(size)
            .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
            .collect();
        let body = Body::wrap_stream(futures_util::stream::iter(chunks));
        let id = new_id();
        let request = owner.request(Method::PUT, &owner.path(ObjectKind::Image, id));
        let stored = request.body(body).send().await.unwrap();
        assert_eq!(stored.status(), StatusCode::CREATED, "{size}");
        assert_eq!(owner.read(ObjectKind::Image, id).await, bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_object_twice_is_fine_and_another_is_a_conflict() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (kind, id) = (ObjectKind::Image, new_id());
    let first = owner.put(kind, id, image(b"one")).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: ObjectInfo = first.json().await.unwrap();
    let again = owner.put(kind, id, image(b"one")).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<ObjectInfo>().await.unwrap(), first);
    refused(
        owner.put(kind, id, image(b"two")).await,
        ProblemType::ObjectExists,
    )
    .await;

    // The same payload under another key is another object.
    let mut other_key = image(b"one");
    other_key[20] ^= 1;
    refused(
        owner.put(kind, id, other_key).await,
        ProblemType::ObjectExists,
    )
    .await;
    // A header that promises the same object does not make it one.
    let mut damaged = image(b"one");
    *damaged.last_mut().unwrap() ^= 1;
    refused(
        owner.put(kind, id, damaged).await,
        ProblemType::DigestMismatch,
    )
    .await;
    assert_eq!(owner.read(kind, id).await, image(b"one"));
    assert_eq!(owner.info().await.objects, 1);

    // Deleted twice, and then the id is free again.
    assert_eq!(
        owner.delete(kind, id).await.status(),
        StatusCode::NO_CONTENT
    );
    refused(owner.delete(kind, id).await, ProblemType::ObjectNotFound).await;
    assert_eq!(
        owner.put(kind, id, image(b"two")).await.status(),
        StatusCode::CREATED
    );
    assert_eq!(owner.read(kind, id).await, image(b"two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_names_an_object_in_each_collection_and_vault() {
    let app = App::start().await;
    let (owner, other) = (app.owner().await, app.owner().await);
    let id = new_id();
    let key = object(ObjectKind::EvaluationKey, b"key");
    owner.put(ObjectKind::Image, id, image(b"mine")).await;
    owner.put(ObjectKind::EvaluationKey, id, key.clone()).await;
    other.put(ObjectKind::Image, id, image(b"theirs")).await;
    assert_eq!(owner.read(ObjectKind::Image, id).await, image(b"mine"));
    assert_eq!(owner.read(ObjectKind::EvaluationKey, id).await, key);
    assert_eq!(other.read(ObjectKind::Image, id).await, image(b"theirs"));
    other.delete(ObjectKind::Image, id).await;
    assert_eq!(owner.read(ObjectKind::Image, id).await, image(b"mine"));
    // What only another vault has is not there.
    let foreign = other.put_image(b"foreign").await;
    refused(
        owner.get(ObjectKind::Image, foreign).await,
        ProblemType::ObjectNotFound,
    )
    .await;
    refused(
        owner.delete(ObjectKind::Image, foreign).await,
        ProblemType::ObjectNotFound,
    )
    .await;
    let path = other.path(ObjectKind::Image, foreign);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        refused(owner.send(method, &path).await, ProblemType::Unauthorized).await;
    }
    assert_eq!(
        other.read(ObjectKind::Image, foreign).await,
        image(b"foreign")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_sorted_and_paged() {
    let app = App::start().await;
    let owner = app.owner().await;
    let mut ids: Vec<ObjectId> = Vec::new();
    for at in 0..7 {
        ids.push(owner.put_image(&[at]).await);
    }
    ids.sort();
    let kind = ObjectKind::Image;
    let all = owner.list(kind, "").await;
    assert!(!all.more);
    assert_eq!(
        all.objects
            .iter()
            .map(|object| object.id)
            .collect::<Vec<_>>(),
        ids
    );
    let first = owner.list(kind, "?limit=3").await;
    assert!(first.more);
    assert_eq!(first.objects, all.objects[..3]);
    let next = owner
        .list(kind, &format!("?limit=4&after={}", ids[2]))
        .await;
    assert!(!next.more);
    assert_eq!(next.objects, all.objects[3..]);
    // An id that is not there is a place to go on from as well; too high a limit is the highest.
    let between = ObjectId([0; 16]);
    assert_eq!(
        owner
            .list(kind, &format!("?limit=99999&after={between}"))
            .await,
        all
    );
    let end = owner.list(kind, &format!("?after={}", ids[6])).await;
    assert!(end.objects.is_empty() && !end.more);

    for query in [
        "?limit=0",
        "?limit=-1",
        "?limit=x",
        "?after=1",
        "?afer=1",
        "?limit=1&limit=2",
    ] {
        let path = format!("{}{query}", routes::objects(owner.vault, kind));
        let answer = owner.send(Method::GET, &path).await;
        refused(answer, ProblemType::MalformedRequest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_at_most_200() {
    let app = App::start().await;
    let owner = app.owner().await;
    let puts = (0..203u8).map(|at| {
        let owner = owner.clone();
        async move { owner.put_image(&[at]).await }
    });
    use futures_util::StreamExt;
    futures_util::stream::iter(puts)
        .buffer_unordered(8)
        .collect::<Vec<_>>()
        .await;
    let page = owner.list(ObjectKind::Image, "").await;
    assert_eq!((page.objects.len(), page.more), (200, true));
    assert_eq!(owner.all(ObjectKind::Image).await.len(), 203);
    assert_eq!(owner.info().await.objects, 203);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_hides_no_other() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (good, bad) = (
        owner.put_image(b"good").await,
        owner.put_image(b"bad").await,
    );
    damage(&app, bad, b"DARK");
    let listed = owner.all(ObjectKind::Image).await;
    assert_eq!(listed.keys().collect::<Vec<_>>(), [&good]);
    refused(
        owner.get(ObjectKind::Image, bad).await,
        ProblemType::Internal,
    )
    .await;
    assert_eq!(
        owner.delete(ObjectKind::Image, bad).await.status(),
        StatusCode::NO_CONTENT
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_can_be_put_again() {
    // Full with these two: what is put again takes the room of what was damaged.
    let app = App::start_with(|config| config.limits.objects = 2).await;
    let owner = app.owner().await;
    let (kind, whole) = (ObjectKind::Image, image(b"whole"));
    let ids = [
        owner.put_image(b"whole").await,
        owner.put_image(b"whole").await,
    ];
    let noted = owner.put_note(kind, ids[0], b"note".to_vec()).await;
    assert_eq!(noted.status(), StatusCode::NO_CONTENT);
    for (id, length) in [(ids[0], 20), (ids[1], whole.len() - 1), (ids[0], 70)] {
        damage(&app, id, &whole[..length]);
        // A broken upload leaves things as they are.
        let mut broken = whole.clone();
        *broken.last_mut().unwrap() ^= 1;
        let answer = owner.put(kind, id, broken).await;
        refused(answer, ProblemType::DigestMismatch).await;
        refused(owner.get(kind, id).await, ProblemType::Internal).await;

        let answer = owner.put(kind, id, whole.clone()).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(owner.read(kind, id).await, whole);
        let listed = owner.all(kind).await;
        assert_eq!(listed[&id].note.is_some(), id == ids[0]);
        let answer = owner.put(kind, id, image(b"other")).await;
        refused(answer, ProblemType::ObjectExists).await;
        let answer = owner.put(kind, new_id(), whole.clone()).await;
        refused(answer, ProblemType::VaultFull).await;
    }
    assert_eq!(owner.delete(kind, ids[0]).await.status(), 204);
    owner.put_image(b"the next").await;
    assert_eq!(owner.info().await.objects, 2);
}

/// Puts this in the place of an image's file.
fn damage(app: &App, id: ObjectId, content: &[u8]) {
    let name = format!("{}/{id}", ObjectKind::Image.segment());
    let files = crate::support::files(&app.dir);
    let file = files.iter().find(|file| file.ends_with(&name)).unwrap();
    std::fs::write(file, content).unwrap();
}
