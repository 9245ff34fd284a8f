//! Pictures to drop on the page, and what the clear twin says of them.

use std::path::{Path, PathBuf};

use darkroom_fhe::Answer;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Picture;
use e2e::owner::load_model;

/// Models by id, from the zoo.
pub fn model(id: &str) -> Model {
    load_model(&e2e::services::zoo().join(id)).unwrap()
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
    let (width, height) = model.input();
    clear::evaluate(model, &picture.prepare(width, height).unwrap()).unwrap()
}
