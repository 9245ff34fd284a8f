//! Connections that break in the middle of what they carry.

use std::time::{Duration, Instant};

use bytes::Bytes;
use darkroom_api::client::{Access, ClientError, Storage};
use darkroom_api::compute::{ItemRef, Job, State};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes::GATEWAY_STORAGE;
use e2e::networks::write_linear;
use e2e::owner::{GRANT_MS, Owner, load_model, pattern};
use e2e::proxy::{Fault, Recorder, Way};
use e2e::services::{Darkroom, Plan};

use crate::zoo;

const MODEL: &str = "wide";
/// So many pixels that an image is far longer than the head of an answer.
const SIDE: u32 = 128;
/// About so long is an encrypted image.
const IMAGE_BYTES: usize = 5 * (SIDE * SIDE) as usize;
/// The heads of the requests for an image and a result are shorter, together.
const HEADS_BYTES: usize = 2000;

/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

struct Setting {
    darkroom: Darkroom,
    owner: Owner,
    models: tempfile::TempDir,
}

impl Setting {
    async fn new(compute: &[(&str, &str)]) -> Self {
        let models = tempfile::tempdir().unwrap();
        let weight = |at: u32| if at % SIDE < SIDE / 2 { -1e-4 } else { 1e-4 };
        let weights: Vec<f64> = (0..SIDE * SIDE).map(weight).collect();
        let folder = models.path().join(MODEL);
        write_linear(&folder, (SIDE, SIDE), ["left", "right"], &weights, 0.0).unwrap();
        let plan = Plan {
            models: Some(models.path()),
            storage: &[("UPLOAD__IDLE_MS", "2000")],
            compute,
            recorded: true,
            ..Plan::default()
        };
        let darkroom = Darkroom::start_as(plan).await.unwrap();
        let owner = Owner::open(&darkroom).await.unwrap();
        Self {
            darkroom,
            owner,
            models,
        }
    }

    /// The wire between compute and storage.
    fn wire(&self) -> &Recorder {
        self.darkroom.compute_wire.as_ref().unwrap()
    }

    async fn submit(&mut self, seed: u32) -> Job {
        let picture = pattern(seed, SIDE, SIDE).unwrap();
        let image = self.owner.upload(&picture).await.unwrap();
        self.owner.submit(MODEL, &[image]).await.unwrap()
    }

    /// The job's end: in the first attempt, with the answer of the picture of this seed.
    async fn assert_answered(&self, job: &Job, seed: u32) {
        let job = self.owner.finished(job.id).await.unwrap();
        assert_eq!((job.state, job.attempts), (State::Done, 1), "{job:?}");
        assert_eq!(job.items[0].state, State::Done, "{job:?}");
        let folder = self.models.path().join(MODEL);
        let answer = self.owner.answer(job.items[0].result).await.unwrap();
        let twin = zoo::twin(&folder, &pattern(seed, SIDE, SIDE).unwrap());
        zoo::assert_same(&load_model(&folder).unwrap(), &answer, &twin);
    }

    async fn listed(&self, kind: ObjectKind) -> usize {
        let Owner { storage, vault, .. } = &self.owner;
        let listed = storage.list(*vault, kind, &self.owner.vault_token).await;
        listed.unwrap().len()
    }

    async fn result(&self, id: ObjectId) -> Bytes {
        get(&self.owner, &self.owner.storage, ObjectKind::Result, id)
            .await
            .unwrap()
    }

    /// Nothing is left of what broke off.
    async fn assert_nothing_half(&self) {
        let staging = self.darkroom.folder().join("storage/staging");
        let began = Instant::now();
        while std::fs::read_dir(&staging).unwrap().next().is_some() {
            assert!(began.elapsed() < PATIENCE, "half an upload stays");
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn get(
    owner: &Owner,
    storage: &Storage,
    kind: ObjectKind,
    id: ObjectId,
) -> Result<Bytes, ClientError> {
    let access = Access::Owner(&owner.vault_token);
    storage.object(owner.vault, kind, id, access, 1 << 20).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_outlives_connections_to_storage_that_break_within_an_image_or_a_result() {
    // Less patience than it takes to notice a silence: that alone uses up no attempt.
    let brief = [
        ("STORAGE__SILENCE_MS", "10000"),
        ("STORAGE__PATIENCE_MS", "8000"),
    ];
    let mut s = Setting::new(&brief).await;
    let whole = s.submit(0).await;
    s.assert_answered(&whole, 0).await;
    let result_bytes = s.result(whole.items[0].result).await.len();
    let faults = [
        (Way::Down, IMAGE_BYTES / 2, Fault::Cut),
        (Way::Down, IMAGE_BYTES / 2, Fault::Hang),
        (Way::Up, HEADS_BYTES + result_bytes / 2, Fault::Cut),
        (Way::Up, HEADS_BYTES + result_bytes / 2, Fault::Hang),
        // All of it arrives, and compute does not hear so.
        (Way::Up, HEADS_BYTES + result_bytes / 2, Fault::Mute),
    ];
    for (seed, (way, after_bytes, fault)) in (1..).zip(faults) {
        s.wire().plan_fault(way, after_bytes, fault);
        let job = s.submit(seed).await;
        s.assert_answered(&job, seed).await;
        assert_eq!(s.wire().faults_left(), 0, "{way:?} {fault:?}");
        assert_eq!(s.listed(ObjectKind::Result).await, 1 + seed as usize);
    }
    s.assert_nothing_half().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_between_client_and_storage_is_an_error_and_can_be_done_again() {
    let mut s = Setting::new(&[]).await;
    let front = Recorder::start(s.darkroom.gateway.address()).await.unwrap();
    let storage = format!("{}{GATEWAY_STORAGE}", front.url("http"));
    let storage = Storage::new(&storage).unwrap();
    let kind = ObjectKind::Image;
    let object = s.owner.encrypt(&pattern(0, SIDE, SIDE).unwrap()).unwrap();
    let object = Bytes::from(object);
    let behind = s.darkroom.wire.as_ref().unwrap();
    for (before, wire) in [&front, behind].into_iter().enumerate() {
        let id = s.owner.draw_id();
        let owner = &s.owner;
        let put = || {
            let access = Access::Owner(&owner.vault_token);
            storage.put(owner.vault, kind, id, access, object.clone())
        };
        wire.plan_fault(Way::Up, IMAGE_BYTES / 2, Fault::Cut);
        let error = put().await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!((wire.faults_left(), s.listed(kind).await), (0, before));
        let error = get(owner, &storage, kind, id).await.unwrap_err();
        assert_eq!(error.problem().unwrap().kind, ProblemType::ObjectNotFound);
        put().await.unwrap();

        wire.plan_fault(Way::Down, IMAGE_BYTES / 2, Fault::Cut);
        let error = get(owner, &storage, kind, id).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(wire.faults_left(), 0);
        assert_eq!(get(owner, &storage, kind, id).await.unwrap(), object);
    }
    s.assert_nothing_half().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_arrived_while_compute_stopped_is_the_jobs_own() {
    let mut s = Setting::new(&[("DRAIN_MS", "500")]).await;
    let first = s.submit(0).await;
    s.assert_answered(&first, 0).await;
    let other = s.result(first.items[0].result).await;

    let after_bytes = HEADS_BYTES + other.len() / 2;
    s.wire().plan_fault(Way::Up, after_bytes, Fault::Mute);
    let job = s.submit(0).await;
    let result = job.items[0].result;
    let began = Instant::now();
    while s.listed(ObjectKind::Result).await < 2 {
        assert!(began.elapsed() < PATIENCE, "no result arrived");
        tokio::time::sleep(POLL).await;
    }
    s.darkroom.compute.stop().await.unwrap();
    // As a processor leaves it that rounds in another way: the same answer in other bytes.
    let image = job.items[0].image;
    let grant = s.owner.grant(&[ItemRef { image, result }], GRANT_MS).await;
    let Owner { storage, vault, .. } = &s.owner;
    let (kind, token) = (ObjectKind::Result, &s.owner.vault_token);
    storage.delete(*vault, kind, result, token).await.unwrap();
    let grant = grant.unwrap().grant;
    let put = storage.put(*vault, kind, result, Access::Grant(&grant), other.clone());
    put.await.unwrap();

    s.darkroom.compute.start().await.unwrap();
    s.assert_answered(&job, 0).await;
    assert_eq!(s.result(result).await, other);
}
