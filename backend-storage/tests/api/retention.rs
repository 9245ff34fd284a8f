//! Limits that are said, and objects that go by themselves.

use std::time::{Duration, SystemTime};

use darkroom_api::audit::{Act, LogPage, Who, check_chain};
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::{Problem, Quota, QuotaUnit};
use darkroom_api::routes;
use reqwest::Method;

use crate::support::{App, files, image, new_id, object, until};

const IMAGE: ObjectKind = ObjectKind::Image;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_vault_says_how_full() {
    let app = App::start_with(|config| {
        config.limits.objects = 2;
        config.limits.vault_bytes = 1000;
    })
    .await;
    let owner = app.owner().await;
    assert_eq!(owner.info().await.bytes_max, Some(1000));
    owner.put_image(&[1; 428]).await;
    let full = owner.put(IMAGE, new_id(), image(&[1; 500])).await;
    let quota = full.json::<Problem>().await.unwrap().quota;
    let expected = Quota {
        unit: QuotaUnit::Bytes,
        used: 500,
        max: 1000,
        free_at_ms: None,
    };
    assert_eq!(quota, Some(expected));
    owner.put_image(b"").await;
    let full = owner.put(IMAGE, new_id(), image(b"")).await;
    let quota = full.json::<Problem>().await.unwrap().quota.unwrap();
    assert_eq!((quota.unit, quota.used), (QuotaUnit::Objects, 2));
    let absent = owner.get(IMAGE, new_id()).await;
    assert_eq!(absent.json::<Problem>().await.unwrap().quota, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_when_their_time_is_over_and_say_when() {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let app = App::start_with(|config| {
        config.retention.images_ms = DAY_MS;
        config.sweep.every_ms = 50;
    })
    .await;
    let owner = app.owner().await;
    let info = owner.info().await;
    assert_eq!(
        (info.images_kept_ms, info.results_kept_ms),
        (Some(DAY_MS), None)
    );
    let (old, young) = (
        owner.put_image(b"old").await,
        owner.put_image(b"young").await,
    );
    let key = new_id();
    let bytes = object(ObjectKind::EvaluationKey, b"key");
    owner.put(ObjectKind::EvaluationKey, key, bytes).await;
    owner.put_note(IMAGE, old, b"of old".to_vec()).await;
    owner.put_note(IMAGE, young, b"of young".to_vec()).await;
    let alone = new_id();
    owner.put_note(IMAGE, alone, b"of nothing".to_vec()).await;
    let listed = owner.all(IMAGE).await;
    let expires = listed[&old].created_ms + DAY_MS;
    assert_eq!(listed[&old].expires_ms, Some(expires));
    let keys = owner.all(ObjectKind::EvaluationKey).await;
    assert_eq!(keys[&key].expires_ms, None);

    let long_ago = SystemTime::now() - Duration::from_secs(25 * 3600);
    let is = |file: &std::path::Path, id: darkroom_api::ids::ObjectId| {
        file.file_name().unwrap().to_string_lossy() == id.to_string()
    };
    let age = |file: &std::path::Path| {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(long_ago).unwrap();
    };
    // All of the old one, the key, the lonely note, and only the note of the young one.
    for file in files(&app.dir.join("data")) {
        let is_young_image = is(&file, young) && !file.to_string_lossy().contains("notes-");
        if !is_young_image {
            age(&file);
        }
    }
    let gone = |id| !files(&app.dir.join("data")).iter().any(|file| is(file, id));
    until("the sweep", || gone(old) && gone(alone)).await;
    let left = owner.all(IMAGE).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[&young].note.as_ref().unwrap().0, b"of young");
    assert_eq!(owner.all(ObjectKind::EvaluationKey).await.len(), 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let page = owner.send(Method::GET, &routes::log(owner.vault)).await;
    let page: LogPage = page.json().await.unwrap();
    let lines = page.lines.iter().map(String::as_str);
    let (log, _) = check_chain(page.from, lines).unwrap();
    let expired = log.iter().filter(|entry| entry.deed.act == Act::Expire);
    let who: Vec<_> = expired.map(|entry| entry.deed.who.clone()).collect();
    assert_eq!(who, [Who::Storage, Who::Storage]);
}
