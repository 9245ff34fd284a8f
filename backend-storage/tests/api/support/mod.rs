//! A running service, an owner with a vault, and bytes to store.

mod owner;
mod raw;
mod service;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use darkroom_api::header::{Header, ObjectKind, ParameterSetId, seal};
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

pub use self::owner::Owner;
pub use self::raw::Raw;
pub use self::service::{App, Process};

/// Asserts that the answer is a problem of this type, well-formed, and returns its detail.
pub async fn refused(response: Response, kind: ProblemType) -> String {
    let status = response.status().as_u16();
    let media = response.headers().get(CONTENT_TYPE).cloned();
    let body = response.text().await.unwrap();
    assert_eq!(media.unwrap(), MEDIA_TYPE, "{status} {body}");
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (problem.kind, problem.status),
        (kind, kind.status()),
        "{body}"
    );
    assert_eq!(status, kind.status());
    assert!(!problem.detail.is_empty());
    problem.detail
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub fn new_id() -> ObjectId {
    ObjectId(random())
}

pub fn object(kind: ObjectKind, payload: &[u8]) -> Vec<u8> {
    seal(kind, ParameterSetId(1), KeyId([9; 16]), payload)
}

pub fn image(payload: &[u8]) -> Vec<u8> {
    object(ObjectKind::Image, payload)
}

pub fn describe(kind: ObjectKind, payload: &[u8]) -> Header {
    Header::describe(kind, ParameterSetId(1), KeyId([9; 16]), payload)
}

/// All files under a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path)
            } else {
                files.push(path)
            }
        }
    }
    files
}

/// Waits for something that has to come.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}
