//! Clocks that jump by hours, at a real process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use darkroom_api::audit::{LogPage, check_chain};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use reqwest::Method;

use crate::support::{Owner, Process, Raw, image, new_id, random_bytes, refused, until};

const IMAGE: ObjectKind = ObjectKind::Image;
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Everything older than minutes is deleted, all the time.
const IMPATIENT: &str = "[retention]\nimages_ms = 600000\n[upload]\ntotal_ms = 500000\n\
    [sweep]\nolder_than_ms = 600000\nevery_ms = 50\n[audit]\nkeep_ms = 600000\nreads_ms = 10\n";

/// A process whose clock is as far from the machine's as a file says.
struct Jumping {
    process: Process,
    offset: PathBuf,
}

impl Jumping {
    fn start(dir: &Path) -> Option<Self> {
        if !Path::new(LIBRARY).exists() {
            println!("SKIPPED: Debian's package faketime is not installed");
            return None;
        }
        let offset = dir.join("offset");
        std::fs::write(&offset, "+0").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_backend-storage"));
        command
            .env("LD_PRELOAD", LIBRARY)
            .env("FAKETIME_TIMESTAMP_FILE", &offset)
            .env("FAKETIME_NO_CACHE", "1")
            // Neither the count of seconds since the start nor what the disk says of its files.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        let process = Process::start_by(command, dir, IMPATIENT);
        Some(Self { process, offset })
    }

    fn jump(&self, offset: &str) {
        let new = self.offset.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(&new, &self.offset).unwrap();
    }
}

fn grant_for(id: ObjectId) -> GrantRequest {
    GrantRequest {
        reads: vec![ObjectRef { kind: IMAGE, id }],
        writes: vec![],
        valid_ms: 600_000,
    }
}

async fn entries_in_order(owner: &Owner) -> usize {
    let page = owner.send(Method::GET, &routes::log(owner.vault)).await;
    let page: LogPage = page.json().await.unwrap();
    let (log, _) = check_chain(page.from, page.lines.iter().map(String::as_str)).unwrap();
    log.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ahead_for_a_moment_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(jumping) = Jumping::start(dir.path()) else {
        return;
    };
    let owner = Owner::open(&jumping.process.address).await;
    let id = owner.put_image(b"young").await;
    owner.put_note(IMAGE, id, b"of young".to_vec()).await;
    let grant = owner.grant(&grant_for(id)).await.grant;
    // An upload is under way when it happens.
    let (late, bytes) = (new_id(), image(&random_bytes(2_000_000)));
    let mut raw = Raw::connect(&jumping.process.address).await;
    let length = format!("Content-Length: {}\r\n", bytes.len());
    raw.send(&Raw::head(&owner, "PUT", &owner.path(IMAGE, late), &length))
        .await;
    raw.send(&bytes[..1_500_000]).await;

    jumping.jump("+5h");
    until("the leap to be seen", || {
        jumping.process.log().contains("leapt ahead")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(owner.read(IMAGE, id).await, image(b"young"));
    // What ends at a time ends by the clock: early, and not for good.
    let over = owner.get_with(&grant, IMAGE, id).await;
    refused(over, ProblemType::GrantExpired).await;
    raw.send(&bytes[1_500_000..]).await;
    assert_eq!(raw.answer().await.0, 201);

    jumping.jump("+0");
    assert_eq!(owner.get_with(&grant, IMAGE, id).await.status(), 200);
    assert_eq!(owner.read(IMAGE, late).await, bytes);
    assert!(owner.all(IMAGE).await[&id].note.is_some());
    assert!(entries_in_order(&owner).await >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(jumping) = Jumping::start(dir.path()) else {
        return;
    };
    let owner = Owner::open(&jumping.process.address).await;
    let id = owner.put_image(b"before").await;
    let grant = owner.grant(&grant_for(id)).await.grant;
    jumping.jump("-5h");
    let after = owner.put_image(b"after").await;
    assert_eq!(owner.get_with(&grant, IMAGE, id).await.status(), 200);
    let new = owner.grant(&grant_for(after)).await.grant;
    assert_eq!(owner.get_with(&new, IMAGE, after).await.status(), 200);
    assert_eq!(owner.delete(IMAGE, id).await.status(), 204);
    assert_eq!(owner.all(IMAGE).await.len(), 1);
    assert!(entries_in_order(&owner).await >= 5);
}
