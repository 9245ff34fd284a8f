//! Models for the tests: the shipped ones, and small ones made here.

use std::path::{Path, PathBuf};

use darkroom_fhe::Answer;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use e2e::networks::write_linear;
use e2e::owner::load_model;
use e2e::twin::check_same;

/// The shipped models.
pub fn shipped() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(e2e::places::zoo()).unwrap();
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
    let write = |name: &str, classes, weights: &[f64], bias| {
        write_linear(&folder.path().join(name), (8, 8), classes, weights, bias).unwrap();
    };
    write("left-right", ["left", "right"], &left_right, 0.0);
    write("bright-dark", ["bright", "dark"], &[-0.05; 64], 1.6);
    folder
}

pub fn twin(folder: &Path, pixels: &Pixels) -> Answer {
    clear::evaluate(&load_model(folder).unwrap(), pixels).unwrap()
}

/// Equal up to the noise that the model itself predicts.
#[track_caller]
pub fn assert_same(model: &Model, found: &Answer, expected: &Answer) {
    check_same(model, found, expected).unwrap();
}
