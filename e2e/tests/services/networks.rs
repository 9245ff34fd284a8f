//! Networks through the real services, with real evaluation keys.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use darkroom_api::compute::{Job, State};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::problem::ProblemType;
use darkroom_fhe::eval::EvaluationKey;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::params::NETWORK;
use e2e::evaluation_key::{key_ids, make_key};
use e2e::networks::write_network;
use e2e::owner::{Owner, load_model, pattern};
use e2e::proxy::{Fault, Way};
use e2e::services::{Darkroom, Plan};

use crate::zoo;

const MODEL: &str = "three";
/// So large that one can see it at work.
const LARGE: &str = "three-large";

/// A key and its evaluation key; making one takes seconds, so the tests share them.
struct Keys {
    master: [u8; 32],
    parts: Vec<Vec<u8>>,
}

static KEYS: LazyLock<[Keys; 3]> = LazyLock::new(|| {
    [1, 2, 3].map(|number| {
        let master = [number; 32];
        let parts = make_key(&ClientKey::from_master(master)).unwrap();
        Keys { master, parts }
    })
});

struct Setting {
    darkroom: Darkroom,
    models: tempfile::TempDir,
}

impl Setting {
    async fn new(compute: &[(&str, &str)]) -> Self {
        Self::over(compute, false).await
    }

    async fn over(compute: &[(&str, &str)], recorded: bool) -> Self {
        let models = zoo::small();
        write_network(&models.path().join(MODEL), 4).unwrap();
        write_network(&models.path().join(LARGE), 600).unwrap();
        let plan = Plan {
            models: Some(models.path()),
            compute,
            recorded,
            ..Plan::default()
        };
        let darkroom = Darkroom::start_as(plan).await.unwrap();
        Self { darkroom, models }
    }

    /// The owner of one of the keys, its evaluation key stored.
    async fn owner(&self, number: usize) -> Owner {
        let owner = self.bare_owner(number).await;
        owner.send_key(&KEYS[number].parts).await.unwrap();
        owner
    }

    async fn bare_owner(&self, number: usize) -> Owner {
        let key = ClientKey::from_master(KEYS[number].master);
        Owner::with_key(&self.darkroom, key).await.unwrap()
    }

    /// The answers are those of the pictures of these seeds.
    async fn assert_answered(&self, owner: &Owner, model: &str, job: &Job, seeds: &[u32]) {
        assert_eq!(
            (job.state, job.items.len()),
            (State::Done, seeds.len()),
            "{job:?}"
        );
        let folder = self.models.path().join(model);
        let loaded = load_model(&folder).unwrap();
        for (&seed, item) in seeds.iter().zip(&job.items) {
            assert_eq!(item.state, State::Done, "{item:?}");
            assert_eq!(item.bootstraps_done, loaded.bootstraps());
            let answer = owner.answer(item.result).await.unwrap();
            let twin = zoo::twin(&folder, &pattern(seed, 8, 8).unwrap());
            zoo::assert_same(&loaded, &answer, &twin);
        }
    }
}

async fn upload(owner: &mut Owner, seeds: &[u32]) -> Vec<ObjectId> {
    let mut images = Vec::new();
    for &seed in seeds {
        let picture = pattern(seed, 8, 8).unwrap();
        images.push(owner.upload(&picture).await.unwrap());
    }
    images
}

fn key_bytes() -> u64 {
    EvaluationKey::expected_memory_bytes(NETWORK.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_answers_as_its_twin() {
    let setting = Setting::new(&[]).await;
    let mut owner = setting.owner(0).await;
    let seeds: Vec<u32> = (0..24).collect();
    let images = upload(&mut owner, &seeds).await;
    let job = owner.submit_to_network(MODEL, &images).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    setting.assert_answered(&owner, MODEL, &job, &seeds).await;
    // One image alone gets all threads.
    let job = owner.submit_to_network(LARGE, &images[..1]).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    setting
        .assert_answered(&owner, LARGE, &job, &seeds[..1])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_arrives_over_connections_that_break() {
    let setting = Setting::over(&[("STORAGE__SILENCE_MS", "8000")], true).await;
    let mut owner = setting.owner(0).await;
    let images = upload(&mut owner, &[1]).await;
    let wire = setting.darkroom.compute_wire.as_ref().unwrap();
    let part_bytes = KEYS[0].parts[1].len();
    for fault in [Fault::Cut, Fault::Hang] {
        wire.plan_fault(Way::Down, 10 * part_bytes + part_bytes / 2, fault);
    }
    let job = owner.submit_to_network(MODEL, &images).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    assert_eq!((job.attempts, wire.faults_left()), (1, 0));
    setting.assert_answered(&owner, MODEL, &job, &[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_vault_is_served_with_its_own_key_also_where_memory_is_short() {
    let one_key = key_bytes().to_string();
    for compute in [&[][..], &[("KEY_CACHE_BYTES", &*one_key)]] {
        let setting = Setting::new(compute).await;
        let mut owners = Vec::new();
        for number in 0..3 {
            owners.push(setting.owner(number).await);
        }
        let mut jobs = Vec::new();
        for seed in 0..3 {
            for (number, owner) in (0..).zip(&mut owners) {
                let seeds = [seed, seed + 10 + number];
                let images = upload(owner, &seeds).await;
                let job = owner.submit_to_network(MODEL, &images).await.unwrap();
                jobs.push((number as usize, job, seeds));
            }
        }
        for (number, job, seeds) in jobs {
            let owner = &owners[number];
            let job = owner.finished(job.id).await.unwrap();
            setting.assert_answered(owner, MODEL, &job, &seeds).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_whole_or_not_ones_own_is_refused_by_name() {
    let setting = Setting::new(&[]).await;
    let mut owner = setting.bare_owner(0).await;
    let images = upload(&mut owner, &[1]).await;
    let needed = owner.submit(MODEL, &images).await.unwrap_err();
    let needed: &darkroom_api::client::ClientError = needed.downcast_ref().unwrap();
    assert_eq!(
        needed.problem().unwrap().kind,
        ProblemType::EvaluationKeyNeeded
    );

    // All but the last part are there; then the last is of another key, in its header or in truth.
    let ids = key_ids(&owner.key);
    let last = ids.len() - 1;
    owner.send_key(&KEYS[0].parts[..last]).await.unwrap();
    refused(&mut owner, &images, ProblemType::EvaluationKeyMissing).await;

    let put = async |owner: &Owner, key: KeyId, payload: &[u8]| {
        owner.put_key_part(ids[last], key, payload).await.unwrap();
    };
    let remove = async |owner: &Owner| {
        let (vault, token) = (owner.vault, &owner.vault_token);
        let kind = ObjectKind::EvaluationKey;
        let removed = owner.storage.delete(vault, kind, ids[last], token);
        removed.await.unwrap();
    };
    let strangers = KeyId(ClientKey::from_master(KEYS[1].master).key_id());
    put(&owner, strangers, &KEYS[1].parts[last]).await;
    refused(&mut owner, &images, ProblemType::EvaluationKeyForeign).await;
    remove(&owner).await;

    put(&owner, owner.key_id(), &KEYS[0].parts[1]).await;
    refused(&mut owner, &images, ProblemType::EvaluationKeyDamaged).await;
    remove(&owner).await;

    // And with it, all is well.
    put(&owner, owner.key_id(), &KEYS[0].parts[last]).await;
    let job = owner.submit_to_network(MODEL, &images).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    setting.assert_answered(&owner, MODEL, &job, &[1]).await;
}

async fn refused(owner: &mut Owner, images: &[ObjectId], expected: ProblemType) {
    let job = owner.submit_to_network(MODEL, images).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    let problem = job.problem.as_ref().unwrap_or_else(|| panic!("{job:?}"));
    assert_eq!(
        (job.state, problem.kind),
        (State::Failed, expected),
        "{problem}"
    );
}

/// Waits until some bootstraps are done, and not all.
async fn in_the_middle(owner: &Owner, job: &Job) {
    let mut events = owner
        .compute
        .events(&owner.compute_token, job.id)
        .await
        .unwrap();
    while let Some(job) = events.next().await.unwrap() {
        assert!(!job.state.is_final(), "{job:?}");
        if job.items[0].bootstraps_done > 0 {
            return;
        }
    }
    panic!("the events ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_was_killed_in_the_middle_is_done_after_a_restart() {
    let mut setting = Setting::new(&[]).await;
    let mut owner = setting.owner(0).await;
    let seeds = [5, 6];
    let images = upload(&mut owner, &seeds).await;
    let job = owner.submit_to_network(LARGE, &images).await.unwrap();
    in_the_middle(&owner, &job).await;
    setting.darkroom.compute.kill().unwrap();
    setting.darkroom.compute.start().await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    assert_eq!(job.attempts, 2);
    setting.assert_answered(&owner, LARGE, &job, &seeds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_cancelled_in_the_middle() {
    let setting = Setting::new(&[]).await;
    let mut owner = setting.owner(0).await;
    let seeds: Vec<u32> = (0..8).collect();
    let images = upload(&mut owner, &seeds).await;
    let job = owner.submit_to_network(LARGE, &images).await.unwrap();
    in_the_middle(&owner, &job).await;
    let asked = Instant::now();
    owner
        .compute
        .cancel(&owner.compute_token, job.id)
        .await
        .unwrap();
    let job = owner.finished(job.id).await.unwrap();
    assert_eq!(job.state, State::Cancelled, "{job:?}");
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    // The threads are free for the next.
    let job = owner.submit_to_network(MODEL, &images).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    setting.assert_answered(&owner, MODEL, &job, &seeds).await;
}
