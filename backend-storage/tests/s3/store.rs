//! The store underneath: a bucket of a real S3 server, one for each folder of a test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use backend_storage::{Config, S3Settings};

use crate::server::{ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Server};
use crate::support::files;

/// Not at the top of the bucket, where others may have theirs.
const PREFIX: &str = "of/darkroom";

static SERVERS: LazyLock<Mutex<HashMap<PathBuf, Arc<Server>>>> = LazyLock::new(Mutex::default);

/// The server whose files are in this folder; it lives as long as the tests.
pub fn server(dir: &Path) -> Arc<Server> {
    let mut servers = SERVERS.lock().unwrap();
    let server = servers.entry(dir.to_owned());
    Arc::clone(server.or_insert_with(|| Arc::new(Server::start(dir.join("s3")))))
}

/// Where the server keeps the objects: a file for each, named by its key.
pub fn objects_in(dir: &Path) -> PathBuf {
    dir.join("s3").join(BUCKET).join(PREFIX)
}

pub fn settings(dir: &Path) -> S3Settings {
    S3Settings {
        bucket: BUCKET.to_owned(),
        endpoint: Some(server(dir).endpoint()),
        prefix: PREFIX.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: Some(SECRET_ACCESS_KEY.to_owned().into()),
        allow_http: true,
        ..S3Settings::default()
    }
}

pub fn configure(dir: &Path, config: &mut Config) {
    // Nothing may be written there.
    config.data_dir = "/dev/null/nowhere".into();
    config.s3 = Some(settings(dir));
}

/// The same as lines of TOML: top-level keys, and tables.
pub fn configure_toml(dir: &Path) -> (String, String) {
    let endpoint = server(dir).endpoint();
    let table = format!(
        "[s3]\nbucket = \"{BUCKET}\"\nendpoint = \"{endpoint}\"\nprefix = \"{PREFIX}\"\n\
         access_key_id = \"{ACCESS_KEY_ID}\"\nsecret_access_key = \"{SECRET_ACCESS_KEY}\"\n\
         allow_http = true\n"
    );
    (String::new(), table)
}

/// Files of uploads that are under way or were left behind: those in parts are not in the bucket.
pub fn unfinished(objects: &Path) -> Vec<PathBuf> {
    let root = objects.ancestors().nth(3).unwrap();
    let is_of_upload = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(".upload")
    };
    let entries = std::fs::read_dir(root).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(is_of_upload);
    found.extend(files(&objects.join("staging")));
    found
}

/// It is the bucket's rule that takes them away.
pub const SWEEPS_UNFINISHED: bool = false;
