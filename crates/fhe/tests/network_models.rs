//! What makes a network, and what is refused with which mend. In the clear; natively alone, where
//! networks are evaluated.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::Error;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use support::networks::{Network, numbers};
use support::{Folder, float_score, weights, xray};

const SIDE: u32 = 10;
const UNITS: u128 = 6;

/// A first layer of six units whose inputs keep well within 1, and what follows it.
fn folder(more: &str) -> Folder {
    let rows: Vec<Vec<f64>> = (0..UNITS)
        .map(|unit| weights(SIDE, SIDE, 1.2, unit))
        .collect();
    Folder::linear(SIDE, SIDE, 3, &rows).with(more)
}

fn rows() -> Vec<Vec<f64>> {
    (0..UNITS)
        .map(|unit| weights(SIDE, SIDE, 1.2, unit))
        .collect()
}

fn scores(model: &Model, number: u128) -> Vec<f64> {
    clear::evaluate(model, &xray(SIDE, SIDE, number))
        .unwrap()
        .scores
}

/// Weights of the last layer, (units, outputs).
fn last(unit: usize, output: usize) -> f64 {
    (unit * 3 + output) as f64 / 9.0 - 1.0
}

fn last_layer() -> Vec<u8> {
    let all: Vec<f64> = (0..6)
        .flat_map(|u| (0..3).map(move |o| last(u, o)))
        .collect();
    numbers("(6, 3)", &all)
}

/// A perceptron with this function, and by hand.
fn perceptron(function: &str, range: f64, of: impl Fn(f64) -> f64) {
    let model = folder(&format!(
        "[[layers]]\nkind = \"lookup\"\nfunction = \"{function}\"\nrange = {range}\n\
         [[layers]]\nkind = \"linear\"\nweights = \"v.npy\"\nbias = [0.5, 0, -0.5]\n\
         [output]\ntolerance = 40\n"
    ))
    .file("v.npy", last_layer())
    .load()
    .unwrap();
    for number in 0..20 {
        let pixels = xray(SIDE, SIDE, number);
        let z: Vec<f64> = rows()
            .iter()
            .map(|row| float_score(row, 0.0, 255.0, &pixels))
            .collect();
        for (output, found) in scores(&model, number).into_iter().enumerate() {
            let terms = z
                .iter()
                .enumerate()
                .map(|(unit, z)| of(*z) * last(unit, output));
            let exact = terms.sum::<f64>() + 0.5 - 0.5 * output as f64;
            // Slots of 2 r / 512 and the step of the tables; near its jump sign is what it is.
            let near = if function == "sign" {
                z.iter().any(|z| z.abs() < range / 200.0)
            } else {
                false
            };
            let bound = 0.02 * range + 0.15;
            assert!(
                near || (found - exact).abs() < bound,
                "{function}: {found} {exact}"
            );
        }
    }
}

#[test]
fn perceptrons_load_as_they_are() {
    perceptron("relu", 2.5, |z| z.max(0.0));
    perceptron("tanh", 3.0, f64::tanh);
    perceptron("sign", 2.0, f64::signum);
    perceptron("sine", 1.0, |z| (std::f64::consts::FRAC_PI_2 * z).sin());
}

#[test]
fn tables_and_harmonics_of_one_function_are_the_same() {
    // sin(pi z / 2) and cos(pi z / 2) for the first output, the others less.
    let harmonics: Vec<f64> = (0..6)
        .flat_map(|u| (0..2).flat_map(move |f| (0..3).map(move |o| last(u, o) * (f as f64 + 1.0))))
        .collect();
    let points = 256;
    let table: Vec<f64> = (0..6)
        .flat_map(|u| {
            (0..points).flat_map(move |i| {
                let z = (i as f64 + 0.5) / 128.0 - 1.0;
                let (sin, cos) = (std::f64::consts::FRAC_PI_2 * z).sin_cos();
                (0..3).map(move |o| last(u, o) * (sin + 2.0 * cos))
            })
        })
        .collect();
    let of = |field: &str, file: Vec<u8>| {
        let more = format!("[[layers]]\nkind = \"lookup\"\n{field} = \"f.npy\"\n");
        folder(&more).file("f.npy", file).load().unwrap()
    };
    let harmonics = of("coefficients", numbers("(6, 2, 3)", &harmonics));
    let tables = of("tables", numbers("(6, 256, 3)", &table));
    for number in 0..10 {
        for (a, b) in scores(&harmonics, number)
            .iter()
            .zip(scores(&tables, number))
        {
            assert!((a - b).abs() < 0.15, "{a} {b}");
        }
    }
}

fn refused(folder: &Folder, parts: &[&str]) {
    let message = match folder.load() {
        Err(error @ Error::Model { .. }) => error.to_string(),
        other => panic!("{parts:?}: {other:?}"),
    };
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

const LOOKUP: &str = "[[layers]]\nkind = \"lookup\"\n";
const LINEAR: &str = "[[layers]]\nkind = \"linear\"\nweights = \"v.npy\"\n";

#[test]
fn what_does_not_fit_is_refused_with_layer_and_mend() {
    let with = |more: &str| folder(&format!("{LOOKUP}{more}")).file("v.npy", last_layer());
    let ones = |shape: &str, count: usize| numbers(shape, &vec![0.1; count]);
    refused(
        &with(""),
        &["layer 2", "not one of coefficients, tables and function"],
    );
    refused(
        &with("function = \"relu\"\n"),
        &["layer 2", "shared function at the end", "linear"],
    );
    let function = |name: &str| with(&format!("function = \"{name}\"\nrange = 2.5\n{LINEAR}"));
    refused(&function("gelu"), &["layer 2", "gelu", "relu"]);
    refused(
        &function("relu").replace("range = 2.5", "range = 0"),
        &["layer 2", "range = 0"],
    );
    refused(
        &function("relu").replace("range = 2.5", "bias = 1"),
        &["layer 2", "bias"],
    );
    refused(
        &function("relu").replace("range = 2.5", "range = 0.3"),
        &[
            "layer 2",
            "inputs can lie as far as",
            "set range to",
            "measured = true",
        ],
    );
    let measured = function("relu").replace("range = 2.5", "range = 0.6\nmeasured = true");
    let measured = measured.with("[output]\ntolerance = 40\n");
    let warnings = measured.load().unwrap().warnings().to_vec();
    assert!(
        warnings[0].contains("layer 2: inputs can lie as far"),
        "{warnings:?}"
    );

    let coefficients = |shape: &str, count: usize| {
        with("coefficients = \"c.npy\"\n").file("c.npy", ones(shape, count))
    };
    let tolerant = coefficients("(6, 2, 3)", 36).with("[output]\ntolerance = 8\n");
    assert!(tolerant.load().is_ok());
    refused(
        &coefficients("(6, 3, 3)", 54),
        &["c.npy", "3 features", "sine and cosine"],
    );
    refused(
        &coefficients("(6, 6)", 36),
        &["c.npy", "(units, features, outputs)"],
    );
    refused(
        &coefficients("(5, 2, 3)", 30),
        &["w.npy", "5 units of the next layer"],
    );
    refused(&coefficients("(6, 2, 4)", 48), &["4 outputs for 3 classes"]);
    let zero = with("coefficients = \"c.npy\"\n").file("c.npy", numbers("(6, 2, 3)", &[0.0; 36]));
    refused(&zero, &["layer 2", "all its functions are zero"]);
    let table = with("tables = \"t.npy\"\n").file("t.npy", ones("(6, 1, 3)", 18));
    refused(&table, &["t.npy", "1 points"]);
    refused(
        &with("tables = \"t.npy\"\nweights = \"v.npy\"\n"),
        &["layer 2", "weights"],
    );
    let both = with("tables = \"v.npy\"\ncoefficients = \"v.npy\"\n");
    refused(&both, &["layer 2", "give one of them"]);
    refused(
        &folder(LINEAR),
        &["layer 2", "\"linear\" after \"linear\"", "multiply"],
    );
    let first = folder("").replace("kind = \"linear\"", "kind = \"lookup\"");
    refused(&first, &["[[layers]]", "the first is of kind \"lookup\""]);
    refused(
        &folder("").replace("w.npy", "w.npy\"\nrange = 1\n#"),
        &["layer 1", "range"],
    );
    refused(
        &Network::new(SIDE, &[6, 3], 2, 1)
            .folder()
            .with("[output]\ntolerance = 0.01\n"),
        &[
            "layer 2, score \"class 0\"",
            "miss by more than",
            "set [output] tolerance to",
        ],
    );
    refused(
        &Network::new(SIDE, &[6, 3], 2, 1)
            .folder()
            .with("[output]\nrange = [50, 60]\n"),
        &["layer 2, score", "outside [output] range"],
    );
}

#[test]
fn layers_of_other_sizes_than_the_one_before_are_refused() {
    let folder = Network::new(SIDE, &[6, 4, 3], 2, 1).folder();
    let wrong = folder.file("c1.npy", numbers("(5, 2, 3)", &[0.1; 30]));
    refused(&wrong, &["layer 3", "5 units over a layer of 4 outputs"]);
}

/// A stated range is finer, and so less noisy.
#[test]
fn a_narrow_range_is_less_noisy() {
    let noise = |more: &str| {
        let model = Network::new(20, &[24, 5], 8, 3)
            .folder()
            .with(more)
            .load()
            .unwrap();
        model.lookups()[0].outputs()[0].noise()
    };
    let (wide, narrow) = (
        noise("[output]\ntolerance = 5\n"),
        noise("[output]\ntolerance = 5\nrange = 3\n"),
    );
    assert!(narrow.rotation < wide.rotation && narrow.rounding < wide.rounding);
    assert!((narrow.inputs / wide.inputs - 1.0).abs() < 1e-9);
}
