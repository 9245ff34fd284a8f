//! Two processes on one bucket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use tokio::sync::Barrier;

use crate::crash::{Sent, upload_on};
use crate::races::{only_winner, put_together};
use crate::store::{objects_in, unfinished};
use crate::support::{
    Owner, Process, Raw, files, image, new_id, object, random_bytes, refused, until,
};

const KIND: ObjectKind = ObjectKind::Image;

/// Two processes, and one owner at each of them.
struct Pair {
    dir: TempDir,
    _processes: [Process; 2],
    at: [Owner; 2],
}

impl Pair {
    async fn start(settings: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let processes = [(), ()].map(|()| Process::start(dir.path(), settings));
        let owner = Owner::open(&processes[0].address).await;
        let at = [owner.clone(), owner.at(&processes[1].address)];
        Self {
            dir,
            _processes: processes,
            at,
        }
    }

    fn left(&self) -> Vec<std::path::PathBuf> {
        let objects = objects_in(self.dir.path());
        let mut left = unfinished(&objects);
        left.extend(files(&objects.join("data")));
        left
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_different_uploads_of_one_id_exactly_one_wins_whole() {
    let pair = Pair::start("").await;
    // In one request, and in parts.
    for length in [0, 100_000, 5_500_000] {
        let id = new_id();
        let contents = (0..20u8).map(|at| [random_bytes(length), vec![at]].concat());
        let contents: Vec<_> = contents.map(|payload| image(&payload)).collect();
        let half = Arc::new(Barrier::new(contents.len()));
        let puts = contents.iter().enumerate().map(|(at, bytes)| {
            put_together(
                pair.at[at % 2].clone(),
                id,
                bytes.clone(),
                Arc::clone(&half),
            )
        });
        let winner = only_winner(&contents, join_all(puts).await).await;
        for owner in &pair.at {
            assert_eq!(&owner.read(KIND, id).await, winner);
        }
    }
    assert_eq!(pair.left().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_equal_uploads_of_one_id_all_are_fine() {
    let pair = Pair::start("").await;
    for length in [100_000, 5_500_000] {
        let (id, bytes) = (new_id(), image(&random_bytes(length)));
        let half = Arc::new(Barrier::new(20));
        let puts = (0..20).map(|at| {
            put_together(
                pair.at[at % 2].clone(),
                id,
                bytes.clone(),
                Arc::clone(&half),
            )
        });
        let statuses = join_all(puts).await;
        let count = |status| statuses.iter().filter(|put| put.status() == status).count();
        assert_eq!((count(StatusCode::CREATED), count(StatusCode::OK)), (1, 19));
        assert_eq!(pair.at[1].read(KIND, id).await, bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_stores_the_other_lists_reads_and_deletes() {
    let Pair { at: [one, two], .. } = &Pair::start("").await;
    let id = one.put_image(b"picture").await;
    assert_eq!(two.read(KIND, id).await, image(b"picture"));
    assert_eq!(two.put_note(KIND, id, b"note".to_vec()).await.status(), 204);
    assert!(one.all(KIND).await[&id].note.is_some());
    assert_eq!(two.put(KIND, id, image(b"picture")).await.status(), 200);
    refused(
        two.put(KIND, id, image(b"another")).await,
        ProblemType::ObjectExists,
    )
    .await;
    assert_eq!(two.info().await, one.info().await);
    assert_eq!(two.delete(KIND, id).await.status(), 204);
    refused(one.get(KIND, id).await, ProblemType::ObjectNotFound).await;
    assert!(one.all(KIND).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_of_one_are_good_at_the_other_as_long_as_the_vault_is_open() {
    let pair = Pair::start("").await;
    let [one, two] = &pair.at;
    let (id, result) = (one.put_image(b"picture").await, new_id());
    let reads = vec![ObjectRef { kind: KIND, id }];
    let request = GrantRequest {
        reads,
        writes: vec![result],
        valid_ms: 60_000,
    };
    let grant = one.grant(&request).await.grant;
    assert_eq!(two.get_with(&grant, KIND, id).await.status(), 200);
    let bytes = object(ObjectKind::Result, b"score");
    let put = two.put_with(&grant, ObjectKind::Result, result, bytes.clone());
    assert_eq!(put.await.status(), 201);
    assert_eq!(one.read(ObjectKind::Result, result).await, bytes);

    let vault = routes::vault(one.vault);
    assert_eq!(two.send(Method::DELETE, &vault).await.status(), 204);
    for owner in &pair.at {
        refused(owner.get(KIND, id).await, ProblemType::Unauthorized).await;
        let answer = owner.get_with(&grant, KIND, id).await;
        refused(answer, ProblemType::GrantInvalid).await;
    }
    assert_eq!(one.put_vault().await.status(), 201);
    assert_eq!(two.info().await.objects, 0);
    assert!(pair.left().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_agree_on_the_key_of_grants() {
    let dir = TempDir::new().unwrap();
    // The server first, so that they start at the same time.
    crate::store::server(dir.path());
    let starts = [(), (), (), ()].map(|()| {
        let dir = dir.path().to_owned();
        std::thread::spawn(move || Process::start(&dir, ""))
    });
    let processes = starts.map(|start| start.join().unwrap());
    let owner = Owner::open(&processes[0].address).await;
    let id = owner.put_image(b"picture").await;
    let request = GrantRequest {
        reads: vec![ObjectRef { kind: KIND, id }],
        writes: vec![],
        valid_ms: 60_000,
    };
    for minting in &processes {
        let grant = owner.at(&minting.address).grant(&request).await.grant;
        for reading in &processes {
            let answer = owner.at(&reading.address).get_with(&grant, KIND, id).await;
            assert_eq!(answer.status(), 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_at_one_into_a_vault_that_the_other_deletes_leaves_nothing() {
    let pair = Pair::start("").await;
    let [one, two] = &pair.at;
    let bytes = image(&random_bytes(7_000_000));
    let mut upload = Raw::connect(&one.address).await;
    let length = format!("Content-Length: {}\r\n", bytes.len());
    let path = one.path(KIND, new_id());
    upload.send(&Raw::head(one, "PUT", &path, &length)).await;
    upload.send(&bytes[..6_000_000]).await;
    until("a first part", || !pair.left().is_empty()).await;
    let vault = routes::vault(one.vault);
    assert_eq!(two.send(Method::DELETE, &vault).await.status(), 204);
    upload.send(&bytes[6_000_000..]).await;
    upload.refused(ProblemType::Unauthorized).await;
    assert!(pair.left().is_empty());
    // And many small ones.
    for _ in 0..5 {
        assert_eq!(one.put_vault().await.status(), 201);
        let puts = (0..12u8).map(|at| one.put(KIND, new_id(), image(&[at; 9000])));
        let (answers, gone) = tokio::join!(join_all(puts), two.send(Method::DELETE, &vault));
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
        for answer in answers {
            if answer.status() != StatusCode::CREATED {
                refused(answer, ProblemType::Unauthorized).await;
            }
        }
        assert!(pair.left().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_overshoots_at_most_by_what_fits_at_each_process() {
    let pair = Pair::start("limits.objects = 5").await;
    // Both count it empty.
    for owner in &pair.at {
        let put = owner.put(KIND, new_id(), image(b"x")).await;
        assert_eq!(put.status(), 201);
    }
    for owner in &pair.at {
        for at in 0..10u8 {
            let put = owner.put(KIND, new_id(), image(&[at])).await;
            assert!([201, 403].contains(&put.status().as_u16()));
        }
    }
    let there = pair.at[0].info().await.objects;
    assert!((5..=10).contains(&there), "{there}");
    // Whoever counts now takes nothing more.
    let third = Process::start(pair.dir.path(), "limits.objects = 5");
    let owner = pair.at[0].at(&third.address);
    let put = owner.put(KIND, new_id(), image(b"x")).await;
    refused(put, ProblemType::VaultFull).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_one_lose_nothing_acknowledged_and_do_not_touch_the_other() {
    let dir = TempDir::new().unwrap();
    let start = |dir: &Path| Process::start(dir, "");
    let (mut victim, witness) = (start(dir.path()), start(dir.path()));
    let owner = Owner::open(&witness.address).await;
    let sent = Sent::default();
    let at_witness = tokio::spawn(upload_on(owner.clone(), Arc::clone(&sent), 80_000));
    for round in 0..4u64 {
        let uploads = [100, 80_000, 5_500_000].map(|length| {
            let owner = owner.at(&victim.address);
            tokio::spawn(upload_on(owner, Arc::clone(&sent), length))
        });
        tokio::time::sleep(Duration::from_millis(300 + 170 * round)).await;
        victim.kill();
        for upload in uploads {
            upload.await.unwrap();
        }
        victim = start(dir.path());
    }
    assert!(!at_witness.is_finished());
    at_witness.abort();
    let listed = owner.at(&victim.address).all(KIND).await;
    let sent = sent.lock().unwrap().clone();
    let mut acknowledged = 0;
    for (id, (_, is_acknowledged)) in &sent {
        acknowledged += usize::from(*is_acknowledged);
        assert!(!is_acknowledged || listed.contains_key(id), "{id} is gone");
    }
    for id in listed.keys() {
        assert_eq!(owner.read(KIND, *id).await, sent[id].0, "{id} is not whole");
    }
    println!(
        "{} sent, {acknowledged} acknowledged, {} there",
        sent.len(),
        listed.len()
    );
    assert!(acknowledged > 0);
}
