//! The disk of the jobs full, for real.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use backend_compute::config::Database;
use darkroom_api::client::ClientError;
use darkroom_api::compute::{State, SubmitJob};
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;

use super::support::{Compute, World, random};

/// A file system of three megabytes in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Option<Self> {
        let place = folder.join("disk");
        std::fs::create_dir(&place).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]);
        if mount
            .arg(&place)
            .status()
            .is_ok_and(|status| status.success())
        {
            return Some(Self(place));
        }
        println!("SKIPPED: only root can mount a small disk");
        None
    }

    /// Takes what room is left.
    fn fill(&self) -> PathBuf {
        let place = self.0.join("filler");
        let mut file = std::fs::File::create(&place).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
        place
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_jobs_and_loses_none() {
    let mut world = World::new().await;
    let Some(disk) = SmallDisk::mount(world.folder.path()) else {
        return;
    };
    let mut config = world.config();
    config.database = Database::Sqlite(disk.0.join("jobs.sqlite"));
    config.limits.jobs_per_owner = 10_000;
    config.limits.jobs = 10_000;
    let owner = world.owner().await;
    let (first, large) = (owner.big_job(3).await, owner.big_job(256).await);
    // It stays in work until there is a storage again.
    world.storage.stop().await;
    let compute = Compute::start(config).await;
    let running = owner.submit(&compute.client, &first).await;
    owner
        .until(&compute.client, running, |job| job.state == State::Running)
        .await;

    let filler = disk.fill();
    let mut taken = 0;
    let refused = loop {
        let another = SubmitJob {
            idempotency_key: ObjectId(random()),
            ..large.clone()
        };
        match compute.client.submit(&owner.compute_token, &another).await {
            Ok(_) => taken += 1,
            Err(ClientError::Problem(problem)) => break (another, problem),
            Err(error) => panic!("{error}"),
        }
        assert!(taken < 1000, "there is no end to the room");
    };
    assert_eq!(refused.1.kind, ProblemType::DiskFull, "{:?}", refused.1);
    let seen = compute.client.job(&owner.compute_token, running).await;
    assert_eq!(seen.unwrap().state, State::Running);

    std::fs::remove_file(filler).unwrap();
    world.storage.start_again().await;
    let ended = owner.end_of(&compute.client, running).await;
    assert_eq!((ended.state, ended.attempts), (State::Done, 1));
    let again = compute.client.submit(&owner.compute_token, &refused.0);
    assert!(!again.await.unwrap().state.is_final());
    let listed = compute.client.jobs(&owner.compute_token).await.unwrap();
    assert_eq!(listed.len(), (taken + 2).min(200));
    compute.stop().await;
}
