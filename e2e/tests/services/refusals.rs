//! Bad input from outside, and what each is answered with.

use std::time::Duration;

use darkroom_api::client::{Access, ClientError};
use darkroom_api::compute::{Job, State};
use darkroom_api::header::{self, HEADER_BYTES, ObjectKind, ParameterSetId};
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::problem::{Problem, ProblemType};
use e2e::owner::{Owner, pattern};
use e2e::services::{Darkroom, Plan};

use crate::zoo;

struct Setting {
    darkroom: Darkroom,
    owner: Owner,
    models: tempfile::TempDir,
}

async fn setting(plan: Plan<'_>) -> Setting {
    let models = zoo::small();
    let darkroom = Darkroom::start_as(Plan {
        models: Some(models.path()),
        ..plan
    })
    .await
    .unwrap();
    let owner = Owner::open(&darkroom).await.unwrap();
    Setting {
        darkroom,
        owner,
        models,
    }
}

#[track_caller]
fn assert_problem(found: Option<&Problem>, expected: ProblemType, says: &str) {
    let found = found.unwrap_or_else(|| panic!("no problem, but {expected:?} is due"));
    assert_eq!(found.kind, expected, "{found}");
    assert_eq!(found.status, expected.status(), "{found}");
    assert_eq!(found.title, expected.title(), "{found}");
    let detail = found.detail.to_lowercase();
    assert!(
        detail.contains(says),
        "{says:?} is not in {:?}",
        found.detail
    );
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(
    outcome: Result<T, ClientError>,
    expected: ProblemType,
    says: &str,
) {
    let error = outcome.unwrap_err();
    assert_problem(error.problem(), expected, says);
}

/// What a job, or its first image, failed of.
fn problem_of(job: &Job) -> Option<&Problem> {
    assert_eq!(
        job.state,
        if job.problem.is_some() {
            State::Failed
        } else {
            job.state
        },
        "{job:?}"
    );
    job.items[0].problem.as_ref().or(job.problem.as_ref())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_is_not_stored() {
    let mut s = setting(Plan {
        storage: &[("LIMITS__IMAGE_BYTES", "100000")],
        ..Plan::default()
    })
    .await;
    let good = s.owner.encrypt(&pattern(1, 8, 8).unwrap()).unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let mut trailing = good.clone();
    trailing.push(0);
    let key = s.owner.key_id();
    let oversize = header::seal(ObjectKind::Image, ParameterSetId(1), key, &[0; 200_000]);
    let result = header::seal(ObjectKind::Result, ParameterSetId(1), key, b"result");
    let cases = [
        (Vec::new(), ProblemType::ObjectMalformed),
        (
            good[..HEADER_BYTES - 1].to_vec(),
            ProblemType::ObjectMalformed,
        ),
        (good[..good.len() - 1].to_vec(), ProblemType::LengthMismatch),
        (good[..HEADER_BYTES].to_vec(), ProblemType::LengthMismatch),
        (trailing, ProblemType::LengthMismatch),
        (oversize, ProblemType::TooLarge),
        (changed(0, b'X'), ProblemType::ObjectMalformed),
        (changed(8, 99), ProblemType::ObjectMalformed),
        (changed(10, 9), ProblemType::ObjectMalformed),
        (
            changed(good.len() - 1, good[good.len() - 1] ^ 1),
            ProblemType::DigestMismatch,
        ),
        (result, ProblemType::KindMismatch),
    ];
    for (index, (object, expected)) in cases.into_iter().enumerate() {
        let outcome = s.owner.put_image(object).await;
        let error = outcome.expect_err(&format!("case {index} was stored"));
        assert_problem(error.problem(), expected, "");
    }
    let stored = s
        .owner
        .storage
        .list(s.owner.vault, ObjectKind::Image, &s.owner.vault_token);
    assert_eq!(stored.await.unwrap(), []);
    s.owner.put_image(good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_used_for_one_object_only() {
    let mut s = setting(Plan::default()).await;
    let (one, two) = (pattern(1, 8, 8).unwrap(), pattern(2, 8, 8).unwrap());
    let (one, two) = (
        s.owner.encrypt(&one).unwrap(),
        s.owner.encrypt(&two).unwrap(),
    );
    let id = s.owner.put_image(one.clone()).await.unwrap();
    let owner = &s.owner;
    let put = |object: Vec<u8>| {
        let access = Access::Owner(&owner.vault_token);
        owner
            .storage
            .put(owner.vault, ObjectKind::Image, id, access, object)
    };
    put(one.clone()).await.unwrap();
    assert_refused(put(two).await, ProblemType::ObjectExists, "");
    let access = Access::Owner(&owner.vault_token);
    let kept = owner
        .storage
        .object(owner.vault, ObjectKind::Image, id, access, 1 << 20)
        .await;
    assert_eq!(kept.unwrap(), one);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_owners_vault_stays_shut() {
    let mut s = setting(Plan::default()).await;
    let image = s.owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
    let mut other = Owner::open(&s.darkroom).await.unwrap();
    let token = other.vault_token.clone();
    let (vault, storage) = (s.owner.vault, other.storage.clone());
    assert_refused(
        storage.open_vault(vault, &token).await,
        ProblemType::Unauthorized,
        "",
    );
    assert_refused(
        storage.vault(vault, &token).await,
        ProblemType::Unauthorized,
        "",
    );
    let access = Access::Owner(&token);
    let read = storage
        .object(vault, ObjectKind::Image, image, access, 1 << 20)
        .await;
    assert_refused(read, ProblemType::Unauthorized, "");
    let list = storage.list(vault, ObjectKind::Image, &token).await;
    assert_refused(list, ProblemType::Unauthorized, "");
    assert_refused(
        storage.delete_vault(vault, &token).await,
        ProblemType::Unauthorized,
        "",
    );
    let write = storage
        .put(
            vault,
            ObjectKind::Image,
            ObjectId([7; 16]),
            access,
            Vec::new(),
        )
        .await;
    assert_refused(write, ProblemType::Unauthorized, "");

    // A job of the other's that names this vault, with a grant of the other's own.
    let items = other.items(&[image]);
    let grant = other.grant(&items, 60_000).await.unwrap();
    let mut job = other.job("left-right", items, &grant).unwrap();
    job.vault = vault;
    let job = other
        .compute
        .submit(&other.compute_token, &job)
        .await
        .unwrap();
    let job = other.finished(job.id).await.unwrap();
    let problem = problem_of(&job).expect("the job must fail");
    assert!(
        matches!(
            problem.kind,
            ProblemType::GrantRefused | ProblemType::GrantInvalid
        ),
        "{problem}"
    );

    // And nobody follows a job that is not theirs.
    let job = s.owner.submit("left-right", &[image]).await.unwrap();
    let seen = other.compute.job(&other.compute_token, job.id).await;
    assert_refused(seen, ProblemType::JobNotFound, "");
    let cancelled = other.compute.cancel(&other.compute_token, job.id).await;
    assert_refused(cancelled, ProblemType::JobNotFound, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_under_another_key_or_of_another_kind_is_refused_and_the_rest_goes_on() {
    let mut s = setting(Plan::default()).await;
    let good = s.owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
    let object = s.owner.encrypt(&pattern(2, 8, 8).unwrap()).unwrap();
    let (head, payload) = header::open(&object, ObjectKind::Image).unwrap();
    let (key, parameters) = (head.key, head.parameters);
    let foreign = header::seal(ObjectKind::Image, parameters, KeyId([1; 16]), payload);
    let strange = header::seal(ObjectKind::Image, ParameterSetId(999), key, payload);
    let nonsense = header::seal(ObjectKind::Image, parameters, key, b"no image at all");
    let foreign = s.owner.put_image(foreign).await.unwrap();
    let strange = s.owner.put_image(strange).await.unwrap();
    let nonsense = s.owner.put_image(nonsense).await.unwrap();
    let shape = s.owner.upload(&pattern(1, 16, 8).unwrap()).await.unwrap();
    let missing = s.owner.draw_id();

    let images = [foreign, strange, nonsense, shape, missing, good];
    let job = s.owner.submit("left-right", &images).await.unwrap();
    let job = s.owner.finished(job.id).await.unwrap();
    assert_eq!(job.state, State::Done, "{job:?}");
    let expected = [
        ProblemType::ForeignKey,
        ProblemType::WrongParameters,
        ProblemType::ObjectMalformed,
        ProblemType::ImageShape,
        ProblemType::ObjectNotFound,
    ];
    for (item, expected) in job.items.iter().zip(expected) {
        assert_eq!(item.state, State::Failed);
        assert_problem(item.problem.as_ref(), expected, "");
    }
    assert_problem(job.items[3].problem.as_ref(), ProblemType::ImageShape, "8");
    assert_eq!(job.items[5].state, State::Done);
    s.owner.answer(job.items[5].result).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_what_it_names_while_it_lasts() {
    let mut s = setting(Plan::default()).await;
    let images = [
        s.owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap(),
        s.owner.upload(&pattern(2, 8, 8).unwrap()).await.unwrap(),
    ];
    let items = s.owner.items(&images);

    let short = s.owner.grant(&items[..1], 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let job = s
        .owner
        .job("left-right", items[..1].to_vec(), &short)
        .unwrap();
    assert_eventually_refused(&s.owner, &job, ProblemType::GrantExpired).await;

    let narrow = s.owner.grant(&items[..1], 60_000).await.unwrap();
    let job = s
        .owner
        .job("left-right", items[1..].to_vec(), &narrow)
        .unwrap();
    assert_eventually_refused(&s.owner, &job, ProblemType::GrantRefused).await;

    let mut bent = narrow.clone();
    let last = if bent.grant.ends_with('0') { "1" } else { "0" };
    bent.grant.replace_range(bent.grant.len() - 1.., last);
    let job = s
        .owner
        .job("left-right", items[..1].to_vec(), &bent)
        .unwrap();
    assert_eventually_refused(&s.owner, &job, ProblemType::GrantInvalid).await;

    // A grant lets nobody list, delete, or read a result.
    let access = Access::Grant(&narrow.grant);
    let (vault, storage) = (s.owner.vault, &s.owner.storage);
    let other = storage
        .object(vault, ObjectKind::Image, images[1], access, 1 << 20)
        .await;
    assert_refused(other, ProblemType::GrantRefused, "");
    let write = storage
        .put(vault, ObjectKind::Image, images[0], access, vec![0; 80])
        .await;
    assert_refused(write, ProblemType::GrantRefused, "");
}

/// At once or when it runs: both are allowed, silence is not.
async fn assert_eventually_refused(
    owner: &Owner,
    job: &darkroom_api::compute::SubmitJob,
    expected: ProblemType,
) {
    match owner.compute.submit(&owner.compute_token, job).await {
        Err(error) => assert_problem(error.problem(), expected, ""),
        Ok(job) => {
            let job = owner.finished(job.id).await.unwrap();
            assert_problem(problem_of(&job), expected, "");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_there_is_not_found() {
    let mut s = setting(Plan::default()).await;
    let image = s.owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
    let items = s.owner.items(&[image]);
    let grant = s.owner.grant(&items, 60_000).await.unwrap();
    let job = s.owner.job("no-such-model", items, &grant).unwrap();
    let outcome = s.owner.compute.submit(&s.owner.compute_token, &job).await;
    assert_refused(outcome, ProblemType::ModelNotFound, "no-such-model");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_removed_between_submit_and_run_is_gone() {
    let lease = [("QUEUE__LEASE_MS", "1000"), ("QUEUE__POLL_MS", "100")];
    let mut s = setting(Plan {
        compute: &lease,
        ..Plan::default()
    })
    .await;
    let image = s.owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
    let items = s.owner.items(&[image]);
    let grant = s.owner.grant(&items, 600_000).await.unwrap();
    let job = s.owner.job("left-right", items, &grant).unwrap();
    // While storage is down no job can get on; then compute goes, and the model with it.
    s.darkroom.storage.kill().unwrap();
    let job = s
        .owner
        .compute
        .submit(&s.owner.compute_token, &job)
        .await
        .unwrap();
    s.darkroom.compute.kill().unwrap();
    std::fs::remove_dir_all(s.models.path().join("left-right")).unwrap();
    s.darkroom.storage.start().await.unwrap();
    s.darkroom.compute.start().await.unwrap();
    let job = s.owner.finished(job.id).await.unwrap();
    assert_problem(problem_of(&job), ProblemType::ModelGone, "left-right");
}
