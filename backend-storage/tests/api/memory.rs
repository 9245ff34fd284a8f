//! Large objects do not fill the memory.

use darkroom_api::header::{HEADER_BYTES, Header, ObjectKind, ParameterSetId};
use darkroom_api::ids::KeyId;
use reqwest::{Body, Method};
use sha2::{Digest, Sha256};

use crate::support::{Owner, Process, new_id};

const CHUNK_BYTES: usize = 1 << 16;
const CHUNKS: u64 = 1600;

/// The most memory that a process ever had, in KiB.
pub fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn chunk(at: u64) -> Vec<u8> {
    let mut chunk = vec![0xa5; CHUNK_BYTES];
    chunk[..8].copy_from_slice(&at.to_le_bytes());
    chunk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_pass_through_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), "");
    let owner = Owner::open(&process.address).await;
    owner.put_image(b"warm").await;
    let before = peak_kib(process.id());

    let mut hash = Sha256::new();
    (0..CHUNKS).for_each(|at| hash.update(chunk(at)));
    let header = Header {
        kind: ObjectKind::EvaluationKey,
        parameters: ParameterSetId(1),
        key: KeyId([9; 16]),
        payload_bytes: CHUNKS * CHUNK_BYTES as u64,
        sha256: hash.finalize().into(),
    };
    let chunks = std::iter::once(header.to_bytes().to_vec()).chain((0..CHUNKS).map(chunk));
    let chunks = futures_util::stream::iter(chunks.map(Ok::<_, std::io::Error>));
    let id = new_id();
    let path = owner.path(ObjectKind::EvaluationKey, id);
    let began = std::time::Instant::now();
    let request = owner
        .request(Method::PUT, &path)
        .body(Body::wrap_stream(chunks));
    let answer = request.send().await.unwrap();
    assert_eq!(
        answer.status(),
        201,
        "{}\n{}",
        answer.text().await.unwrap(),
        process.log()
    );
    let after_put = (peak_kib(process.id()), began.elapsed());

    let began = std::time::Instant::now();
    let mut read = owner.get(ObjectKind::EvaluationKey, id).await;
    let (mut hash, mut head, mut length) = (Sha256::new(), Vec::new(), 0);
    while let Some(chunk) = read.chunk().await.unwrap() {
        length += chunk.len() as u64;
        let missing = (HEADER_BYTES - head.len()).min(chunk.len());
        head.extend_from_slice(&chunk[..missing]);
        hash.update(&chunk[missing..]);
    }
    assert_eq!(Header::parse(&head).unwrap(), header);
    assert_eq!(length, header.object_bytes().unwrap());
    assert_eq!(<[u8; 32]>::from(hash.finalize()), header.sha256);
    let after_get = (peak_kib(process.id()), began.elapsed());
    println!("peak KiB: {before} idle, {after_put:?} after put, {after_get:?} after get");
    assert!(
        after_get.0 < before + 32 * 1024,
        "{before} KiB grew to {after_get:?}"
    );
}
