//! The sealed notes beside objects.

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, NOTE_MAX_BYTES, Sealed};
use reqwest::{Body, Method, StatusCode};

use crate::support::{App, files, image, new_id, object, random_bytes, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_listed_with_its_object_and_goes_with_it() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (kind, id) = (ObjectKind::Image, owner.put_image(b"x").await);
    let bare = owner.put_image(b"y").await;
    let note = random_bytes(NOTE_MAX_BYTES);
    for note in [b"first".to_vec(), note.clone(), note.clone()] {
        assert_eq!(
            owner.put_note(kind, id, note).await.status(),
            StatusCode::NO_CONTENT
        );
    }
    let listed = owner.all(kind).await;
    assert_eq!(listed[&id].note, Some(Sealed(note)));
    assert_eq!(listed[&bare].note, None);
    assert_eq!(owner.info().await.objects, 2);
    assert_eq!(
        owner.delete(kind, id).await.status(),
        StatusCode::NO_CONTENT
    );
    let name = id.to_string();
    assert!(!files(&app.dir).iter().any(|file| file.ends_with(&name)));
    // The id is free, and the new object has no note.
    owner.put(kind, id, image(b"z")).await;
    assert_eq!(owner.all(kind).await[&id].note, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_results_note_may_come_first() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (kind, id) = (ObjectKind::Result, new_id());
    assert_eq!(
        owner.put_note(kind, id, b"early".to_vec()).await.status(),
        StatusCode::NO_CONTENT
    );
    assert!(owner.all(kind).await.is_empty());
    assert_eq!(owner.info().await.objects, 0);
    refused(owner.get(kind, id).await, ProblemType::ObjectNotFound).await;
    let request = GrantRequest {
        reads: vec![],
        writes: vec![id],
        valid_ms: 60_000,
    };
    let grant = owner.grant(&request).await.grant;
    let stored = owner
        .put_with(&grant, kind, id, object(kind, b"result"))
        .await;
    assert_eq!(stored.status(), StatusCode::CREATED);
    assert_eq!(
        owner.all(kind).await[&id].note,
        Some(Sealed(b"early".to_vec()))
    );
    // A note whose object never came is deleted like one.
    let orphan = new_id();
    owner.put_note(kind, orphan, b"orphan".to_vec()).await;
    assert_eq!(
        owner.delete(kind, orphan).await.status(),
        StatusCode::NO_CONTENT
    );
    refused(
        owner.delete(kind, orphan).await,
        ProblemType::ObjectNotFound,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_notes_are_refused_and_the_old_one_stays() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (kind, id) = (ObjectKind::Image, owner.put_image(b"x").await);
    owner.put_note(kind, id, b"kept".to_vec()).await;
    let large = random_bytes(NOTE_MAX_BYTES + 1);
    refused(
        owner.put_note(kind, id, large.clone()).await,
        ProblemType::TooLarge,
    )
    .await;
    let chunks = large
        .chunks(1000)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let chunks = futures_util::stream::iter(chunks.collect::<Vec<_>>());
    let request = owner.request(Method::PUT, &routes::note(owner.vault, kind, id));
    let answer = request
        .body(Body::wrap_stream(chunks))
        .send()
        .await
        .unwrap();
    refused(answer, ProblemType::TooLarge).await;
    refused(
        owner.put_note(kind, id, vec![]).await,
        ProblemType::MalformedRequest,
    )
    .await;
    let stranger = owner.stranger();
    refused(
        stranger.put_note(kind, id, b"x".to_vec()).await,
        ProblemType::Unauthorized,
    )
    .await;
    assert_eq!(
        owner.all(kind).await[&id].note,
        Some(Sealed(b"kept".to_vec()))
    );
}
