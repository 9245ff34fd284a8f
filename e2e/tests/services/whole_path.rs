//! From a picture to its answer and back, and nothing readable in between.

use darkroom_api::client::Access;
use darkroom_api::compute::State;
use darkroom_api::header::ObjectKind;
use darkroom_fhe::picture::Frame;
use e2e::evaluation_key::make_key;
use e2e::owner::{Owner, load_model, pattern};
use e2e::services::Darkroom;

use crate::zoo;

#[tokio::test(flavor = "multi_thread")]
async fn every_shipped_model_answers_as_its_clear_twin() {
    let darkroom = Darkroom::start().await.unwrap();
    let mut owner = Owner::open(&darkroom).await.unwrap();
    owner
        .send_key(&make_key(&owner.key).unwrap())
        .await
        .unwrap();
    let catalogue = owner.compute.catalogue().await.unwrap();
    assert_eq!(catalogue.refused, []);
    for folder in zoo::shipped() {
        let model = load_model(&folder).unwrap();
        let card = owner
            .compute
            .model(&zoo::id(&folder).parse().unwrap())
            .await
            .unwrap();
        assert!(catalogue.models.contains(&card));
        assert_eq!(card.digest, model.digest());
        let parameters = card.evaluation_key.map(|key| key.parameters.0);
        assert_eq!(parameters, model.evaluation_key_parameters());
        let Frame { width, height, .. } = model.input();
        assert_eq!((card.input.width, card.input.height), (width, height));

        let pictures: Vec<_> = (0..4)
            .map(|seed| pattern(seed, width, height).unwrap())
            .collect();
        let mut images = Vec::new();
        for picture in &pictures {
            images.push(owner.upload(picture).await.unwrap());
        }
        let job = match card.evaluation_key {
            Some(_) => owner.submit_to_network(zoo::id(&folder), &images).await,
            None => owner.submit(zoo::id(&folder), &images).await,
        };
        let job = job.unwrap();
        let job = owner.finished(job.id).await.unwrap();
        assert_eq!(job.state, State::Done, "{job:?}");
        assert_eq!(job.items.len(), pictures.len());
        for (item, picture) in job.items.iter().zip(&pictures) {
            assert_eq!(item.state, State::Done, "{item:?}");
            assert!(item.timings.is_some());
            let answer = owner.answer(item.result).await.unwrap();
            zoo::assert_same(&model, &answer, &zoo::twin(&folder, picture));
        }
        let stored = owner
            .storage
            .list(owner.vault, ObjectKind::Result, &owner.vault_token);
        let mut stored = stored.await.unwrap();
        stored.retain(|object| job.items.iter().any(|item| item.result == object.id));
        assert_eq!(stored.len(), pictures.len());
        for object in stored {
            assert!(
                object.bytes <= card.result_bytes,
                "{object:?} {}",
                card.result_bytes
            );
        }
        let stored = owner
            .storage
            .list(owner.vault, ObjectKind::Image, &owner.vault_token);
        let images = stored.await.unwrap();
        assert!(images.iter().any(|image| image.bytes == card.image_bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stored_image_serves_every_model_of_its_shape() {
    let models = zoo::small();
    let plan = e2e::services::Plan {
        models: Some(models.path()),
        ..Default::default()
    };
    let darkroom = Darkroom::start_as(plan).await.unwrap();
    let mut owner = Owner::open(&darkroom).await.unwrap();
    let picture = pattern(3, 8, 8).unwrap();
    let image = owner.upload(&picture).await.unwrap();
    for name in ["left-right", "bright-dark"] {
        let job = owner.submit(name, &[image]).await.unwrap();
        let job = owner.finished(job.id).await.unwrap();
        let answer = owner.answer(job.items[0].result).await.unwrap();
        let folder = models.path().join(name);
        zoo::assert_same(
            &load_model(&folder).unwrap(),
            &answer,
            &zoo::twin(&folder, &picture),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_submission_twice_is_one_job() {
    let models = zoo::small();
    let plan = e2e::services::Plan {
        models: Some(models.path()),
        ..Default::default()
    };
    let darkroom = Darkroom::start_as(plan).await.unwrap();
    let mut owner = Owner::open(&darkroom).await.unwrap();
    let image = owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
    let items = owner.items(&[image]);
    let grant = owner.grant(&items, 60_000).await.unwrap();
    let job = owner.job("left-right", items, &grant).unwrap();
    let first = owner
        .compute
        .submit(&owner.compute_token, &job)
        .await
        .unwrap();
    let again = owner
        .compute
        .submit(&owner.compute_token, &job)
        .await
        .unwrap();
    assert_eq!(first.id, again.id);
    owner.finished(first.id).await.unwrap();
    assert_eq!(
        owner
            .compute
            .jobs(&owner.compute_token)
            .await
            .unwrap()
            .len(),
        1
    );
    let results = owner
        .storage
        .list(owner.vault, ObjectKind::Result, &owner.vault_token);
    assert_eq!(results.await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_alone_brings_everything_back_and_deleting_takes_it_away() {
    let models = zoo::small();
    let plan = e2e::services::Plan {
        models: Some(models.path()),
        ..Default::default()
    };
    let darkroom = Darkroom::start_as(plan).await.unwrap();
    let mut owner = Owner::open(&darkroom).await.unwrap();
    let image = owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
    let job = owner.submit("left-right", &[image]).await.unwrap();
    let result = owner.finished(job.id).await.unwrap().items[0].result;
    let answer = owner.answer(result).await.unwrap();

    let master = *owner.key.danger_master();
    let restored = darkroom_fhe::keys::ClientKey::from_master(master);
    let other_device = Owner::with_key(&darkroom, restored).await.unwrap();
    assert_eq!(other_device.answer(result).await.unwrap(), answer);

    let storage = &other_device.storage;
    storage
        .delete_vault(owner.vault, &owner.vault_token)
        .await
        .unwrap();
    let access = Access::Owner(&owner.vault_token);
    let gone = storage
        .object(owner.vault, ObjectKind::Result, result, access, 1 << 20)
        .await;
    assert!(gone.is_err());
    let left = walk(darkroom.folder().join("storage").as_path());
    let names = [
        owner.vault.to_string(),
        result.to_string(),
        image.to_string(),
    ];
    for path in left {
        assert!(
            !names.iter().any(|name| path.contains(name)),
            "{path} is left"
        );
    }
}

/// All files below a folder.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path.display().to_string());
            }
        }
    }
    files
}
