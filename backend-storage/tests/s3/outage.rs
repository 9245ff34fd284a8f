//! The bucket cannot be reached, or refuses.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use reqwest::{Method, Response};

use crate::server::SECRET_ACCESS_KEY;
use crate::store::{server, unfinished};
use crate::support::{App, Owner, Process, Raw, image, new_id, random_bytes, refused, until};

/// Asks for everything that needs the store.
async fn ask_all(owner: &Owner) -> Vec<Response> {
    let kind = ObjectKind::Image;
    let list = routes::objects(owner.vault, kind);
    let vault = routes::vault(owner.vault);
    vec![
        owner.send(Method::GET, routes::READY).await,
        owner.get(kind, new_id()).await,
        owner.put(kind, new_id(), image(b"x")).await,
        owner.put_note(kind, new_id(), b"x".to_vec()).await,
        owner.delete(kind, new_id()).await,
        owner.send(Method::GET, &list).await,
        owner.send(Method::GET, &vault).await,
        Owner::new(&owner.address).put_vault().await,
        owner.send(Method::DELETE, &vault).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_said_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let kept = owner.put_image(b"kept").await;
    let server = server(dir.path());
    server.stop();
    let began = Instant::now();
    let answers = ask_all(&owner).await;
    let each = began.elapsed() / u32::try_from(answers.len()).unwrap();
    assert!(each < Duration::from_secs(11), "{each:?}");
    for answer in answers {
        let detail = refused(answer, ProblemType::StorageUnavailable).await;
        assert!(!detail.contains("127.0.0.1"), "{detail}");
    }
    let alive = owner.send(Method::GET, routes::HEALTH).await;
    assert_eq!(alive.status(), 200);
    server.start_again();
    assert_eq!(owner.send(Method::GET, routes::READY).await.status(), 200);
    assert_eq!(owner.read(ObjectKind::Image, kept).await, image(b"kept"));
    owner.put_image(b"after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_refuses_is_no_fault_of_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let kept = owner.put_image(b"kept").await;
    let status = &server(dir.path()).faults.status;
    status.store(403, Ordering::Relaxed);
    for answer in ask_all(&owner).await {
        refused(answer, ProblemType::StorageUnavailable).await;
    }
    status.store(503, Ordering::Relaxed);
    let answer = owner.get(ObjectKind::Image, kept).await;
    refused(answer, ProblemType::StorageUnavailable).await;
    status.store(507, Ordering::Relaxed);
    let answer = owner.put_vault().await;
    refused(answer, ProblemType::DiskFull).await;
    status.store(0, Ordering::Relaxed);
    assert_eq!(owner.read(ObjectKind::Image, kept).await, image(b"kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_did_and_did_not_say_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let lose = &server(dir.path()).faults.lose_answer_to;
    // The first write is that of the trial at the start: it must not take that for a store that does
    // not keep creations apart.
    lose.store(1, Ordering::Relaxed);
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = Owner::new(&app.address);
    let kind = ObjectKind::Image;
    lose.store(1, Ordering::Relaxed);
    assert_eq!(owner.put_vault().await.status(), 200);
    let mut again = 0;
    for (length, writes) in [(100, 1), (7_000_000, 8)] {
        for nth in 1..=writes {
            let (id, bytes) = (new_id(), image(&random_bytes(length)));
            lose.store(nth, Ordering::Relaxed);
            let answer = owner.put(kind, id, bytes.clone()).await;
            assert_eq!(lose.load(Ordering::Relaxed), 0, "{nth}");
            if ![200, 201].contains(&answer.status().as_u16()) {
                refused(answer, ProblemType::StorageUnavailable).await;
                let answer = owner.put(kind, id, bytes.clone()).await;
                assert!([200, 201].contains(&answer.status().as_u16()));
                again += 1;
            }
            assert_eq!(owner.read(kind, id).await, bytes, "{length} {nth}");
        }
    }
    assert_eq!(owner.info().await.objects, 9);
    println!("{again} had to be sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_nothing_is_not_ready_within_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let hang = &server(dir.path()).faults.hang;
    hang.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let answer = owner.send(Method::GET, routes::READY).await;
    refused(answer, ProblemType::StorageUnavailable).await;
    assert!(began.elapsed() < Duration::from_secs(8));
    let alive = owner.send(Method::GET, routes::HEALTH).await;
    assert_eq!(alive.status(), 200);
    hang.store(false, Ordering::Relaxed);
    assert_eq!(owner.send(Method::GET, routes::READY).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_meets_an_outage_is_not_there_and_can_be_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let server = server(dir.path());
    let (bytes, id) = (image(&random_bytes(12_000_000)), new_id());
    let mut raw = Raw::connect(&app.address).await;
    let length = format!("Content-Length: {}\r\n", bytes.len());
    let path = owner.path(ObjectKind::Image, id);
    raw.send(&Raw::head(&owner, "PUT", &path, &length)).await;
    raw.send(&bytes[..6_000_000]).await;
    until("a first part", || !unfinished(&app.dir).is_empty()).await;
    server.stop();
    raw.try_send(&bytes[6_000_000..]).await;
    raw.refused(ProblemType::StorageUnavailable).await;
    server.start_again();
    let answer = owner.get(ObjectKind::Image, id).await;
    refused(answer, ProblemType::ObjectNotFound).await;
    assert_eq!(owner.info().await.objects, 0);
    let again = owner.put(ObjectKind::Image, id, bytes.clone()).await;
    assert_eq!(again.status(), 201);
    assert_eq!(owner.read(ObjectKind::Image, id).await, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_meets_an_outage_goes_on_after_it_or_breaks_off() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let server = server(dir.path());
    let payload = random_bytes(40_000_000);
    let id = owner.put_image(&payload).await;
    let mut read = owner.get(ObjectKind::Image, id).await;
    let mut bytes = read.chunk().await.unwrap().unwrap().to_vec();
    server.stop();
    server.start_again();
    let whole = loop {
        match read.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    let expected = image(&payload);
    assert!(expected.starts_with(&bytes));
    assert!(!whole || bytes.len() == expected.len());
    println!("{} of {} bytes", bytes.len(), expected.len());
    assert_eq!(owner.read(ObjectKind::Image, id).await, expected);
}

#[test]
fn without_its_bucket_it_does_not_start_and_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    server.stop();
    let (_, table) = crate::store::configure_toml(dir.path());
    let message = failed_start(dir.path(), &table);
    let place = "the bucket pictures at http://127.0.0.1:";
    assert!(message.contains(place), "{message}");
    assert!(!message.contains(SECRET_ACCESS_KEY), "{message}");
}

fn failed_start(dir: &Path, settings: &str) -> String {
    let file = dir.join("config.toml");
    std::fs::write(&file, format!("listen = \"127.0.0.1:0\"\n{settings}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_backend-storage"));
    let output = command.arg("--config").arg(&file).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), "log.filter = \"trace\"");
    let owner = Owner::open(&process.address).await;
    owner.put_image(&random_bytes(7_000_000)).await;
    let status = &server(dir.path()).faults.status;
    status.store(403, Ordering::Relaxed);
    let answer = owner.put_vault().await;
    refused(answer, ProblemType::StorageUnavailable).await;
    until("what went wrong in the log", || {
        process.log().contains("403")
    })
    .await;
    assert!(!process.log().contains(SECRET_ACCESS_KEY));
}
