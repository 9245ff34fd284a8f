use darkroom_api::header::HEADER_BYTES;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Picture;
use darkroom_fhe::wire::EncryptedImage;

use crate::support::{Desk, MODELS, SAMPLES, folder, npy, sample_path};

/// What the models say of the samples.
const LABELS: [[&str; 3]; 2] = [
    ["frontal", "lateral", "frontal"],
    ["chest X-ray", "chest X-ray", "hand X-ray"],
];
const SCORE_ERROR_MAX: f64 = 1e-3;

fn scores(answer: &serde_json::Value) -> Vec<f64> {
    let scores = answer["scores"].as_array().unwrap();
    scores.iter().map(|score| score.as_f64().unwrap()).collect()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < SCORE_ERROR_MAX,
            "{found} {expected}"
        );
    }
}

/// The clear twin's answer, without the binary.
fn twin(model: &str, sample: &str) -> darkroom_fhe::Answer {
    let folder = folder(model);
    let form = std::fs::read_to_string(format!("{folder}/model.toml")).unwrap();
    let mut read = |name: &str| std::fs::read(format!("{folder}/{name}"));
    let model = Model::load(model, &form, &mut read).unwrap();
    let rgba = image::open(sample_path(sample)).unwrap().into_rgba8();
    let picture = Picture::from_rgba(rgba.width(), rgba.height(), rgba.into_raw()).unwrap();
    clear::evaluate(&model, &picture.prepare(model.input()).unwrap()).unwrap()
}

#[test]
fn the_stages_over_files_say_what_the_clear_twin_says() {
    let desk = Desk::with_key();
    for (model, labels) in MODELS.iter().zip(LABELS) {
        let dir = folder(model);
        for (sample, label) in SAMPLES.iter().zip(labels) {
            desk.encrypted(model, sample);
            desk.ok(&["compute", "--model", &dir, "ct", "-o", "result"]);
            let read = [
                "decrypt", "--key", "key", "--model", &dir, "result", "--json",
            ];
            let answer = desk.ok(&read).lines().remove(0);
            let twin = twin(model, sample);
            assert_eq!(answer["label"], twin.label.as_str());
            assert_close(&scores(&answer), &twin.scores);
            let probabilities = answer["probabilities"].as_object().unwrap();
            assert_eq!(probabilities.len(), twin.classes.len());
            let sum: f64 = probabilities.values().map(|p| p.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-9);
            assert_eq!(twin.label, label, "{model} on {sample}");
            assert!(answer["notice"].as_str().unwrap().len() > 10);
        }
    }
}

#[test]
fn an_answer_for_people_names_label_classes_and_notice() {
    let desk = Desk::with_key();
    let dir = folder("chest-view");
    desk.encrypted("chest-view", "chest-frontal");
    desk.ok(&["compute", "--model", &dir, "ct", "-o", "result"]);
    let text = desk
        .ok(&["decrypt", "--key", "key", "--model", &dir, "result"])
        .stdout;
    assert!(text.starts_with("frontal ("), "{text}");
    assert!(
        text.contains("\n  lateral  ") && text.contains("\n  scores "),
        "{text}"
    );
    assert!(text.contains("Research demonstration only"), "{text}");
}

#[test]
fn objects_have_the_promised_sizes_and_hide_the_picture() {
    let desk = Desk::with_key();
    let dir = folder("chest-view");
    desk.encrypted("chest-view", "hand");
    let first = desk.read("ct");
    assert!(first.len() <= 84_000, "{} bytes", first.len());
    desk.encrypted("chest-view", "hand");
    let second = desk.read("ct");
    let same = first[72..]
        .iter()
        .zip(&second[72..])
        .filter(|(a, b)| a == b)
        .count();
    assert!(
        same < first.len() / 64,
        "two encryptions of one picture look alike"
    );
    desk.ok(&["compute", "--model", &dir, "ct", "-o", "result"]);
    assert!(desk.read("result").len() <= 8_400);
}

#[test]
fn a_picture_is_the_same_as_png_and_as_npy() {
    let desk = Desk::new();
    let png = sample_path("chest-lateral");
    let grey = image::open(&png).unwrap().into_luma8();
    let (width, height) = grey.dimensions();
    let shape = format!("({height}, {width})");
    desk.write("grey.npy", &npy("|u1", &shape, grey.as_raw().clone()));
    grey.save(desk.path("grey.bmp")).unwrap();
    let rgb = image::DynamicImage::ImageLuma8(grey).into_rgb8();
    rgb.save(desk.path("rgb.webp")).unwrap();
    let dir = folder("chest-view");
    let files = [png.as_str(), "grey.npy", "grey.bmp", "rgb.webp"];
    let lines = desk
        .ok(&[["simulate", "--json", "--model", &dir].as_slice(), &files].concat())
        .lines();
    assert_eq!(lines.len(), files.len());
    for (line, file) in lines.iter().zip(files) {
        assert_eq!(line["image"], file);
        // The clear twin is exact: the same pixels give the same number.
        assert_eq!(
            line["clear"]["scores"], lines[0]["clear"]["scores"],
            "{file}"
        );
    }
}

#[test]
fn simulate_prints_every_stage_and_the_clear_answer() {
    let desk = Desk::new();
    let (dir, image) = (folder("scan-type"), sample_path("hand"));
    let text = desk.ok(&["simulate", "--model", &dir, &image]).stdout;
    for stage in [
        "parameters",
        "keys",
        "encrypt",
        "evaluate",
        "decrypt",
        "in the clear hand X-ray",
    ] {
        assert!(text.contains(stage), "{stage}: {text}");
    }
    let line = desk
        .ok(&["simulate", "--json", "--model", &dir, &image])
        .lines()
        .remove(0);
    assert_close(&scores(&line), &scores(&line["clear"]));
    for stage in [
        "parameters",
        "keygen",
        "prepare",
        "encrypt",
        "compute",
        "decrypt",
    ] {
        assert!(
            line["times"][format!("{stage}_ms")].as_f64().unwrap() >= 0.0,
            "{stage}"
        );
    }
    let payload_bytes = EncryptedImage::payload_bytes(64, 64);
    assert_eq!(
        line["image_bytes"].as_u64(),
        Some(HEADER_BYTES as u64 + payload_bytes)
    );
}

#[test]
fn one_picture_of_many_may_fail() {
    let desk = Desk::new();
    desk.write("broken.png", b"\x89PNG\r\n\x1a\nno");
    let (dir, image) = (folder("scan-type"), sample_path("hand"));
    let ran = desk.run(&[
        "simulate",
        "--json",
        "--model",
        &dir,
        "missing.png",
        "broken.png",
        &image,
    ]);
    let lines = ran.lines();
    assert_eq!((ran.code, lines.len()), (1, 3));
    assert!(
        lines[0]["error"]
            .as_str()
            .unwrap()
            .contains("missing.png cannot be read")
    );
    assert!(
        lines[1]["error"]
            .as_str()
            .unwrap()
            .contains("PNG, JPEG, WebP")
    );
    assert_eq!(lines[2]["label"], "hand X-ray");
}
