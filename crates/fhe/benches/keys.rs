//! Evaluation keys: made by the owner, expanded by compute.
#![allow(clippy::unwrap_used, missing_docs)]

use cpu_time::ProcessTime;
use darkroom_fhe::eval::{EvaluationKey, EvaluationKeyBuilder};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::{KeyPart, evaluation_key};

const SET: u32 = 2;
const RUNS: usize = 5;

/// Processor time in ms: the least of some runs, the others met a busy machine.
fn least_ms<T>(mut work: impl FnMut() -> T) -> f64 {
    let time = |_| {
        let begun = ProcessTime::now();
        std::hint::black_box(work());
        begun.elapsed().as_secs_f64() * 1e3
    };
    (0..RUNS).map(time).fold(f64::INFINITY, f64::min)
}

fn main() {
    let mut r = Randomness::system().unwrap();
    let secret = ClientKey::generate(&mut r).unwrap().evaluation_secret();
    let count = evaluation_key::parts(SET).unwrap();
    for index in [0, 1] {
        let ms = least_ms(|| secret.part(index, &mut r).unwrap());
        println!("make part {index}: {ms:.1} ms cpu");
    }
    let begun = ProcessTime::now();
    let payloads: Vec<Vec<u8>> = (0..count)
        .map(|i| secret.part(i, &mut r).unwrap())
        .collect();
    let all = begun.elapsed().as_secs_f64() * 1e3;
    println!("make all {count} parts: {all:.0} ms cpu");
    for index in [0, 1] {
        let ms = least_ms(|| KeyPart::from_payload(SET, &payloads[index]).unwrap());
        println!("read part {index}: {ms:.1} ms cpu");
        let part = KeyPart::from_payload(SET, &payloads[index]).unwrap();
        let empty = least_ms(|| EvaluationKeyBuilder::new(SET).unwrap());
        let ms = least_ms(|| {
            let mut builder = EvaluationKeyBuilder::new(SET).unwrap();
            builder.add(&part).unwrap();
            builder
        });
        println!("expand part {index}: {:.1} ms cpu", ms - empty);
    }
    let expand = || -> EvaluationKey {
        let mut builder = EvaluationKeyBuilder::new(SET).unwrap();
        for payload in &payloads {
            builder
                .add(&KeyPart::from_payload(SET, payload).unwrap())
                .unwrap();
        }
        builder.finish().unwrap()
    };
    let ms = least_ms(expand);
    let sent: usize = payloads.iter().map(Vec::len).sum();
    let held = expand().memory_bytes();
    println!("read and expand all: {ms:.0} ms cpu; {sent} bytes sent, {held} bytes in memory");
}
