//! Backup and restore, by the very commands of `docs/OPERATING.md`, while the services work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use darkroom_api::client::Access;
use darkroom_api::compute::{Job, State};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_fhe::keys::ClientKey;
use e2e::owner::{Owner, load_model, pattern};
use e2e::places::{program, root};
use e2e::services::{Darkroom, Plan};

use crate::postgres::Postgres;
use crate::zoo;

const MODEL: &str = "left-right";
/// Jobs that are still at work when the backup is taken.
const JOBS: usize = 3;
const IMAGES_A_JOB: usize = 96;
/// As after a crash: the backup says that a worker has the job, and that worker is gone.
const SETTINGS: [(&str, &str); 3] = [
    ("THREADS", "1"),
    ("QUEUE__LEASE_MS", "2000"),
    ("QUEUE__POLL_MS", "100"),
];

/// The commands between the marks `<!-- name -->` and the end of the block after it.
fn commands(name: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/OPERATING.md")).unwrap();
    let (_, after) = text.split_once(&format!("<!-- {name} -->")).unwrap();
    let (_, block) = after.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.to_owned()
}

struct Place {
    store: PathBuf,
    database: String,
    backup: PathBuf,
}

impl Place {
    /// Runs them as somebody would who has copied them into a shell.
    fn run(&self, name: &str) {
        let programs = program("backend-compute");
        let path = std::env::join_paths(
            std::iter::once(programs.parent().unwrap().to_owned())
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", &commands(name)])
            .env("PATH", path.unwrap())
            .env("STORE", &self.store)
            .env("DARKROOM_DATABASE", &self.database)
            .env("BACKUP", &self.backup);
        let done = shell.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {said}");
    }
}

/// Stores images one after the other until it is told to stop: those that storage has acknowledged.
fn load(mut owner: Owner, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<ObjectId>> {
    tokio::spawn(async move {
        let mut stored = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            stored.push(owner.upload(&pattern(9, 8, 8).unwrap()).await.unwrap());
        }
        stored
    })
}

async fn assert_answers(owner: &Owner, models: &Path, job: &Job) {
    assert_eq!(job.state, State::Done, "{job:?}");
    let folder = models.join(MODEL);
    let model = load_model(&folder).unwrap();
    let expected = zoo::twin(&folder, &pattern(1, 8, 8).unwrap());
    for item in job.items.iter().step_by(31) {
        let answer = owner.answer(item.result).await.unwrap();
        zoo::assert_same(&model, &answer, &expected);
    }
}

async fn survives(
    database: Option<&str>,
    jobs_command: &str,
    restore_jobs: &str,
    lose: impl Fn(&Path),
) {
    let models = zoo::small();
    let mut compute = SETTINGS.to_vec();
    if let Some(url) = database {
        compute.push(("DATABASE", url));
    }
    let plan = Plan {
        models: Some(models.path()),
        compute: &compute,
        ..Plan::default()
    };
    let mut darkroom = Darkroom::start_as(plan).await.unwrap();
    let folder = darkroom.folder().to_owned();
    let file = folder.join("jobs.sqlite");
    let place = Place {
        store: folder.join("storage"),
        database: database.map_or_else(|| file.display().to_string(), str::to_owned),
        backup: folder.join("backup"),
    };
    let mut owner = Owner::open(&darkroom).await.unwrap();
    let image = owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
    let done = owner.submit(MODEL, &[image]).await.unwrap();
    let done = owner.finished(done.id).await.unwrap();

    let key = ClientKey::from_master(*owner.key.danger_master());
    let other = Owner::with_key(&darkroom, key).await.unwrap();
    let stop = Arc::<AtomicBool>::default();
    let (before, loading) = (
        owner.upload(&pattern(9, 8, 8).unwrap()).await,
        load(other, Arc::clone(&stop)),
    );
    let mut waiting = Vec::new();
    for _ in 0..JOBS {
        let images = [image; IMAGES_A_JOB];
        waiting.push(owner.submit(MODEL, &images).await.unwrap().id);
    }
    std::fs::create_dir(&place.backup).unwrap();
    place.run(jobs_command);
    place.run("backup of the store");
    stop.store(true, Ordering::Relaxed);
    assert!(!loading.await.unwrap().is_empty());

    darkroom.compute.kill().unwrap();
    darkroom.storage.kill().unwrap();
    std::fs::remove_dir_all(&place.store).unwrap();
    lose(&folder);
    place.run("restore of the store");
    place.run(restore_jobs);
    darkroom.storage.start().await.unwrap();
    darkroom.compute.start().await.unwrap();

    let mut jobs = Vec::new();
    for id in &waiting {
        jobs.push(owner.compute.job(&owner.compute_token, *id).await.unwrap());
    }
    let unfinished = jobs.iter().filter(|job| !job.state.is_final()).count();
    assert!(unfinished > 0, "nothing was under way in the backup");
    for id in waiting {
        let job = owner.finished(id).await.unwrap();
        assert_answers(&owner, models.path(), &job).await;
    }
    assert_answers(&owner, models.path(), &done).await;
    let access = Access::Owner(&owner.vault_token);
    let kind = ObjectKind::Image;
    let kept = owner
        .storage
        .object(owner.vault, kind, before.unwrap(), access, 1 << 20);
    assert!(kept.await.unwrap().starts_with(b"DARKROOM"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_and_a_file_of_jobs_come_back() {
    survives(
        None,
        "backup of the jobs",
        "restore of the jobs",
        |folder| {
            for file in std::fs::read_dir(folder).unwrap() {
                let file = file.unwrap();
                if file
                    .file_name()
                    .to_string_lossy()
                    .starts_with("jobs.sqlite")
                {
                    std::fs::remove_file(file.path()).unwrap();
                }
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_in_postgresql_come_back() {
    let Some(server) = Postgres::shared() else {
        return;
    };
    let url = server.database();
    let (_, name) = url.split_once("localhost/").unwrap();
    let name = name.split('?').next().unwrap();
    survives(
        Some(&url),
        "backup of the jobs in PostgreSQL",
        "restore of the jobs in PostgreSQL",
        |_| {
            assert!(server.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)")));
            assert!(server.sql("postgres", &format!("CREATE DATABASE {name}")));
        },
    )
    .await;
}
