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

/// The bytes of a `.npy` file, format 1.0, as NumPy writes it.
fn npy(numbers: &[f32]) -> Vec<u8> {
    let mut head = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}",
        numbers.len()
    );
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
