//! The real process, killed in the middle of a job.

use std::process::Stdio;

use darkroom_api::compute::{Job, State};
use darkroom_api::problem::ProblemType;

use super::support::process::{Process, command};
use super::support::{World, count};

#[tokio::test]
async fn a_killed_job_goes_on_where_it_was() {
    let world = World::new().await;
    let (config, owner) = (world.config(), world.owner().await);
    let compute = Process::start(&config);
    let job = owner.big_job(256).await;
    let id = owner.submit(&compute.client, &job).await;
    let before = owner
        .until(&compute.client, id, |job| count(job, State::Done) > 0)
        .await;
    compute.kill();

    // The lease of the dead would last for half a minute; the lock beside the database proves
    // that nobody holds it.
    let compute = Process::start(&config);
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!((ended.state, ended.attempts), (State::Done, 2));
    assert_eq!(
        (count(&ended, State::Done), owner.results().await),
        (256, 256)
    );
    for (before, after) in before.items.iter().zip(&ended.items) {
        // What was done is not done again: its timings are those of the first attempt.
        assert!(before.state != State::Done || before == after);
    }
}

#[tokio::test]
async fn a_job_that_kills_its_worker_each_time_is_buried() {
    let world = World::new().await;
    let (mut config, owner) = (world.config(), world.owner().await);
    config.queue.attempts_max = 2;
    let job = owner.big_job(256).await;
    let mut id = None;
    for attempt in 1..=2 {
        let compute = Process::start(&config);
        let id = match id {
            Some(id) => id,
            None => *id.insert(owner.submit(&compute.client, &job).await),
        };
        owner
            .until(&compute.client, id, |job| job.attempts == attempt)
            .await;
        compute.kill();
    }
    let compute = Process::start(&config);
    let ended = owner.end_of(&compute.client, id.unwrap()).await;
    assert_eq!((ended.state, ended.attempts), (State::Failed, 2));
    let problem = ended.problem.clone().unwrap();
    assert_eq!(problem.kind, ProblemType::AttemptsExhausted);
    assert!(count(&ended, State::Failed) > 0);
    assert_eq!(compute.figure("jobs_exhausted_total").await, 1);
    // The next job is not held up.
    let next = owner.submit(&compute.client, &owner.big_job(1).await).await;
    assert_eq!(owner.end_of(&compute.client, next).await.state, State::Done);
}

#[tokio::test]
async fn a_job_that_kills_its_worker_takes_the_last_attempt_from_no_other() {
    let mut world = World::new().await;
    let (mut config, owner) = (world.config(), world.owner().await);
    config.queue.attempts_max = 2;
    config.threads = 2;
    let (bad, good) = (owner.big_job(1).await, owner.big_job(1).await);
    let new = owner.big_job(1).await;
    // Without storage they stay in work until the process is killed.
    world.storage.stop().await;
    let compute = Process::start(&config);
    let bad = owner.submit(&compute.client, &bad).await;
    let good = owner.submit(&compute.client, &good).await;
    for id in [bad, good] {
        let so = |job: &Job| job.state == State::Running;
        owner.until(&compute.client, id, so).await;
    }
    compute.kill();

    let compute = Process::start(&config);
    owner
        .until(&compute.client, bad, |job| job.attempts == 2)
        .await;
    // There is room, and it is taken by a job that comes later.
    let new = owner.submit(&compute.client, &new).await;
    owner
        .until(&compute.client, new, |job| job.state == State::Running)
        .await;
    let waits = compute.client.job(&owner.compute_token, good).await;
    assert_eq!(waits.unwrap().attempts, 1);
    compute.kill();

    world.storage.start_again().await;
    let compute = Process::start(&config);
    let ended = owner.end_of(&compute.client, bad).await;
    let problem = ended.problem.unwrap();
    assert_eq!(problem.kind, ProblemType::AttemptsExhausted);
    for id in [good, new] {
        let ended = owner.end_of(&compute.client, id).await;
        assert_eq!((ended.state, ended.attempts), (State::Done, 2));
    }
    assert_eq!(owner.results().await, 2);
}

#[tokio::test]
async fn a_terminated_process_gives_its_job_back() {
    let world = World::new().await;
    let (config, owner) = (world.config(), world.owner().await);
    let compute = Process::start(&config);
    let job = owner.big_job(256).await;
    let id = owner.submit(&compute.client, &job).await;
    owner
        .until(&compute.client, id, |job| count(job, State::Done) > 0)
        .await;
    assert!(compute.terminate().success());

    let compute = Process::start(&config);
    let ended = owner.end_of(&compute.client, id).await;
    // A stop that was asked for is no failed attempt.
    assert_eq!((ended.state, ended.attempts), (State::Done, 1));
    assert_eq!(owner.results().await, 256);
}

#[tokio::test]
async fn the_command_line_checks_the_configuration() {
    let world = World::new().await;
    let config = world.config();
    let check = || {
        let mut check = command(&config);
        check.arg("--check").stdin(Stdio::null());
        check
    };
    let fit = check().output().unwrap();
    assert!(fit.status.success());
    assert!(!world.database_file().exists());
    for (name, value, says) in [
        ("DARKROOM_COLOUR", "red", "colour"),
        ("DARKROOM_QUEUE__ATTEMPTS_MAX", "0", "queue.attempts_max"),
        ("DARKROOM_STORAGE_URL", "ftp://storage", "storage_url"),
        (
            "DARKROOM_MODELS",
            "[\"/does/not/exist\"]",
            "/does/not/exist",
        ),
    ] {
        let unfit = check().env(name, value).output().unwrap();
        let text = String::from_utf8(unfit.stderr).unwrap();
        assert!(
            !unfit.status.success() && text.contains(says),
            "{name}: {text}"
        );
    }
    let unfit = check()
        .args(["--config", "/does/not/exist.toml"])
        .output()
        .unwrap();
    assert!(!unfit.status.success());
}
