//! Models, pictures and NumPy files made by code, the same on every machine.
#![allow(dead_code, clippy::cast_possible_truncation)] // every test file takes what it needs

pub mod networks;

use std::collections::BTreeMap;
use std::fmt::Write;

use darkroom_fhe::Error;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;

// Where the page does the same work.
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// A model folder in memory.
#[derive(Clone)]
pub struct Folder {
    pub toml: String,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// A linear model with these weights in `w.npy`, float64, shape (inputs,) or (scores, inputs).
    pub fn linear(width: u32, height: u32, classes: usize, weights: &[Vec<f64>]) -> Self {
        let shape = match weights.len() {
            1 => format!("({},)", weights[0].len()),
            scores => format!("({scores}, {})", weights[0].len()),
        };
        let names: Vec<String> = (0..classes).map(|i| format!("class {i}")).collect();
        let toml = format!(
            "title = \"A model\"\npurpose = \"Tells one from the other.\"\nclasses = {names:?}\n\
             [input]\nwidth = {width}\nheight = {height}\n\
             [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\n"
        );
        let numbers = weights
            .concat()
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        let file = npy("<f8", false, &shape, numbers);
        Self {
            toml,
            files: BTreeMap::from([("w.npy".to_owned(), file)]),
        }
    }

    pub fn with(mut self, toml: &str) -> Self {
        self.toml.push_str(toml);
        self
    }

    pub fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.toml.contains(from), "{from}");
        self.toml = self.toml.replace(from, to);
        self
    }

    pub fn file(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.files.insert(name.to_owned(), bytes);
        self
    }

    pub fn load(&self) -> Result<Model, Error> {
        Model::load("a-model", &self.toml, &mut |name| {
            let file = self.files.get(name).cloned();
            file.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))
        })
    }
}

/// Why it does not load.
pub fn refusal(folder: &Folder) -> String {
    folder.load().unwrap_err().to_string()
}

pub fn assert_refused(folder: &Folder, parts: &[&str]) {
    let message = refusal(folder);
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// A `.npy` file, version 1.0.
pub fn npy(dtype: &str, fortran: bool, shape: &str, data: Vec<u8>) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(&u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend(data);
    file
}

/// Evenly distributed numbers, -1 to 1.
pub fn uniform(randomness: &mut Randomness) -> f64 {
    f64::from(i32::from_le_bytes(randomness.bytes())) / f64::from(i32::MAX)
}

/// Weights such as training gives: smooth structures and some grain, the largest 0.06, scaled to this
/// sum of absolute values.
pub fn weights(width: u32, height: u32, sum: f64, number: u128) -> Vec<f64> {
    let mut randomness = Randomness::danger_fixed(number);
    let waves: Vec<[f64; 4]> = (0..12)
        .map(|_| std::array::from_fn(|_| uniform(&mut randomness)))
        .collect();
    let mut weights = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (
                f64::from(x) / f64::from(width),
                f64::from(y) / f64::from(height),
            );
            let wave = |w: &[f64; 4]| w[3] * (12.0 * (w[0] * u + w[1] * v) + 3.0 * w[2]).sin();
            let smooth: f64 = waves.iter().map(wave).sum();
            weights.push(smooth + 0.8 * uniform(&mut randomness));
        }
    }
    let total: f64 = weights.iter().map(|w| w.abs()).sum();
    let weights: Vec<f64> = weights.iter().map(|w| w / total * sum).collect();
    weights.iter().map(|w| w.clamp(-0.06, 0.06)).collect()
}

/// A picture like an X-ray: a dark field, bright lobes with ribs, film grain.
pub fn xray(width: u32, height: u32, number: u128) -> Pixels {
    let mut randomness = Randomness::danger_fixed(1000 + number);
    let lobes: Vec<[f64; 5]> = (0..6)
        .map(|_| std::array::from_fn(|_| uniform(&mut randomness)))
        .collect();
    let (phase, tilt) = (uniform(&mut randomness), uniform(&mut randomness));
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let u = 2.0 * f64::from(x) / f64::from(width) - 1.0;
            let v = 2.0 * f64::from(y) / f64::from(height) - 1.0;
            let mut value = 25.0;
            for lobe in &lobes {
                let (dx, dy) = (u - 0.7 * lobe[0], v - 0.6 * lobe[1]);
                let size = 0.08 + 0.1 * (lobe[2] + 1.0);
                value += (90.0 + 50.0 * lobe[3]) * (-(dx * dx + 0.6 * dy * dy) / size).exp();
            }
            value *= 1.0 + 0.15 * (22.0 * (v + 0.3 * tilt * u * u) + 3.0 * phase).sin();
            value += 3.0 * uniform(&mut randomness);
            data.push(value.round().clamp(0.0, 255.0) as u8);
        }
    }
    Pixels::new(width, height, data).unwrap()
}

/// Pixels without any structure.
pub fn white_noise(width: u32, height: u32, number: u128) -> Pixels {
    let mut data = vec![0; (width * height) as usize];
    Randomness::danger_fixed(2000 + number).fill(&mut data);
    Pixels::new(width, height, data).unwrap()
}

/// The score as NumPy computes it in float64.
pub fn float_score(weights: &[f64], bias: f64, scale: f64, pixels: &Pixels) -> f64 {
    let pairs = weights.iter().zip(pixels.as_bytes());
    pairs.map(|(w, &p)| w * f64::from(p) / scale).sum::<f64>() + bias
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
