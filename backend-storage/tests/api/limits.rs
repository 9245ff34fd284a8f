//! What a vault may hold.

use darkroom_api::header::{HEADER_BYTES, ObjectKind};
use darkroom_api::problem::ProblemType;
use darkroom_api::storage::GrantRequest;
use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::store::unfinished;
use crate::support::{App, image, new_id, object, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_vault_takes_no_more_until_something_is_deleted() {
    let app = App::start_with(|config| config.limits.objects = 3).await;
    let owner = app.owner().await;
    let (kind, first) = (ObjectKind::Image, owner.put_image(b"1").await);
    owner.put_image(b"2").await;
    let key = object(ObjectKind::EvaluationKey, b"3");
    assert_eq!(
        owner
            .put(ObjectKind::EvaluationKey, new_id(), key)
            .await
            .status(),
        201
    );
    refused(
        owner.put(kind, new_id(), image(b"4")).await,
        ProblemType::VaultFull,
    )
    .await;
    let result = new_id();
    let request = GrantRequest {
        reads: vec![],
        writes: vec![result],
        valid_ms: 60_000,
    };
    let grant = owner.grant(&request).await.grant;
    let bytes = object(ObjectKind::Result, b"4");
    let put = owner
        .put_with(&grant, ObjectKind::Result, result, bytes.clone())
        .await;
    refused(put, ProblemType::VaultFull).await;
    // What is there may be put again, and may have a note; a note alone counts.
    assert_eq!(
        owner.put(kind, first, image(b"1")).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        owner.put_note(kind, first, b"note".to_vec()).await.status(),
        204
    );
    refused(
        owner.put_note(kind, new_id(), b"note".to_vec()).await,
        ProblemType::VaultFull,
    )
    .await;
    assert_eq!(owner.info().await.objects, 3);

    assert_eq!(owner.delete(kind, first).await.status(), 204);
    assert_eq!(
        owner
            .put_note(ObjectKind::Result, result, b"n".to_vec())
            .await
            .status(),
        204
    );
    refused(
        owner.put(kind, new_id(), image(b"4")).await,
        ProblemType::VaultFull,
    )
    .await;
    // The note kept its result's place.
    let put = owner
        .put_with(&grant, ObjectKind::Result, result, bytes)
        .await;
    assert_eq!(put.status(), StatusCode::CREATED);
    refused(
        owner.put(kind, new_id(), image(b"4")).await,
        ProblemType::VaultFull,
    )
    .await;
    // Other vaults have their own room.
    app.owner().await.put_image(b"x").await;
    assert!(unfinished(&app.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_at_once_do_not_get_past_the_limit() {
    let app = App::start_with(|config| config.limits.objects = 5).await;
    let owner = app.owner().await;
    let puts = (0..20u8).map(|at| owner.put(ObjectKind::Image, new_id(), image(&[at; 5000])));
    let statuses: Vec<_> = join_all(puts)
        .await
        .iter()
        .map(|put| put.status().as_u16())
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        5,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 403).count(),
        15,
        "{statuses:?}"
    );
    assert_eq!(owner.all(ObjectKind::Image).await.len(), 5);
    assert!(unfinished(&app.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_limited_too() {
    let app = App::start_with(|config| config.limits.vault_bytes = 1000).await;
    let owner = app.owner().await;
    let kind = ObjectKind::Image;
    let half = image(&[1; 500 - HEADER_BYTES]);
    let first = new_id();
    assert_eq!(owner.put(kind, first, half.clone()).await.status(), 201);
    assert_eq!(owner.put(kind, new_id(), half.clone()).await.status(), 201);
    let detail = refused(
        owner.put(kind, new_id(), image(b"")).await,
        ProblemType::VaultFull,
    )
    .await;
    assert!(detail.contains("1000 bytes"), "{detail}");
    assert_eq!(owner.info().await.bytes, 1000);
    assert_eq!(owner.delete(kind, first).await.status(), 204);
    assert_eq!(owner.put(kind, new_id(), half).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_is_taken_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |config| config.limits.objects = 2).await;
    let owner = app.owner().await;
    owner.put_image(b"1").await;
    assert_eq!(
        owner
            .put_note(ObjectKind::Result, new_id(), b"n".to_vec())
            .await
            .status(),
        204
    );
    app.stop().await;
    let app = App::start_in(dir.path(), |config| config.limits.objects = 2).await;
    let owner = owner.at(&app.address);
    let put = owner.put(ObjectKind::Image, new_id(), image(b"3")).await;
    refused(put, ProblemType::VaultFull).await;
}
