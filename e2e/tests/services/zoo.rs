//! Models for the tests: the shipped ones, and small ones made here.

use std::path::{Path, PathBuf};

use darkroom_fhe::Answer;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use e2e::networks::npy;
use e2e::owner::load_model;

/// The shipped models.
pub fn shipped() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(e2e::services::zoo()).unwrap();
    let mut models: Vec<PathBuf> = folders
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("model.toml").is_file())
        .collect();
    models.sort();
    assert!(models.len() >= 2, "{models:?}");
    models
}

pub fn id(folder: &Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

/// A folder of small models of our own, `left-right` and `bright-dark`, of 8x8 pixels each.
pub fn small() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let left_right: Vec<f64> = (0..64)
        .map(|i| if i % 8 < 4 { -0.03 } else { 0.03 })
        .collect();
    write_model(
        &folder.path().join("left-right"),
        8,
        8,
        ["left", "right"],
        &left_right,
        0.0,
    );
    write_model(
        &folder.path().join("bright-dark"),
        8,
        8,
        ["bright", "dark"],
        &[-0.05; 64],
        1.6,
    );
    folder
}

fn write_model(
    folder: &Path,
    width: u32,
    height: u32,
    classes: [&str; 2],
    weights: &[f64],
    bias: f64,
) {
    std::fs::create_dir_all(folder).unwrap();
    let [first, second] = classes;
    let form = format!(
        "title = \"{first} or {second}\"\npurpose = \"Tells {first} from {second}.\"\n\
         classes = [\"{first}\", \"{second}\"]\n\
         [input]\nwidth = {width}\nheight = {height}\nscale = 255\n\
         [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\nbias = {bias}\n"
    );
    std::fs::write(folder.join("model.toml"), form).unwrap();
    let shape = format!("({}, 1)", weights.len());
    std::fs::write(folder.join("w.npy"), npy(&shape, weights)).unwrap();
}

pub fn twin(folder: &Path, pixels: &Pixels) -> Answer {
    clear::evaluate(&load_model(folder).unwrap(), pixels).unwrap()
}

/// Equal up to the noise that the model itself predicts.
#[track_caller]
pub fn assert_same(model: &Model, found: &Answer, expected: &Answer) {
    assert_eq!(found.classes, expected.classes);
    let noise = deviations(model);
    let allowed: Vec<f64> = match model.lookups().last() {
        // Missed with a chance of 2^-40.
        Some(layer) => layer.outputs().iter().map(|o| o.tolerance()).collect(),
        None => noise.iter().map(|deviation| 8.0 * deviation).collect(),
    };
    let pairs = found.scores.iter().zip(&expected.scores);
    for (allowed, (found, expected)) in allowed.iter().copied().zip(pairs) {
        assert!(
            (found - expected).abs() <= allowed,
            "{found} for {expected}, allowed {allowed}"
        );
    }
    if found.label != expected.label {
        // Two classes as good as equal may change places; others may not.
        let (lead, deviation) = lead(expected, found.class, &noise);
        assert!(
            lead <= 6.0 * deviation,
            "{} for {}, which led by {lead}, {deviation} being one deviation of noise",
            found.label,
            expected.label
        );
    }
}

/// The standard deviation of each score's noise.
fn deviations(model: &Model) -> Vec<f64> {
    match model.lookups().last() {
        Some(layer) => layer
            .outputs()
            .iter()
            .map(|o| o.noise_deviation())
            .collect(),
        None => {
            let scores = model.layer().scores().iter();
            scores.map(|score| score.noise_deviation()).collect()
        }
    }
}

/// By how much the label leads another class, and the standard deviation of that lead.
fn lead(answer: &Answer, other: usize, noise: &[f64]) -> (f64, f64) {
    match (&answer.scores[..], noise) {
        ([score], [noise]) => (score.abs(), *noise),
        (scores, noise) => (
            scores[answer.class] - scores[other],
            noise[answer.class].hypot(noise[other]),
        ),
    }
}
