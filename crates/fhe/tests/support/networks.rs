//! Networks made by code, and their float arithmetic.

use std::f64::consts::PI;

use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;

use super::{Folder, npy, uniform, weights};

/// A network of harmonics, as training would give it.
pub struct Network {
    side: u32,
    first: Vec<Vec<f64>>,
    first_bias: Vec<f64>,
    layers: Vec<Harmonics>,
}

struct Harmonics {
    units: usize,
    features: usize,
    outputs: usize,
    coefficients: Vec<f64>,
    bias: Vec<f64>,
}

impl Network {
    /// Units of every lookup layer, then the scores.
    pub fn new(side: u32, widths: &[usize], features: usize, number: u128) -> Self {
        let mut r = Randomness::danger_fixed(3000 + number);
        let row = |unit: usize| weights(side, side, 6.0, number * 1000 + unit as u128);
        let mut layers = Vec::new();
        for (depth, pair) in widths.windows(2).enumerate() {
            let (units, outputs) = (pair[0], pair[1]);
            // Scores of some units, inputs of about half a range.
            let last = depth + 2 == widths.len();
            let size = if last { 3.0 } else { 0.5 } / (units as f64).sqrt();
            let count = units * features * outputs;
            let falling = |i: usize| size / (1 + i / outputs % features / 2) as f64;
            layers.push(Harmonics {
                units,
                features,
                outputs,
                coefficients: (0..count).map(|i| falling(i) * uniform(&mut r)).collect(),
                bias: (0..outputs).map(|_| 0.2 * uniform(&mut r)).collect(),
            });
        }
        Self {
            side,
            first: (0..widths[0]).map(row).collect(),
            first_bias: (0..widths[0]).map(|_| 0.5 * uniform(&mut r)).collect(),
            layers,
        }
    }

    pub fn folder(&self) -> Folder {
        let last = self.layers.last().unwrap().outputs;
        let names: Vec<String> = (0..last.max(2)).map(|i| format!("class {i}")).collect();
        let side = self.side;
        let mut folder = Folder {
            toml: format!(
                "title = \"A network\"\npurpose = \"Tells one from the other.\"\n\
                 classes = {names:?}\n[input]\nwidth = {side}\nheight = {side}\n\
                 [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\nbias = \"b.npy\"\n"
            ),
            files: std::collections::BTreeMap::new(),
        };
        let shape = format!("({}, {})", self.first.len(), side * side);
        folder = folder.file("w.npy", numbers(&shape, &self.first.concat()));
        let shape = format!("({},)", self.first_bias.len());
        folder = folder.file("b.npy", numbers(&shape, &self.first_bias));
        for (i, layer) in self.layers.iter().enumerate() {
            folder = folder.with(&format!(
                "[[layers]]\nkind = \"lookup\"\ncoefficients = \"c{i}.npy\"\nbias = \"d{i}.npy\"\n"
            ));
            let Harmonics {
                units,
                features,
                outputs,
                ..
            } = layer;
            let shape = format!("({units}, {features}, {outputs})");
            folder = folder.file(&format!("c{i}.npy"), numbers(&shape, &layer.coefficients));
            let shape = format!("({outputs},)");
            folder = folder.file(&format!("d{i}.npy"), numbers(&shape, &layer.bias));
        }
        folder
    }

    /// Nobody trained it: its functions are steep for the noise of their inputs.
    pub fn load(&self) -> Model {
        self.folder()
            .with("[output]\ntolerance = 8\n")
            .load()
            .unwrap()
    }

    /// The scores as NumPy computes them in float64.
    pub fn float(&self, pixels: &Pixels) -> Vec<f64> {
        let of_unit =
            |(row, bias): (&Vec<f64>, &f64)| super::float_score(row, *bias, 255.0, pixels);
        let rows = self.first.iter().zip(&self.first_bias);
        let first = rows.map(of_unit).collect();
        self.layers
            .iter()
            .fold(first, |z: Vec<f64>, layer| layer.float(&z))
    }
}

impl Harmonics {
    fn float(&self, z: &[f64]) -> Vec<f64> {
        let mut sums = self.bias.clone();
        for (unit, z) in z.iter().enumerate() {
            for feature in 0..self.features {
                let angle = (feature / 2 * 2 + 1) as f64 * PI * z / 2.0;
                let value = if feature.is_multiple_of(2) {
                    angle.sin()
                } else {
                    angle.cos()
                };
                let at = (unit * self.features + feature) * self.outputs;
                for (sum, c) in sums.iter_mut().zip(&self.coefficients[at..]) {
                    *sum += c * value;
                }
            }
        }
        sums
    }
}

/// A `.npy` file of float64.
pub fn numbers(shape: &str, numbers: &[f64]) -> Vec<u8> {
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    npy("<f8", false, shape, bytes.collect())
}
