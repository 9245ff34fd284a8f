//! A bucket that lets creations overwrite each other is not used.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::Ordering;

use backend_storage::{Config, Error, S3Create};

use crate::store::{configure, objects_in, server, unfinished};
use crate::support::{App, files};

async fn start(dir: &Path, create: S3Create) -> Result<(), Error> {
    let mut config = Config::default();
    configure(dir, &mut config);
    config.s3.as_mut().unwrap().create = create;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    backend_storage::serve(listener, config).await.map(drop)
}

fn refuses(outcome: Result<(), Error>, what: &str) {
    let message = outcome.unwrap_err().to_string();
    let named = format!("a second creation of {what} take");
    assert!(message.contains(&named), "{message}");
    assert!(message.contains("docs/DEPLOYING.md"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_conditions_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let faults = &server(dir.path()).faults;
    faults.ignore_on_put.store(true, Ordering::Relaxed);
    for create in [S3Create::Multipart, S3Create::Put] {
        refuses(start(dir.path(), create).await, "objects");
    }
    faults.ignore_on_put.store(false, Ordering::Relaxed);
    faults.ignore_on_complete.store(true, Ordering::Relaxed);
    let outcome = start(dir.path(), S3Create::Multipart).await;
    refuses(outcome, "objects in parts");
    assert!(files(&objects_in(dir.path())).is_empty());
    assert!(unfinished(&objects_in(dir.path())).is_empty());
    // In one request each it would be safe.
    start(dir.path(), S3Create::Put).await.unwrap();
    faults.ignore_on_complete.store(false, Ordering::Relaxed);
    start(dir.path(), S3Create::Multipart).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tried_is_taken_away() {
    let app = App::start().await;
    let left = files(&app.dir);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].ends_with("server/grant-key"));
}
