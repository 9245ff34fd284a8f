//! Pictures to drop on the page, and what the clear twin says of them.

use std::path::{Path, PathBuf};

use darkroom_fhe::Answer;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Picture;
use e2e::owner::load_model;

use crate::steps::Shown;

/// Models by id, from the zoo.
pub fn model(id: &str) -> Model {
    load_model(&e2e::places::zoo().join(id)).unwrap()
}

/// Three pictures of different shapes, in colour.
pub fn coloured(folder: &Path) -> Vec<PathBuf> {
    let shapes = [
        ("tall.png", 90, 160),
        ("wide.png", 300, 120),
        ("small.bmp", 40, 40),
    ];
    let draw = |(name, width, height): (&str, u32, u32)| {
        let file = folder.join(name);
        let byte = |value: u32| value.to_le_bytes()[0];
        let pixel = |x: u32, y: u32| {
            let ring = (x * x + y * y) / (width + height);
            image::Rgb([
                byte(x * 255 / width),
                byte(ring * 3),
                byte(y * 255 / height),
            ])
        };
        image::RgbImage::from_fn(width, height, pixel)
            .save(&file)
            .unwrap();
        file
    };
    shapes.into_iter().map(draw).collect()
}

/// What the clear twin says of a file.
pub fn twin(model: &Model, file: &Path) -> Answer {
    let decoded = image::open(file).unwrap().into_rgba8();
    let (width, height) = decoded.dimensions();
    let picture = Picture::from_rgba(width, height, decoded.into_raw()).unwrap();
    clear::evaluate(model, &picture.prepare(model.input()).unwrap()).unwrap()
}

/// A result shown on the page is the twin's, but for noise.
#[track_caller]
pub fn assert_close(shown: &Shown, expected: &Answer, model: &Model) {
    let allowed = allowed(model);
    assert_eq!(shown.scores.len(), expected.scores.len(), "{}", shown.name);
    let pairs = shown.scores.iter().zip(&expected.scores);
    for ((found, wanted), allowed) in pairs.zip(&allowed) {
        assert!(
            (found - wanted).abs() <= *allowed,
            "{}: {found} for {wanted}, off by more than {allowed}",
            shown.name
        );
    }
    // No probability moves by more than half of what a score does.
    let allowed = allowed.into_iter().fold(1e-2, f64::max);
    for (found, wanted) in shown.probabilities.iter().zip(&expected.probabilities) {
        assert!(
            (found - wanted).abs() <= allowed,
            "{}: {found} for {wanted}",
            shown.name
        );
    }
    assert_eq!(shown.label, expected.label, "{}", shown.name);
}

/// By how much each score may be off: eight deviations of its noise.
fn allowed(model: &Model) -> Vec<f64> {
    match model.lookups().last() {
        Some(layer) => {
            let noise = layer.outputs().iter().map(|output| output.noise());
            noise
                .map(|noise| noise.shift + 8.0 * noise.bound.sqrt())
                .collect()
        }
        None => {
            let scores = model.layer().scores().iter();
            scores.map(|score| 8.0 * score.noise_deviation()).collect()
        }
    }
}
