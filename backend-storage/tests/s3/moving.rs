//! From a disk to a bucket.

use std::path::Path;

use darkroom_api::header::ObjectKind;
use darkroom_api::storage::{GrantRequest, ObjectRef};

use crate::store::objects_in;
use crate::support::{App, files, image, random_bytes};

/// As `rclone copy --exclude '*#*' --exclude 'staging/**'`.
fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let key = file.strip_prefix(from).unwrap();
        if !key.to_string_lossy().contains('#') && !key.starts_with("staging") {
            std::fs::create_dir_all(to.join(key).parent().unwrap()).unwrap();
            std::fs::copy(&file, to.join(key)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_copied_into_a_bucket_is_the_same_store() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    let on_disk = App::start_in(dir.path(), |config| {
        config.s3 = None;
        config.data_dir = folder.clone();
    })
    .await;
    let owner = on_disk.owner().await;
    let payload = random_bytes(7_000_000);
    let id = owner.put_image(&payload).await;
    let kind = ObjectKind::Image;
    assert_eq!(
        owner.put_note(kind, id, b"name".to_vec()).await.status(),
        204
    );
    let request = GrantRequest {
        reads: vec![ObjectRef { kind, id }],
        writes: vec![],
        valid_ms: 60_000,
    };
    let grant = owner.grant(&request).await.grant;
    let listed = owner.all(kind).await;
    on_disk.stop().await;
    copy(&folder, &objects_in(dir.path()));

    let in_bucket = App::start_in(dir.path(), |_| {}).await;
    let owner = owner.at(&in_bucket.address);
    assert_eq!(owner.read(kind, id).await, image(&payload));
    assert_eq!(owner.get_with(&grant, kind, id).await.status(), 200);
    let moved = owner.all(kind).await;
    assert_eq!(
        (&moved[&id].note, &moved[&id].sha256),
        (&listed[&id].note, &listed[&id].sha256)
    );
    owner.put_image(b"another").await;
}
