//! A network on ciphertexts: `cargo bench -p darkroom-fhe --features client --bench network --
//! MODEL_FOLDER DATA.npz [IMAGES]`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Instant;

use cpu_time::ProcessTime;
use darkroom_fhe::eval::{Control, EvaluationKey, EvaluationKeyBuilder, cipher, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::{KeyPart, evaluation_key};
use darkroom_fhe::{Answer, Labelled};

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let [folder, data, rest @ ..] = args.as_slice() else {
        return println!("no model folder and data given");
    };
    let images: usize = rest.first().map_or(30, |count| count.parse().unwrap());
    let begun = Instant::now();
    let toml = std::fs::read_to_string(format!("{folder}/model.toml")).unwrap();
    let read = &mut |name: &str| std::fs::read(format!("{folder}/{name}"));
    let model = Model::load("a-model", &toml, read).unwrap();
    println!("loaded in {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    describe(&model);
    let data = Labelled::from_npz(&std::fs::read(data).unwrap()).unwrap();
    twins(&model, &data);
    encrypted(&model, &data, images);
}

fn describe(model: &Model) {
    println!("{} bootstraps, {:?}", model.bootstraps(), model.warnings());
    for layer in model.lookups() {
        println!(
            "{}: {} units, {} outputs, step 2^{:.1}, inputs {:.2} % of half the torus, 2^-128: {:.1} %",
            layer.name(),
            layer.units(),
            layer.outputs().len(),
            (layer.step() as f64).log2(),
            100.0 * layer.input_deviation(),
            100.0 * layer.slip(),
        );
        for output in layer.outputs().iter().take(3) {
            let noise = output.noise();
            println!(
                "  inputs {:.4} rotation {:.4} result {:.4} rounding {:.4} bound {:.3} shift {:.3} \
                 tolerance {:.2} failure 2^{:.0}",
                noise.inputs.sqrt(),
                noise.rotation.sqrt(),
                noise.result_switch.sqrt(),
                noise.rounding.sqrt(),
                noise.bound.sqrt(),
                noise.shift,
                output.tolerance(),
                output.log2_failure(),
            );
        }
    }
}

fn twins(model: &Model, data: &Labelled) {
    let mut r = Randomness::system().unwrap();
    let begun = Instant::now();
    let (mut clear, mut noisy, mut differ) = (0, 0, 0);
    for (pixels, label) in data.images().iter().zip(data.labels()) {
        let exact = clear::evaluate(model, pixels).unwrap().class;
        let simulated = clear::simulate(model, pixels, &mut r).unwrap().class;
        clear += usize::from(exact == *label);
        noisy += usize::from(simulated == *label);
        differ += usize::from(exact != simulated);
    }
    let share = |count: usize| 100.0 * count as f64 / data.labels().len() as f64;
    println!(
        "clear {:.2} %, simulated {:.2} %, {differ} of {} labels differ, {:.1} s",
        share(clear),
        share(noisy),
        data.labels().len(),
        begun.elapsed().as_secs_f64(),
    );
}

fn key(client: &ClientKey, r: &mut Randomness) -> EvaluationKey {
    let secret = client.evaluation_secret();
    let mut builder = EvaluationKeyBuilder::new(2).unwrap();
    for index in 0..evaluation_key::parts(2).unwrap() {
        let part = secret.part(index, r).unwrap();
        builder
            .add(&KeyPart::from_payload(2, &part).unwrap())
            .unwrap();
    }
    builder.finish().unwrap()
}

fn encrypted(model: &Model, data: &Labelled, images: usize) {
    let mut r = Randomness::system().unwrap();
    let client = ClientKey::generate(&mut r).unwrap();
    let key = key(&client, &mut r);
    for threads in [1, 2] {
        let control = Control {
            threads,
            ..Control::unattended()
        };
        let (mut cpu, mut wall, mut errors) = (vec![], vec![], vec![]);
        let (mut right, mut same) = (0, 0);
        for (pixels, label) in data.images().iter().zip(data.labels()).take(images) {
            let image = client.encrypt_image(pixels, &mut r).unwrap();
            let (begun, begun_cpu) = (Instant::now(), ProcessTime::now());
            let result = cipher::evaluate(model, &image, Some(&key), &control).unwrap();
            cpu.push(begun_cpu.elapsed().as_secs_f64() * 1e3);
            wall.push(begun.elapsed().as_secs_f64() * 1e3);
            let found: Answer = client.decrypt_result(&result).unwrap();
            let twin = clear::evaluate(model, pixels).unwrap();
            right += usize::from(found.class == *label);
            same += usize::from(found.class == twin.class);
            errors.extend(found.scores.iter().zip(&twin.scores).map(|(a, b)| a - b));
        }
        cpu.sort_by(f64::total_cmp);
        wall.sort_by(f64::total_cmp);
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        println!(
            "{threads} threads, {images} images: cpu min {:.0} median {:.0} ms, wall min {:.0} median \
             {:.0} ms; {right} right, {same} as the twin, score noise {rms:.3}",
            cpu[0],
            cpu[images / 2],
            wall[0],
            wall[images / 2],
        );
    }
}
