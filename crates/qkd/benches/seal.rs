//! Sealing and opening on one thread; a JSON line a figure.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use darkroom_qkd::key::{Key, KeyId};
use darkroom_qkd::message::{
    Context, Direction, EPOCH_BYTES, EXCHANGE_BYTES, Header, Opener, SEGMENT_BYTES, Sealer,
};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

const SEGMENTS: usize = 1024;
const ROUNDS: usize = 15;

fn main() {
    let plain = vec![0x5a; SEGMENT_BYTES];
    let (mut sealing, mut opening) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let sealed = seal(&plain);
        sealing.push(gigabytes_per_second(began));
        let began = Instant::now();
        open(&sealed, plain.len());
        opening.push(gigabytes_per_second(began));
    }
    report("sealing, one core", &mut sealing);
    report("opening, one core", &mut opening);
}

fn context() -> Context<'static> {
    Context {
        direction: Direction::Request,
        client: "gateway",
        server: "storage-gateway",
        exchange: [1; EXCHANGE_BYTES],
        epoch: [2; EPOCH_BYTES],
        method: "PUT",
        target: "/v1/vaults/00/images/11",
        content_type: "application/octet-stream",
    }
}

fn key() -> Key {
    Key::new(KeyId(Uuid::from_u128(7)), Zeroizing::new([3; 32]))
}

fn header() -> Header {
    Header {
        key: key().id,
        length_bytes: Some((SEGMENTS * SEGMENT_BYTES) as u64),
        kem: None,
    }
}

fn seal(plain: &[u8]) -> Vec<Bytes> {
    let (mut sealer, _) = Sealer::new(&header(), key(), None, &context()).unwrap();
    let segment = |at| sealer.segment(plain, at + 1 == SEGMENTS).unwrap();
    (0..SEGMENTS).map(segment).collect()
}

fn open(sealed: &[Bytes], segment_bytes: usize) {
    let mut opener = Opener::new(&header(), key(), None, &context()).unwrap();
    for segment in sealed {
        opener.push(segment);
        let plain = opener.next_segment().unwrap().unwrap();
        assert_eq!(black_box(plain).len(), segment_bytes);
    }
    opener.finish().unwrap();
}

fn gigabytes_per_second(began: Instant) -> f64 {
    (SEGMENTS * SEGMENT_BYTES) as f64 / 1e9 / began.elapsed().as_secs_f64()
}

fn report(name: &str, rounds: &mut [f64]) {
    rounds.sort_by(f64::total_cmp);
    let median = rounds[rounds.len() / 2];
    println!(
        "{}",
        json!({ "name": name, "value": median, "unit": "GB/s" })
    );
}
