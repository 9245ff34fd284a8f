//! The figures of the zoo's networks, one JSON line each: name, value, unit.
//!
//! `cargo bench -p darkroom-fhe --features client --bench zoo`. tfhe's own keyswitch and bootstrap, one
//! after the other, are measured in turn with the networks, on as many threads, so that a machine that
//! is slow for a while is slow for both. Models are folders in `models/`, or in what
//! `DARKROOM_BENCH_MODELS` names; those that are not there are left out.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/figures.rs"]
mod figures;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "support/yardstick.rs"]
mod yardstick;

use std::path::{Path, PathBuf};

use darkroom_fhe::Answer;
use darkroom_fhe::eval::{Control, EvaluationKey, EvaluationKeyBuilder, cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::{Frame, Pixels};
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::{EncryptedImage, EncryptedResult, KeyPart};
use figures::{Time, median, report};
use support::xray;
use yardstick::Yardstick;

const MODELS: [&str; 3] = ["digits-fast", "digits", "digits-best"];
const HEADER_BYTES: usize = 72;
/// Pictures a model, each on one thread and on two.
const PICTURES: u128 = 9;
/// Keyswitches and bootstraps of the yardstick beside each picture, a thread.
const LOOPS: usize = 6;
/// Draws of simulated noise a picture.
const DRAWS: u128 = 32;

fn main() {
    let key = ClientKey::generate(&mut Randomness::system().unwrap()).unwrap();
    let models: Vec<Model> = MODELS.iter().filter_map(|name| load(name)).collect();
    let parameters = models.iter().find_map(Model::evaluation_key_parameters);
    let Some(parameters) = parameters else {
        return eprintln!("no networks in {}", folder().display());
    };
    let evaluation_key = evaluation_key(&key, parameters);
    let mut bench = Bench {
        key,
        evaluation_key,
        yardstick: Yardstick::new(),
        loops: [Vec::new(), Vec::new()],
    };
    for model in &models {
        bench.measure(model);
    }
    for (threads, loops) in [1, 2].into_iter().zip(&bench.loops) {
        let name = format!("tfhe's keyswitch and bootstrap, {}", on(threads));
        report(&name, median(loops, |time| time.cpu_ms), "ms cpu");
    }
}

/// Makes a key on one thread, expands it on one thread.
fn evaluation_key(key: &ClientKey, parameters: u32) -> EvaluationKey {
    let secret = key.evaluation_secret();
    let parts = darkroom_fhe::wire::evaluation_key::parts(parameters).unwrap();
    let mut randomness = Randomness::system().unwrap();
    let (payloads, made) = Time::of(|| {
        let part = |index| secret.part(index, &mut randomness).unwrap();
        (0..parts).map(part).collect::<Vec<_>>()
    });
    report("evaluation key, made natively", made.cpu_ms / 1e3, "s cpu");
    let lengths = payloads.iter().map(|payload| payload.len() + HEADER_BYTES);
    let bytes: usize = lengths.sum();
    report("evaluation key of networks", bytes as f64, "bytes");
    let (expanded, expansion) = Time::of(|| {
        let mut builder = EvaluationKeyBuilder::new(parameters).unwrap();
        for payload in &payloads {
            let part = KeyPart::from_payload(parameters, payload).unwrap();
            builder.add(&part).unwrap();
        }
        builder.finish().unwrap()
    });
    report("evaluation key, expansion", expansion.cpu_ms / 1e3, "s cpu");
    let held = expanded.memory_bytes() as f64;
    report("evaluation key, in memory", held, "bytes");
    expanded
}

struct Bench {
    key: ClientKey,
    evaluation_key: EvaluationKey,
    yardstick: Yardstick,
    /// What the yardstick took with one thread and with two.
    loops: [Vec<Time>; 2],
}

impl Bench {
    fn measure(&mut self, model: &Model) {
        let Frame { width, height, .. } = model.input();
        let mut randomness = Randomness::system().unwrap();
        let mut times: [Vec<Time>; 2] = [Vec::new(), Vec::new()];
        let mut loops: [Vec<Time>; 2] = [Vec::new(), Vec::new()];
        let mut noise = Noise::default();
        for number in 0..PICTURES {
            let pixels = xray(width, height, number);
            let image = self.key.encrypt_image(&pixels, &mut randomness).unwrap();
            let payload = image.to_payload();
            for threads in [1, 2] {
                loops[threads - 1].push(self.yardstick_on(threads));
                let (result, time) = Time::of(|| self.evaluate(model, &payload, threads));
                times[threads - 1].push(time);
                let answer = self.key.decrypt_result(&result).unwrap();
                noise.compare(model, &pixels, &answer, number);
            }
        }
        report_model(model, &times, &loops, &noise);
        for (all, own) in self.loops.iter_mut().zip(loops) {
            all.extend(own);
        }
    }

    fn evaluate(&self, model: &Model, payload: &[u8], threads: usize) -> EncryptedResult {
        let image = EncryptedImage::from_payload(model.parameters(), payload).unwrap();
        let control = Control {
            threads,
            ..Control::unattended()
        };
        cipher::evaluate(model, &image, Some(&self.evaluation_key), &control).unwrap()
    }

    /// What one keyswitch and bootstrap of tfhe takes.
    fn yardstick_on(&self, threads: usize) -> Time {
        let ((), time) = Time::of(|| {
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|| self.yardstick.run(LOOPS));
                }
                self.yardstick.run(LOOPS);
            });
        });
        let all = (threads * LOOPS) as f64;
        Time {
            wall_ms: time.wall_ms / all,
            cpu_ms: time.cpu_ms / all,
        }
    }
}

fn report_model(model: &Model, times: &[Vec<Time>; 2], loops: &[Vec<Time>; 2], noise: &Noise) {
    let id = model.id();
    let bootstraps = model.bootstraps() as f64;
    report(&format!("{id}, bootstraps"), bootstraps, "");
    for (threads, (times, loops)) in [1, 2].into_iter().zip(times.iter().zip(loops)) {
        let on = on(threads);
        let cpu_ms = median(times, |time| time.cpu_ms);
        let wall_ms = median(times, |time| time.wall_ms);
        report(&format!("{id}, {on}"), cpu_ms / 1e3, "s cpu");
        report(&format!("{id}, {on}, wall"), wall_ms / 1e3, "s");
        let tfhe_ms = bootstraps * median(loops, |time| time.cpu_ms);
        let name = format!("{id}, {on}, beside tfhe's loop");
        report(&name, cpu_ms / tfhe_ms, "share");
    }
    let [one, two] = times;
    let gain = median(one, |time| time.wall_ms) / median(two, |time| time.wall_ms);
    report(&format!("{id}, two threads against one"), gain, "times");
    let name = format!("{id}, noise of few pictures beside the prediction");
    report(&name, noise.ratio(), "share");
}

fn on(threads: usize) -> &'static str {
    if threads == 1 {
        "one thread"
    } else {
        "two threads"
    }
}

/// Squares of the scores' noise, found and simulated.
#[derive(Default)]
struct Noise {
    found: f64,
    simulated: f64,
}

impl Noise {
    fn compare(&mut self, model: &Model, pixels: &Pixels, answer: &Answer, number: u128) {
        let twin = clear::evaluate(model, pixels).unwrap();
        let squares = |answer: &Answer| -> f64 {
            let pairs = answer.scores.iter().zip(&twin.scores);
            pairs.map(|(score, twin)| (score - twin).powi(2)).sum()
        };
        self.found += squares(answer);
        for draw in 0..DRAWS {
            let mut noise = Randomness::danger_fixed(number << 64 | draw);
            let drawn = clear::simulate(model, pixels, &mut noise).unwrap();
            self.simulated += squares(&drawn) / DRAWS as f64;
        }
    }

    fn ratio(&self) -> f64 {
        (self.found / self.simulated).sqrt()
    }
}

fn folder() -> PathBuf {
    let named = std::env::var_os("DARKROOM_BENCH_MODELS").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models"))
}

fn load(name: &str) -> Option<Model> {
    let folder = folder().join(name);
    let form = std::fs::read_to_string(folder.join("model.toml")).ok()?;
    let model = Model::load(name, &form, &mut |file| std::fs::read(folder.join(file)));
    Some(model.unwrap())
}
