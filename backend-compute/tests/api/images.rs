//! Images of a job: each succeeds or fails on its own.

use std::path::PathBuf;

use darkroom_api::compute::{ItemRef, State, SubmitJob};
use darkroom_api::header::{ObjectKind, open};
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::problem::ProblemType;
use darkroom_fhe::wire::EncryptedResult;

use super::support::{AN_HOUR_MS, World, count, model, payload, random};

#[tokio::test]
async fn results_are_objects_of_their_owner() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let images = [owner.image().await, owner.image().await];
    let job = owner.job(&images).await;
    let id = owner.submit(&compute.client, &job).await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(
        (ended.state, ended.attempts, ended.problem),
        (State::Done, 1, None)
    );
    assert!(ended.created_ms <= ended.started_ms.unwrap());
    assert!(ended.started_ms <= ended.finished_ms);

    let card = compute.client.model(&job.model).await.unwrap();
    for (item, asked) in ended.items.iter().zip(&job.items) {
        assert_eq!((item.image, item.result), (asked.image, asked.result));
        assert_eq!((item.state, &item.problem), (State::Done, &None));
        let timings = item.timings.unwrap();
        assert!(timings.fetch_ms > 0.0 && timings.compute_ms > 0.0 && timings.store_ms > 0.0);
        let object = owner.result(item.result).await;
        assert_eq!(object.len() as u64, card.result_bytes);
        let (header, payload) = open(&object, ObjectKind::Result).unwrap();
        assert_eq!(
            (header.key, header.parameters),
            (owner.key, card.parameters)
        );
        let result = EncryptedResult::from_payload(header.parameters.0, payload).unwrap();
        assert_eq!(result.reading().classes, card.classes);
    }
}

#[tokio::test]
async fn each_image_fails_with_its_own_problem() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let whole = payload(128, 128, 7);
    let key = owner.key;
    let cases = [
        (owner.put(1, key, &whole).await, None),
        (
            owner.put(2, key, &whole).await,
            Some(ProblemType::WrongParameters),
        ),
        (
            owner.put(1, KeyId(random()), &whole).await,
            Some(ProblemType::ForeignKey),
        ),
        (
            owner.put(1, key, &payload(64, 64, 7)).await,
            Some(ProblemType::ImageShape),
        ),
        (
            owner.put(1, key, &whole[..999]).await,
            Some(ProblemType::ObjectMalformed),
        ),
        (
            owner.put(1, key, &[whole.clone(), vec![0]].concat()).await,
            Some(ProblemType::ObjectMalformed),
        ),
        (
            owner.put(1, key, &[]).await,
            Some(ProblemType::ObjectMalformed),
        ),
        (
            owner.put(1, key, &[0; 24]).await,
            Some(ProblemType::ObjectMalformed),
        ),
        (ObjectId(random()), Some(ProblemType::ObjectNotFound)),
        (owner.put(1, key, &whole).await, None),
    ];
    let job = owner.job(&cases.map(|(image, _)| image)).await;
    let id = owner.submit(&compute.client, &job).await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(
        (ended.state, ended.attempts, ended.problem),
        (State::Done, 1, None)
    );
    for (item, (_, expected)) in ended.items.iter().zip(cases) {
        let problem = item.problem.as_ref().map(|problem| problem.kind);
        assert_eq!(problem, expected, "{item:?}");
        let state = if expected.is_none() {
            State::Done
        } else {
            State::Failed
        };
        assert_eq!(item.state, state, "{item:?}");
    }
    assert_eq!(owner.results().await, 2);
}

#[tokio::test]
async fn objects_that_storage_damaged_are_noticed() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    // What is changed where, in the file behind storage's back. Storage itself looks at the header.
    let damages = [
        (0, b'X', ProblemType::Internal),
        (8, 9, ProblemType::Internal),
        (10, 3, ProblemType::KindMismatch),
        (32, 1, ProblemType::Internal),
        (40, 0, ProblemType::DigestMismatch),
        (5000, 1, ProblemType::DigestMismatch),
    ];
    let mut images = Vec::new();
    for (at, byte, _) in damages {
        let image = owner.image().await;
        let file = file_of(world.storage.data_dir.clone(), image).expect("storage keeps files");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[at] = if bytes[at] == byte { byte + 1 } else { byte };
        std::fs::write(&file, bytes).unwrap();
        images.push(image);
    }
    let job = owner.job(&images).await;
    let id = owner.submit(&compute.client, &job).await;
    let ended = owner.end_of(&compute.client, id).await;
    for (item, (at, _, expected)) in ended.items.iter().zip(damages) {
        let problem = item.problem.as_ref().unwrap();
        assert_eq!(problem.kind, expected, "byte {at}: {problem}");
    }
    assert_eq!(owner.results().await, 0);
}

/// The file whose name is this id, wherever storage put it.
pub fn file_of(folder: PathBuf, id: ObjectId) -> Option<PathBuf> {
    std::fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return file_of(path, id);
        }
        path.file_name()?
            .to_str()?
            .contains(&id.to_string())
            .then_some(path)
    })
}

#[tokio::test]
async fn a_job_can_do_what_its_grant_allows_and_no_more() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let item = || async {
        ItemRef {
            image: owner.image().await,
            result: ObjectId(random()),
        }
    };
    let (one, other) = (item().await, item().await);

    let whole = owner.job(&[one.image]).await;
    let with = |items: Vec<ItemRef>, grant: String| SubmitJob {
        items,
        grant,
        idempotency_key: ObjectId(random()),
        ..whole.clone()
    };
    let mut altered = owner.grant(&[one], AN_HOUR_MS).await;
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    let brief = owner.grant(&[one], 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    for (job, expected) in [
        (
            with(vec![other], owner.grant(&[one], AN_HOUR_MS).await),
            ProblemType::GrantRefused,
        ),
        (
            with(vec![one], "AAAA".to_owned()),
            ProblemType::GrantInvalid,
        ),
        (with(vec![one], brief), ProblemType::GrantExpired),
        (
            with(
                vec![ItemRef {
                    result: other.result,
                    ..one
                }],
                owner.grant(&[one], AN_HOUR_MS).await,
            ),
            ProblemType::GrantRefused,
        ),
    ] {
        let id = owner.submit(&compute.client, &job).await;
        let ended = owner.end_of(&compute.client, id).await;
        assert_eq!(
            (ended.state, count(&ended, State::Failed)),
            (State::Done, 1)
        );
        assert_eq!(ended.items[0].problem.as_ref().unwrap().kind, expected);
    }
    let id = owner
        .submit(&compute.client, &with(vec![one], altered))
        .await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(ended.items[0].state, State::Failed);
    assert_eq!(owner.results().await, 0);
}

#[tokio::test]
async fn a_result_is_never_written_over() {
    let world = World::new().await;
    model::write(&world.models().join("second"), 128, 128);
    let text = model::text(128, 128, "w.npy").replace("-0.05", "0.5");
    std::fs::write(world.models().join("second/model.toml"), text).unwrap();
    let (compute, owner) = (world.compute().await, world.owner().await);
    let job = owner.big_job(1).await;
    let id = owner.submit(&compute.client, &job).await;
    owner.end_of(&compute.client, id).await;
    let before = owner.result(job.items[0].result).await;

    // Another model's result under the same id is not taken for done.
    let other = SubmitJob {
        model: "second".parse().unwrap(),
        idempotency_key: ObjectId(random()),
        ..job.clone()
    };
    let id = owner.submit(&compute.client, &other).await;
    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!(
        ended.items[0].problem.as_ref().unwrap().kind,
        ProblemType::ObjectExists
    );
    assert_eq!(owner.result(job.items[0].result).await, before);
}
