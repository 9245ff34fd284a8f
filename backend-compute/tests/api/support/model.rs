//! Model folders as people make them by hand.

use std::fs;
use std::path::Path;

/// Writes a linear model whose weights go from -0.05 to 0.05.
pub fn write(folder: &Path, width: usize, height: usize) {
    fs::create_dir_all(folder).unwrap();
    let weight = |at: usize| (at % 101) as f32 / 1000.0 - 0.05;
    let weights: Vec<f32> = (0..width * height).map(weight).collect();
    fs::write(folder.join("w.npy"), npy(&weights)).unwrap();
    fs::write(folder.join("model.toml"), text(width, height, "w.npy")).unwrap();
}

pub fn text(width: usize, height: usize, weights: &str) -> String {
    format!(
        r#"
title = "A test"
purpose = "Tells one thing from another."
classes = ["one", "other"]
[input]
width = {width}
height = {height}
scale = 255
[[layers]]
kind = "linear"
weights = "{weights}"
bias = -0.05
"#
    )
}

/// Writes a network of 8 x 8 pixels with so many units, one harmonic each, and three classes.
pub fn write_network(folder: &Path, units: usize) {
    fs::create_dir_all(folder).unwrap();
    let wave = |at: usize, scale: f32| ((at * 37) % 101) as f32 / 101.0 * 2.0 * scale - scale;
    let weights: Vec<f32> = (0..units * 64).map(|at| wave(at, 0.04)).collect();
    fs::write(
        folder.join("w.npy"),
        shaped(&weights, &format!("({units}, 64)")),
    )
    .unwrap();
    let size = 2.0 / (units as f32).sqrt();
    let coefficients: Vec<f32> = (0..units * 2 * 3).map(|at| wave(at, size)).collect();
    fs::write(
        folder.join("c.npy"),
        shaped(&coefficients, &format!("({units}, 2, 3)")),
    )
    .unwrap();
    let form = r#"
title = "A test network"
purpose = "Tells three things apart."
classes = ["one", "two", "three"]
[input]
width = 8
height = 8
scale = 255
[[layers]]
kind = "linear"
weights = "w.npy"
[[layers]]
kind = "lookup"
coefficients = "c.npy"
[output]
tolerance = 50.0
"#;
    fs::write(folder.join("model.toml"), form).unwrap();
}

fn npy(numbers: &[f32]) -> Vec<u8> {
    shaped(numbers, &format!("({},)", numbers.len()))
}

/// The bytes of a `.npy` file, format 1.0, as NumPy writes it.
fn shaped(numbers: &[f32], shape: &str) -> Vec<u8> {
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + head.len() + 1) % 64 != 0 {
        head.push(' ');
    }
    head.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(head.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}
