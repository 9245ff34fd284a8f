//! SIGKILL at the worst moments, and what is there after the restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use reqwest::Method;

use crate::store::{SWEEPS_UNFINISHED, objects_in, unfinished};
use crate::support::{
    Owner, Process, Raw, files, image, new_id, random, random_bytes, refused, until,
};

const SWEEP_AT_ONCE: &str = "[upload]\ntotal_ms = 1\n[sweep]\nolder_than_ms = 2\nevery_ms = 50";

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_object_survives_a_kill_right_after() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path(), "");
    let mut owner = Owner::open(&process.address).await;
    let mut kept = BTreeMap::new();
    for length in [0, 1, 80_000, 5_000_000] {
        let payload = random_bytes(length);
        let id = owner.put_image(&payload).await;
        process.kill();
        kept.insert(id, payload);
        process = Process::start(dir.path(), "");
        owner = owner.at(&process.address);
        for (id, payload) in &kept {
            assert_eq!(owner.read(ObjectKind::Image, *id).await, image(payload));
        }
        assert_eq!(owner.info().await.objects, kept.len() as u64);
    }
    // The same for notes, deletions and vaults.
    let (&id, _) = kept.first_key_value().unwrap();
    let kind = ObjectKind::Image;
    assert_eq!(
        owner.put_note(kind, id, b"note".to_vec()).await.status(),
        204
    );
    let second = Owner::open(&process.address).await;
    process.kill();
    process = Process::start(dir.path(), "");
    owner = owner.at(&process.address);
    assert_eq!(second.at(&process.address).info().await.objects, 0);
    assert!(owner.all(kind).await[&id].note.is_some());
    assert_eq!(owner.delete(kind, id).await.status(), 204);
    process.kill();
    process = Process::start(dir.path(), "");
    owner = owner.at(&process.address);
    refused(owner.get(kind, id).await, ProblemType::ObjectNotFound).await;
    process.terminate();
    assert!(process.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_kill_cut_short_is_not_there_and_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), "");
    let owner = Owner::open(&process.address).await;
    let kept = owner.put_image(b"kept").await;
    let bytes = image(&random_bytes(7_000_000));
    let id = new_id();
    let mut raw = Raw::connect(&process.address).await;
    let length = format!("Content-Length: {}\r\n", bytes.len());
    raw.send(&Raw::head(
        &owner,
        "PUT",
        &owner.path(ObjectKind::Image, id),
        &length,
    ))
    .await;
    raw.send(&bytes[..6_000_000]).await;
    let objects = objects_in(dir.path());
    let written = || {
        unfinished(&objects)
            .iter()
            .any(|f| std::fs::metadata(f).unwrap().len() > 0)
    };
    until("a first part on the disk", written).await;
    process.kill();
    assert!(written(), "the kill left it behind");

    let process = Process::start(dir.path(), SWEEP_AT_ONCE);
    let owner = owner.at(&process.address);
    refused(
        owner.get(ObjectKind::Image, id).await,
        ProblemType::ObjectNotFound,
    )
    .await;
    assert_eq!(
        owner
            .all(ObjectKind::Image)
            .await
            .keys()
            .collect::<Vec<_>>(),
        [&kept]
    );
    assert_eq!(owner.info().await.objects, 1);
    if SWEEPS_UNFINISHED {
        until("the sweep", || unfinished(&objects).is_empty()).await;
    }
    assert_eq!(owner.read(ObjectKind::Image, kept).await, image(b"kept"));
}

/// What was sent, and whether it was acknowledged.
pub type Sent = Arc<Mutex<BTreeMap<ObjectId, (Vec<u8>, bool)>>>;

/// Uploads until the service is gone; writes down what was sent and what was acknowledged.
pub async fn upload_on(owner: Owner, sent: Sent, length: usize) {
    loop {
        let (id, bytes) = (new_id(), image(&random_bytes(length)));
        sent.lock().unwrap().insert(id, (bytes.clone(), false));
        let request = owner.request(Method::PUT, &owner.path(ObjectKind::Image, id));
        match request.body(bytes).send().await {
            Ok(answer) if answer.status() == 201 => {
                sent.lock().unwrap().get_mut(&id).unwrap().1 = true;
            }
            Ok(answer) => panic!("{}", answer.status()),
            Err(_) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_among_uploads_lose_nothing_acknowledged_and_show_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let sent = Sent::default();
    let mut process = Process::start(dir.path(), "");
    let mut owner = Owner::open(&process.address).await;
    let acknowledged = || {
        let sent = sent.lock().unwrap();
        sent.values()
            .filter(|(_, acknowledged)| *acknowledged)
            .count()
    };
    for round in 0..8 {
        let before = acknowledged();
        let lengths = [100, 80_000, 80_000, 1_500_000];
        let uploads =
            lengths.map(|length| tokio::spawn(upload_on(owner.clone(), Arc::clone(&sent), length)));
        let [a, b] = random();
        let pause = 50 + u64::from(u16::from_le_bytes([a, b]) % 400);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if round % 2 == 0 {
            until("an acknowledged upload", || acknowledged() > before).await;
        }
        process.kill();
        for upload in uploads {
            upload.await.unwrap();
        }
        process = Process::start(dir.path(), "");
        owner = owner.at(&process.address);
    }
    let listed = owner.all(ObjectKind::Image).await;
    let sent = sent.lock().unwrap().clone();
    let acknowledged = sent.iter().filter(|(_, (_, acknowledged))| *acknowledged);
    for (id, _) in acknowledged.clone() {
        assert!(listed.contains_key(id), "{id} was acknowledged and is gone");
    }
    for id in listed.keys() {
        assert_eq!(
            owner.read(ObjectKind::Image, *id).await,
            sent[id].0,
            "{id} is not whole"
        );
    }
    let acknowledged = acknowledged.count();
    println!(
        "{} sent, {acknowledged} acknowledged, {} there",
        sent.len(),
        listed.len()
    );
    assert!(acknowledged > 0 && listed.len() < sent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_whose_deletion_a_kill_cut_short_is_unreadable_and_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = objects_in(dir.path());
    let process = Process::start(dir.path(), "");
    let owner = Owner::open(&process.address).await;
    let id = owner.put_image(b"secret").await;
    let record = store.join("vaults").join(owner.vault.to_string());
    let object = files(&store)
        .into_iter()
        .find(|f| f.ends_with(id.to_string()))
        .unwrap();
    // Many more objects, so that their deletion takes a while.
    for _ in 0..20_000 {
        std::fs::write(object.with_file_name(new_id().to_string()), b"").unwrap();
    }
    let deletion = {
        let owner = owner.clone();
        let path = routes::vault(owner.vault);
        tokio::spawn(async move { owner.request(Method::DELETE, &path).send().await })
    };
    while record.exists() {
        std::thread::yield_now();
    }
    process.kill();
    assert!(deletion.await.unwrap().is_err(), "killed before the answer");
    println!(
        "{} files were left behind",
        files(&store.join("data")).len()
    );
    assert!(!files(&store.join("data")).is_empty());

    let process = Process::start(dir.path(), "");
    let owner = owner.at(&process.address);
    let answer = owner.send(Method::GET, &routes::vault(owner.vault)).await;
    refused(answer, ProblemType::Unauthorized).await;
    assert_eq!(owner.put_vault().await.status(), 201);
    refused(
        owner.get(ObjectKind::Image, id).await,
        ProblemType::ObjectNotFound,
    )
    .await;
    assert_eq!(owner.info().await.objects, 0);
    until("the sweep", || files(&store.join("data")).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_stop_lets_an_upload_finish() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), "");
    let owner = Owner::open(&process.address).await;
    let bytes = image(&random_bytes(7_000_000));
    let id = new_id();
    let mut raw = Raw::connect(&process.address).await;
    let length = format!("Content-Length: {}\r\n", bytes.len());
    let path = owner.path(ObjectKind::Image, id);
    raw.send(&Raw::head(&owner, "PUT", &path, &length)).await;
    raw.send(&bytes[..6_000_000]).await;
    let objects = objects_in(dir.path());
    until("the upload to begin", || !unfinished(&objects).is_empty()).await;
    process.terminate();
    until("the signal to arrive", || {
        process.log().contains("stopping")
    })
    .await;
    raw.send(&bytes[6_000_000..]).await;
    assert_eq!(raw.answer().await.0, 201);
    assert!(process.wait().success());
    let process = Process::start(dir.path(), "");
    let owner = owner.at(&process.address);
    assert_eq!(owner.read(ObjectKind::Image, id).await, bytes);
}
