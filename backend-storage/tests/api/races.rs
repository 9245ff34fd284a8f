//! Things at the same time.

use std::sync::Arc;

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use futures_util::future::join_all;
use reqwest::{Body, Method, Response, StatusCode};
use tokio::sync::Barrier;

use crate::store::unfinished;
use crate::support::{App, Owner, files, image, new_id, random_bytes, refused};
use darkroom_api::ids::ObjectId;

/// An upload that stops half-way until all others are there too.
pub async fn put_together(
    owner: Owner,
    id: ObjectId,
    bytes: Vec<u8>,
    half: Arc<Barrier>,
) -> Response {
    let rest = bytes[bytes.len() / 2..].to_vec();
    let first = bytes[..bytes.len() / 2].to_vec();
    let chunks = futures_util::stream::unfold(0, move |at| {
        let (first, rest, half) = (first.clone(), rest.clone(), Arc::clone(&half));
        async move {
            match at {
                0 => Some((Ok::<_, std::io::Error>(first), 1)),
                1 => {
                    half.wait().await;
                    Some((Ok(rest), 2))
                }
                _ => None,
            }
        }
    });
    let request = owner.request(Method::PUT, &owner.path(ObjectKind::Image, id));
    request
        .body(Body::wrap_stream(chunks))
        .send()
        .await
        .unwrap()
}

/// The one content that was stored; the others must have been refused.
pub async fn only_winner(contents: &[Vec<u8>], answers: Vec<Response>) -> &Vec<u8> {
    let mut winners = Vec::new();
    for (content, answer) in contents.iter().zip(answers) {
        if answer.status() == StatusCode::CREATED {
            winners.push(content);
        } else {
            refused(answer, ProblemType::ObjectExists).await;
        }
    }
    assert_eq!(winners.len(), 1);
    winners[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn of_different_uploads_of_one_id_exactly_one_wins_whole() {
    let app = App::start().await;
    let owner = app.owner().await;
    for _ in 0..10 {
        let id = new_id();
        let contents: Vec<_> = (0..4).map(|_| image(&random_bytes(2_000_000))).collect();
        let half = Arc::new(Barrier::new(contents.len()));
        let puts = contents
            .iter()
            .map(|bytes| put_together(owner.clone(), id, bytes.clone(), Arc::clone(&half)));
        let winner = only_winner(&contents, join_all(puts).await).await;
        assert_eq!(&owner.read(ObjectKind::Image, id).await, winner);
    }
    assert_eq!(owner.info().await.objects, 10);
    assert!(unfinished(&app.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_equal_uploads_of_one_id_all_are_fine() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (id, bytes) = (new_id(), image(&random_bytes(300_000)));
    let half = Arc::new(Barrier::new(6));
    let puts = (0..6).map(|_| put_together(owner.clone(), id, bytes.clone(), Arc::clone(&half)));
    let mut statuses: Vec<_> = join_all(puts)
        .await
        .iter()
        .map(|put| put.status().as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 201]);
    assert_eq!(owner.read(ObjectKind::Image, id).await, bytes);
    assert_eq!(owner.info().await.objects, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_while_its_object_is_deleted() {
    let app = App::start().await;
    let owner = app.owner().await;
    let payload = random_bytes(20_000_000);
    let id = owner.put_image(&payload).await;
    let mut read = owner.get(ObjectKind::Image, id).await;
    let mut bytes = read.chunk().await.unwrap().unwrap().to_vec();
    assert_eq!(
        owner.delete(ObjectKind::Image, id).await.status(),
        StatusCode::NO_CONTENT
    );
    while let Some(chunk) = read.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes, image(&payload));
    refused(
        owner.get(ObjectKind::Image, id).await,
        ProblemType::ObjectNotFound,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_deleted_among_uploads_keeps_nothing() {
    let app = App::start().await;
    for _ in 0..5 {
        let owner = app.owner().await;
        let puts = (0..12u8).map(|at| owner.put(ObjectKind::Image, new_id(), image(&[at; 9000])));
        let path = darkroom_api::routes::vault(owner.vault);
        let (answers, gone) = tokio::join!(join_all(puts), owner.send(Method::DELETE, &path));
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
        for answer in answers {
            if answer.status() != StatusCode::CREATED {
                refused(answer, ProblemType::Unauthorized).await;
            }
        }
        assert!(files(&app.dir.join("data")).is_empty());
        assert!(unfinished(&app.dir).is_empty());
    }
}
