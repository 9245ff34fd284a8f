//! A full disk, for real.

use std::path::{Path, PathBuf};
use std::process::Command;

use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use reqwest::Method;

use crate::support::{App, Owner, Process, files, image, new_id, random_bytes, refused};

/// A file system of a few megabytes in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(dir: &Path) -> Option<Self> {
        let place = dir.join("disk");
        std::fs::create_dir(&place).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(&place);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(place)),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr);
                println!(
                    "SKIPPED: only root can mount a small disk: {}",
                    reason.trim()
                );
                None
            }
            Err(error) => {
                println!("SKIPPED: there is no mount here: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path()) else {
        return;
    };
    let app = App::start_in(&disk.0, |_| {}).await;
    let owner = app.owner().await;
    let mut kept = Vec::new();
    loop {
        let (id, payload) = (new_id(), random_bytes(300_000));
        let answer = owner.put(ObjectKind::Image, id, image(&payload)).await;
        if answer.status() != 201 {
            refused(answer, ProblemType::DiskFull).await;
            refused(
                owner.get(ObjectKind::Image, id).await,
                ProblemType::ObjectNotFound,
            )
            .await;
            break;
        }
        kept.push((id, payload));
    }
    assert!(kept.len() > 5 && files(&app.dir.join("staging")).is_empty());
    fill(&disk.0.join("filler"));
    // Now there is no room for anything.
    let small = owner
        .put(ObjectKind::Image, new_id(), image(&random_bytes(5000)))
        .await;
    refused(small, ProblemType::DiskFull).await;
    let note = owner
        .put_note(ObjectKind::Image, kept[0].0, vec![1; 4000])
        .await;
    refused(note, ProblemType::DiskFull).await;
    refused(
        Owner::new(&app.address).put_vault().await,
        ProblemType::DiskFull,
    )
    .await;
    refused(
        owner.send(Method::GET, routes::READY).await,
        ProblemType::DiskFull,
    )
    .await;
    assert_eq!(owner.send(Method::GET, routes::HEALTH).await.status(), 200);
    for (id, payload) in &kept {
        assert_eq!(owner.read(ObjectKind::Image, *id).await, image(payload));
    }
    assert_eq!(owner.all(ObjectKind::Image).await.len(), kept.len());
    assert!(files(&app.dir.join("staging")).is_empty());
    // Deleting works without room, and makes some; the vault's log takes a little of it.
    let (other, _) = kept.pop().unwrap();
    assert_eq!(owner.delete(ObjectKind::Image, other).await.status(), 204);
    let (gone, payload) = kept.pop().unwrap();
    assert_eq!(owner.delete(ObjectKind::Image, gone).await.status(), 204);
    assert_eq!(
        owner
            .put(ObjectKind::Image, gone, image(&payload))
            .await
            .status(),
        201
    );
    fill(&disk.0.join("filler-2"));
    let vault = routes::vault(owner.vault);
    assert_eq!(owner.send(Method::DELETE, &vault).await.status(), 204);
    app.owner().await.put_image(&payload).await;
    app.stop().await;
}

fn fill(file: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(file).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_files_counts_as_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    // 512-byte blocks: no file above 1 MB. The signal that comes with it would kill the process.
    let mut shell = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_backend-storage");
    shell.args([
        "-c",
        "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\"",
        binary,
    ]);
    let process = Process::start_by(shell, dir.path(), "");
    let owner = Owner::open(&process.address).await;
    let kept = owner.put_image(b"small").await;
    let id = new_id();
    let large = image(&random_bytes(3_000_000));
    refused(
        owner.put(ObjectKind::Image, id, large).await,
        ProblemType::DiskFull,
    )
    .await;
    refused(
        owner.get(ObjectKind::Image, id).await,
        ProblemType::ObjectNotFound,
    )
    .await;
    assert_eq!(owner.read(ObjectKind::Image, kept).await, image(b"small"));
    assert!(files(&dir.path().join("store/staging")).is_empty());
}
