//! Models that come, change and go while compute runs.

use std::fs;

use backend_compute::models::Catalogue;
use backend_compute::queue::{Pushed, Queue};
use darkroom_api::compute::State;
use darkroom_api::problem::ProblemType;
use darkroom_fhe::wire::EncryptedImage;

use super::support::{Compute, World, model};

#[tokio::test]
async fn a_card_says_what_one_should_know() {
    let world = World::new().await;
    let compute = world.compute().await;
    let catalogue = compute.client.catalogue().await.unwrap();
    assert_eq!(catalogue.refused, []);
    let card = &catalogue.models[0];
    assert_eq!(compute.client.model(&card.id).await.unwrap(), *card);
    assert_eq!(
        (card.id.as_str(), card.title.as_str()),
        ("linear", "A test")
    );
    assert_eq!(
        (card.input.width, card.input.height, card.bootstraps),
        (128, 128, 0)
    );
    assert_eq!(card.classes, ["one", "other"]);
    assert_eq!(card.digest.len(), 64);
    assert_eq!(
        card.image_bytes,
        72 + EncryptedImage::payload_bytes(128, 128)
    );
    assert!(card.expected_ms > 0.0 && card.evaluation_key.is_none());
}

#[tokio::test]
async fn models_come_and_go_without_a_restart() {
    let world = World::new().await;
    let compute = world.compute().await;
    let names = || async {
        let catalogue = compute.client.catalogue().await.unwrap();
        let models: Vec<_> = catalogue
            .models
            .iter()
            .map(|card| card.id.to_string())
            .collect();
        let refused: Vec<_> = catalogue
            .refused
            .into_iter()
            .map(|refused| refused.folder)
            .collect();
        (models, refused)
    };
    let folder = world.models().join("another");
    model::write(&folder, 64, 64);
    assert_eq!(names().await.0, ["another", "linear"]);

    fs::write(folder.join("model.toml"), "title = 1").unwrap();
    assert_eq!(
        names().await,
        (vec!["linear".to_owned()], vec!["another".to_owned()])
    );
    model::write(&folder, 64, 64);
    assert_eq!(names().await.0, ["another", "linear"]);

    fs::remove_dir_all(folder).unwrap();
    assert_eq!(names().await, (vec!["linear".to_owned()], vec![]));
    let gone = compute
        .client
        .model(&"another".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(gone.problem().unwrap().kind, ProblemType::ModelNotFound);
}

#[tokio::test]
async fn folders_that_are_no_model_are_refused_with_the_reason() {
    let world = World::new().await;
    let more = world.folder.path().join("more");
    model::write(&more.join("linear"), 32, 32);
    model::write(&more.join("Not A Name"), 32, 32);
    model::write(&more.join("outside"), 32, 32);
    fs::write(
        more.join("outside/model.toml"),
        model::text(32, 32, "../linear/w.npy"),
    )
    .unwrap();
    model::write(&more.join("short"), 32, 32);
    fs::write(more.join("short/model.toml"), model::text(48, 48, "w.npy")).unwrap();
    fs::create_dir(more.join("empty")).unwrap();
    fs::create_dir(more.join(".hidden")).unwrap();
    fs::write(more.join("README"), "not a folder").unwrap();

    let mut config = world.config();
    config.models.push(more);
    let compute = Compute::start(config).await;
    let catalogue = compute.client.catalogue().await.unwrap();
    assert_eq!(catalogue.models.len(), 1);
    assert_eq!(catalogue.models[0].input.width, 128);
    let refused: Vec<_> = catalogue
        .refused
        .iter()
        .map(|refused| (refused.folder.as_str(), refused.reason.as_str()))
        .collect();
    for (folder, says) in [
        ("Not A Name", "folder's name"),
        ("empty", "model.toml"),
        ("linear", "another folder of this name"),
        ("outside", "not a plain file name"),
        ("short", "2304"),
    ] {
        let found = refused.iter().find(|(name, _)| *name == folder);
        let (_, reason) = found.unwrap_or_else(|| panic!("{folder}: {refused:?}"));
        assert!(reason.contains(says), "{folder}: {reason}");
    }
    assert_eq!(refused.len(), 5);

    // The shadowed one appears when the first is gone.
    fs::remove_dir_all(world.models().join("linear")).unwrap();
    let card = compute
        .client
        .model(&"linear".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(card.input.width, 32);
}

#[tokio::test]
async fn a_model_that_left_after_submit_is_gone() {
    for replaced in [false, true] {
        let world = World::new().await;
        let owner = world.owner().await;
        let job = owner.big_job(2).await;
        // Submitted while no worker runs.
        let config = world.config();
        let models = Catalogue::new(&config).unwrap().current().await.unwrap();
        let digest = models.model(&job.model).unwrap().card.digest.clone();
        let queue = Queue::open(&config).await.unwrap();
        let pushed = queue
            .push(owner.compute_token.hash(), &job, &digest, 1)
            .await
            .unwrap();
        let Pushed::New(pushed) = pushed else {
            panic!("{pushed:?}")
        };
        drop(queue);

        let folder = world.models().join("linear");
        fs::remove_dir_all(&folder).unwrap();
        if replaced {
            model::write(&folder, 64, 64);
        }
        let compute = Compute::start(config).await;
        let ended = owner.end_of(&compute.client, pushed.id).await;
        assert_eq!(ended.state, State::Failed);
        let problem = ended.problem.unwrap();
        assert_eq!(problem.kind, ProblemType::ModelGone);
        assert!(
            problem
                .detail
                .contains(if replaced { "replaced" } else { "removed" })
        );
        for item in ended.items {
            assert_eq!(
                (item.state, item.problem.unwrap().kind),
                (State::Failed, problem.kind)
            );
        }
    }
}
