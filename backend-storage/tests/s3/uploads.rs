//! What only uploads to a bucket have: parts, memory that is shared out, and objects in one request.

use std::sync::atomic::Ordering;
use std::time::Duration;

use backend_storage::S3Create;
use darkroom_api::header::{HEADER_BYTES, ObjectKind};
use darkroom_api::problem::ProblemType;

use crate::store::{server, unfinished};
use crate::support::{App, Raw, files, image, new_id, random_bytes, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_may_come_in_one_request() {
    let dir = tempfile::tempdir().unwrap();
    let faults = &server(dir.path()).faults;
    faults.ignore_on_complete.store(true, Ordering::Relaxed);
    let app = App::start_in(dir.path(), |config| {
        config.s3.as_mut().unwrap().create = S3Create::Put;
    })
    .await;
    let owner = app.owner().await;
    let payload = random_bytes(12_000_000);
    let id = owner.put_image(&payload).await;
    let other = image(&random_bytes(12_000_000));
    refused(
        owner.put(ObjectKind::Image, id, other).await,
        ProblemType::ObjectExists,
    )
    .await;
    assert_eq!(owner.read(ObjectKind::Image, id).await, image(&payload));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_wait_for_memory() {
    let app = App::start_with(|config| {
        config.s3.as_mut().unwrap().buffer_bytes = 5 << 20;
    })
    .await;
    let owner = app.owner().await;
    let (bytes, id) = (image(&random_bytes(7_000_000)), new_id());
    let mut first = Raw::connect(&app.address).await;
    let length = format!("Content-Length: {}\r\n", bytes.len());
    let path = owner.path(ObjectKind::Image, id);
    first.send(&Raw::head(&owner, "PUT", &path, &length)).await;
    first.send(&bytes[..6_000_000]).await;
    crate::support::until("a first part", || !unfinished(&app.dir).is_empty()).await;
    // It has all the memory.
    let second = {
        let owner = owner.clone();
        tokio::spawn(async move { owner.put_image(b"small").await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!second.is_finished());
    first.send(&bytes[6_000_000..]).await;
    assert_eq!(first.answer().await.0, 201);
    second.await.unwrap();
    assert!(unfinished(&app.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_up_to_5_mib_is_one_write_and_a_larger_one_six_and_its_parts_beside_its_entry_in_the_log()
 {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let writes = &server(dir.path()).writes;
    for (payload_bytes, expected) in [
        ((5 << 20) - HEADER_BYTES, 1 + 1),
        ((5 << 20) - HEADER_BYTES + 1, 1 + 6 + 2),
        (12_000_000, 1 + 6 + 3),
    ] {
        let before = writes.load(Ordering::Relaxed);
        owner.put_image(&random_bytes(payload_bytes)).await;
        assert_eq!(writes.load(Ordering::Relaxed) - before, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_in_the_bucket_are_swept() {
    let app = App::start_with(|config| {
        config.upload.total_ms = 100;
        config.sweep.older_than_ms = 200;
        config.sweep.every_ms = 50;
    })
    .await;
    let owner = app.owner().await;
    let kept = owner.put_image(b"kept").await;
    let staging = app.dir.join("staging");
    std::fs::create_dir_all(&staging).unwrap();
    for left in ["0f", "probe-0f"] {
        std::fs::write(staging.join(left), b"left").unwrap();
    }
    crate::support::until("the sweep", || files(&staging).is_empty()).await;
    assert_eq!(owner.read(ObjectKind::Image, kept).await, image(b"kept"));
}
