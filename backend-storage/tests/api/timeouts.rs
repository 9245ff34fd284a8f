//! Uploads that are too slow.

use std::time::Duration;

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;

use crate::support::{App, Raw, files, image, new_id, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_upload_ends_with_a_timeout_and_leaves_nothing() {
    let app = App::start_with(|config| config.upload.idle_ms = 200).await;
    let owner = app.owner().await;
    let bytes = image(&[5; 1000]);
    let id = new_id();
    let path = owner.path(ObjectKind::Image, id);
    // Nothing, a part of the header, a part of the payload; with a length and without.
    for sent in [0, 50, 500] {
        let length = format!("Content-Length: {}\r\n", bytes.len());
        let mut raw = Raw::connect(&app.address).await;
        raw.send(&Raw::head(&owner, "PUT", &path, &length)).await;
        raw.send(&bytes[..sent]).await;
        raw.refused(ProblemType::UploadTimeout).await;
        let mut raw = Raw::connect(&app.address).await;
        raw.send(&Raw::head(
            &owner,
            "PUT",
            &path,
            "Transfer-Encoding: chunked\r\n",
        ))
        .await;
        raw.send(b"3e8\r\n").await;
        raw.send(&bytes[..sent]).await;
        raw.refused(ProblemType::UploadTimeout).await;
    }
    for path in [
        routes::note(owner.vault, ObjectKind::Image, id),
        routes::grants(owner.vault),
    ] {
        let method = if path.ends_with("note") {
            "PUT"
        } else {
            "POST"
        };
        let mut raw = Raw::connect(&app.address).await;
        raw.send(&Raw::head(&owner, method, &path, "Content-Length: 100\r\n"))
            .await;
        raw.send(b"{").await;
        raw.refused(ProblemType::UploadTimeout).await;
    }
    refused(
        owner.get(ObjectKind::Image, id).await,
        ProblemType::ObjectNotFound,
    )
    .await;
    assert!(files(&app.dir.join("staging")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trickling_upload_ends_with_a_timeout_too() {
    let app = App::start_with(|config| {
        config.upload.idle_ms = 60_000;
        config.upload.total_ms = 500;
    })
    .await;
    let owner = app.owner().await;
    let path = owner.path(ObjectKind::Image, new_id());
    for framing in [
        "Content-Length: 1000072\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let mut raw = Raw::connect(&app.address).await;
        raw.send(&Raw::head(&owner, "PUT", &path, framing)).await;
        let is_chunked = framing.starts_with('T');
        for byte in image(&vec![0; 1_000_000]).into_iter().take(100) {
            let piece = [b"1\r\n".as_slice(), &[byte], b"\r\n"].concat();
            if !raw
                .try_send(if is_chunked { &piece } else { &piece[3..4] })
                .await
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        raw.refused(ProblemType::UploadTimeout).await;
        // The rest of the request is not awaited for ever.
        let trickle = async {
            while raw
                .try_send(if is_chunked { b"1\r\nx\r\n" } else { b"x" })
                .await
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), trickle)
            .await
            .expect("the connection ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_behind_is_swept() {
    let app = App::start_with(|config| {
        config.upload.total_ms = 100;
        config.sweep.older_than_ms = 200;
        config.sweep.every_ms = 50;
    })
    .await;
    let owner = app.owner().await;
    let kept = owner.put_image(b"kept").await;
    owner
        .put_note(ObjectKind::Image, kept, b"note".to_vec())
        .await;
    let staging = app.dir.join("staging");
    let object = files(&app.dir)
        .into_iter()
        .find(|f| f.ends_with(kept.to_string()))
        .unwrap();
    let folder = object.parent().unwrap();
    // As kills leave them: written to the end, half-written, and half-written elsewhere.
    for left in [
        staging.join("0f"),
        staging.join("0f#1"),
        folder.join("ab#12"),
    ] {
        std::fs::create_dir_all(left.parent().unwrap()).unwrap();
        std::fs::write(&left, b"left").unwrap();
        crate::support::until("the sweep", || !left.exists()).await;
    }
    assert_eq!(owner.read(ObjectKind::Image, kept).await, image(b"kept"));
    assert!(owner.all(ObjectKind::Image).await[&kept].note.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_being_uploaded_is_not_swept() {
    let app = App::start_with(|config| config.sweep.every_ms = 20).await;
    let owner = app.owner().await;
    let bytes = image(&[8; 100_000]);
    let id = new_id();
    let mut raw = Raw::connect(&app.address).await;
    let length = format!("Content-Length: {}\r\n", bytes.len());
    raw.send(&Raw::head(
        &owner,
        "PUT",
        &owner.path(ObjectKind::Image, id),
        &length,
    ))
    .await;
    raw.send(&bytes[..50_000]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    raw.send(&bytes[50_000..]).await;
    assert_eq!(raw.answer().await.0, 201);
    assert_eq!(owner.read(ObjectKind::Image, id).await, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_breaks_off_is_in_the_log() {
    let app = App::start().await;
    let owner = app.owner().await;
    let path = owner.path(ObjectKind::Image, new_id());
    let object = image(&[7; 1000]);
    let mut raw = Raw::connect(&app.address).await;
    let length = format!("Content-Length: {}\r\n", object.len());
    raw.send(&Raw::head(&owner, "PUT", &path, &length)).await;
    raw.send(&object[..500]).await;
    crate::support::until("the upload to begin", || {
        !files(&app.dir.join("staging")).is_empty()
    })
    .await;
    drop(raw);
    let mut tries = 0;
    loop {
        let log = owner.whole_log().await;
        let put = log
            .iter()
            .find(|entry| entry.deed.act == darkroom_api::audit::Act::Put);
        if let Some(put) = put {
            assert_ne!(put.deed.outcome, darkroom_api::audit::Outcome::Done);
            return;
        }
        tries += 1;
        assert!(tries < 100, "{log:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
