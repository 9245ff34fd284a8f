//! Services that go away and come back.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use darkroom_api::client::ClientError;
use darkroom_api::compute::{Job, State};
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use e2e::owner::{Owner, load_model, pattern};
use e2e::services::{Darkroom, Plan};

use crate::zoo;

const MODEL: &str = "left-right";
/// A worker that dies is missed soon.
const IMPATIENT: [(&str, &str); 3] = [
    ("QUEUE__LEASE_MS", "1000"),
    ("QUEUE__POLL_MS", "100"),
    ("QUEUE__RETRY_PAUSE_MS", "100"),
];

struct Setting {
    darkroom: Darkroom,
    owner: Owner,
    models: tempfile::TempDir,
}

async fn setting(compute: &[(&str, &str)]) -> Setting {
    let models = zoo::small();
    let plan = Plan {
        models: Some(models.path()),
        compute,
        ..Plan::default()
    };
    let darkroom = Darkroom::start_as(plan).await.unwrap();
    let owner = Owner::open(&darkroom).await.unwrap();
    Setting {
        darkroom,
        owner,
        models,
    }
}

impl Setting {
    async fn upload(&mut self, count: u32) -> Vec<ObjectId> {
        let mut images = Vec::new();
        for seed in 0..count {
            images.push(
                self.owner
                    .upload(&pattern(seed, 8, 8).unwrap())
                    .await
                    .unwrap(),
            );
        }
        images
    }

    /// A job that cannot get on: storage is down since before it was submitted.
    async fn submit_without_storage(&mut self, images: &[ObjectId]) -> Job {
        let items = self.owner.items(images);
        let grant = self.owner.grant(&items, 600_000).await.unwrap();
        let job = self.owner.job(MODEL, items, &grant).unwrap();
        self.darkroom.storage.kill().unwrap();
        self.owner
            .compute
            .submit(&self.owner.compute_token, &job)
            .await
            .unwrap()
    }

    async fn job(&self, job: &Job) -> Job {
        self.owner
            .compute
            .job(&self.owner.compute_token, job.id)
            .await
            .unwrap()
    }

    async fn job_when(&self, job: &Job, ready: impl Fn(&Job) -> bool) -> Job {
        let began = Instant::now();
        loop {
            let job = self.job(job).await;
            if ready(&job) {
                return job;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{job:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The answers are there and are those of the pictures.
    async fn assert_answered(&self, job: &Job) {
        assert_eq!(job.state, State::Done, "{job:?}");
        let folder = self.models.path().join(MODEL);
        let model = load_model(&folder).unwrap();
        for (seed, item) in (0..).zip(&job.items) {
            assert_eq!(item.state, State::Done, "{item:?}");
            let answer = self.owner.answer(item.result).await.unwrap();
            let expected = zoo::twin(&folder, &pattern(seed, 8, 8).unwrap());
            zoo::assert_same(&model, &answer, &expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_storage_the_gateway_says_so_and_nothing_is_lost() {
    let mut s = setting(&[]).await;
    let object = s.owner.encrypt(&pattern(0, 8, 8).unwrap()).unwrap();
    s.darkroom.storage.kill().unwrap();
    let error = s.owner.put_image(object.clone()).await.unwrap_err();
    assert_eq!(
        error.problem().unwrap().kind,
        ProblemType::UpstreamUnreachable
    );
    assert!(error.is_transient());
    s.darkroom.storage.start().await.unwrap();
    s.owner.put_image(object).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_storage_that_is_down_when_it_is_submitted() {
    let mut s = setting(&IMPATIENT).await;
    let images = s.upload(2).await;
    let job = s.submit_without_storage(&images).await;
    s.job_when(&job, |job| job.state == State::Running).await;
    s.darkroom.storage.start().await.unwrap();
    let job = s.owner.finished(job.id).await.unwrap();
    s.assert_answered(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_outlives_storage_that_goes_down_in_the_middle() {
    let mut s = setting(&IMPATIENT).await;
    let images = s.upload(100).await;
    let job = s.owner.submit(MODEL, &images).await.unwrap();
    let done = |job: &Job| {
        job.items
            .iter()
            .filter(|item| item.state == State::Done)
            .count()
    };
    s.job_when(&job, |job| done(job) > 0).await;
    s.darkroom.storage.kill().unwrap();
    let stuck = s.job(&job).await;
    s.darkroom.storage.start().await.unwrap();
    assert!(
        done(&stuck) < images.len(),
        "the job was over before storage went down"
    );
    let job = s.owner.finished(job.id).await.unwrap();
    s.assert_answered(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_stays_away_fails_the_job_with_its_name() {
    let brief = [
        ("STORAGE__PATIENCE_MS", "200"),
        ("QUEUE__ATTEMPTS_MAX", "2"),
        ("QUEUE__RETRY_PAUSE_MS", "50"),
        ("QUEUE__POLL_MS", "50"),
    ];
    let mut s = setting(&brief).await;
    let images = s.upload(1).await;
    let job = s.submit_without_storage(&images).await;
    let job = s.owner.finished(job.id).await.unwrap();
    assert_eq!(job.state, State::Failed, "{job:?}");
    assert_eq!(job.attempts, 2);
    let problem = job
        .problem
        .as_ref()
        .or(job.items[0].problem.as_ref())
        .unwrap();
    assert_eq!(problem.kind, ProblemType::StorageUnavailable, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_resumed_after_compute_was_killed_in_the_middle_of_it() {
    let mut s = setting(&IMPATIENT).await;
    let images = s.upload(100).await;
    let job = s.owner.submit(MODEL, &images).await.unwrap();
    let done = |job: &Job| {
        job.items
            .iter()
            .filter(|item| item.state == State::Done)
            .count()
    };
    s.job_when(&job, |job| done(job) > 0).await;
    // Storage first, so that the job is surely not over when compute dies.
    s.darkroom.storage.kill().unwrap();
    let stuck = s.job(&job).await;
    assert_eq!(
        stuck.state,
        State::Running,
        "the job was over before storage went down"
    );
    s.darkroom.compute.kill().unwrap();
    s.darkroom.storage.start().await.unwrap();
    s.darkroom.compute.start().await.unwrap();
    let job = s.owner.finished(job.id).await.unwrap();
    assert_eq!(job.attempts, 2, "{job:?}");
    s.assert_answered(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_can_be_cancelled() {
    let mut s = setting(&IMPATIENT).await;
    let images = s.upload(1).await;
    let job = s.submit_without_storage(&images).await;
    s.owner
        .compute
        .cancel(&s.owner.compute_token, job.id)
        .await
        .unwrap();
    let job = s.owner.finished(job.id).await.unwrap();
    assert_eq!(job.state, State::Cancelled, "{job:?}");
    s.darkroom.storage.start().await.unwrap();
    assert!(s.owner.answer(job.items[0].result).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_storage_acknowledged_is_there_after_kill_9() {
    let mut s = setting(&[]).await;
    for round in 0..5 {
        let picture = pattern(round, 8, 8).unwrap();
        let object = s.owner.encrypt(&picture).unwrap();
        let image = s.owner.put_image(object.clone()).await.unwrap();
        s.darkroom.storage.kill().unwrap();
        s.darkroom.storage.start().await.unwrap();
        let access = darkroom_api::client::Access::Owner(&s.owner.vault_token);
        let kind = darkroom_api::header::ObjectKind::Image;
        let kept = s
            .owner
            .storage
            .object(s.owner.vault, kind, image, access, 1 << 20)
            .await;
        assert_eq!(kept.unwrap(), object);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_services_stop_when_asked() {
    let mut s = setting(&[]).await;
    let images = s.upload(1).await;
    let job = s.owner.submit(MODEL, &images).await.unwrap();
    s.owner.finished(job.id).await.unwrap();
    s.darkroom.gateway.stop().await.unwrap();
    s.darkroom.compute.stop().await.unwrap();
    s.darkroom.storage.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_without_a_reason_is_told_by_its_status() {
    let statuses = [
        (408, true),
        (429, true),
        (500, false),
        (502, true),
        (404, false),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    // As actix answers who is slow with a request, and proxies whose service is away.
    let proxy = std::thread::spawn(move || {
        for (status, _) in statuses {
            let (mut socket, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let _ = socket.read(&mut asked).unwrap();
            let head = format!("HTTP/1.1 {status} No\r\nconnection: close\r\n");
            write!(socket, "{head}content-length: 0\r\n\r\n").unwrap();
        }
    });
    let compute = darkroom_api::client::Compute::new(&base).unwrap();
    for (expected, is_transient) in statuses {
        let error = compute.catalogue().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Status { status, .. } if status == expected),
            "{error:?}"
        );
        assert_eq!(error.is_transient(), is_transient, "{expected}");
    }
    proxy.join().unwrap();
}
