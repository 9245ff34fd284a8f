//! Weights as NumPy writes them, and files that are none.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::eval::clear;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::{Error, Head};
use support::{Folder, assert_refused, float_score, npy, refusal};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

macro_rules! numpy {
    ($name:literal) => {
        include_bytes!(concat!("data/numpy/", $name)).to_vec()
    };
}

/// What `make.py` wrote: the weight of input `i` for class `c`, in 64ths.
fn written(i: usize, c: usize) -> f64 {
    ((i * 3 + c) * 7 % 23) as f64 / 64.0 - 11.0 / 64.0
}

fn three_classes(file: &str, bytes: Vec<u8>, name: &str) -> Folder {
    Folder::linear(3, 2, 3, &[vec![0.0; 6]])
        .replace("w.npy", name)
        .file(file, bytes)
}

#[test]
fn all_that_numpy_writes_gives_the_same_model() {
    let pixels = Pixels::new(3, 2, vec![0, 17, 255, 80, 4, 200]).unwrap();
    let expected: Vec<f64> = (0..3)
        .map(|c| {
            let column: Vec<f64> = (0..6).map(|i| written(i, c)).collect();
            float_score(&column, [0.25, -0.5, 0.125][c], 255.0, &pixels)
        })
        .collect();
    let cases = [
        three_classes("f8.npy", numpy!("f8.npy"), "f8.npy"),
        three_classes("f.npy", numpy!("f4_fortran.npy"), "f.npy"),
        three_classes("f.npy", numpy!("f8_big.npy"), "f.npy"),
        three_classes("f.npy", numpy!("f4_big_fortran.npy"), "f.npy"),
        three_classes("f.npy", numpy!("f8_version_2.npy"), "f.npy"),
        three_classes("f.npy", numpy!("f8_version_3.npy"), "f.npy"),
        three_classes("a.npz", numpy!("stored.npz"), "a.npz#w"),
        three_classes("a.npz", numpy!("deflated.npz"), "a.npz#w"),
    ];
    for folder in cases {
        let folder = folder.with("bias = [0.25, -0.5, 0.125]\n");
        let answer = clear::evaluate(&folder.load().unwrap(), &pixels).unwrap();
        for (found, expected) in answer.scores.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}

#[test]
fn one_score_may_be_flat_a_column_or_a_row() {
    let pixels = Pixels::new(3, 2, vec![9, 17, 255, 80, 4, 200]).unwrap();
    let column: Vec<f64> = (0..6).map(|i| written(i, 1)).collect();
    let expected = float_score(&column, -0.5, 255.0, &pixels);
    for bytes in [numpy!("flat.npy"), numpy!("column.npy"), numpy!("row.npy")] {
        let folder = Folder::linear(3, 2, 2, &[vec![0.0; 6]]).file("w.npy", bytes);
        let model = folder.with("bias = -0.5\n").load().unwrap();
        assert_eq!(
            (model.head(), model.layer().scores().len()),
            (Head::Logistic, 1)
        );
        let answer = clear::evaluate(&model, &pixels).unwrap();
        assert!((answer.scores[0] - expected).abs() < 1e-6);
        let probability = 1.0 / (1.0 + (-expected).exp());
        assert!((answer.probabilities[1] - probability).abs() < 1e-6);
    }
}

#[test]
fn a_bias_may_be_a_file() {
    let plain = three_classes("a.npz", numpy!("stored.npz"), "a.npz#w");
    let list = plain.clone().with("bias = [0.25, -0.5, 0.125]\n");
    let file = plain
        .clone()
        .with("bias = \"b.npy\"\n")
        .file("b.npy", numpy!("bias.npy"));
    let member = plain.with("bias = \"a.npz#b\"\n");
    let pixels = Pixels::new(3, 2, vec![0, 17, 255, 80, 4, 200]).unwrap();
    let scores = |f: &Folder| clear::evaluate(&f.load().unwrap(), &pixels).unwrap().scores;
    assert_eq!(scores(&file), scores(&list));
    assert_eq!(scores(&member), scores(&list));
}

#[test]
fn arrays_of_other_shapes_and_types_are_refused() {
    let cases: [(Vec<u8>, &[&str]); 8] = [
        (numpy!("half.npy"), &["w.npy", "<f2", "float32 or float64"]),
        (numpy!("integers.npy"), &["<i8", "float32 or float64"]),
        (numpy!("nan.npy"), &["NaN", "train again"]),
        (numpy!("structures.npy"), &["structures", "np.save"]),
        (numpy!("pickle.npy"), &["|O", "np.save"]),
        (
            numpy!("flat.npy"),
            &["one score for 3 classes", "(6, 3) or (3, 6)"],
        ),
        (numpy!("bias.npy"), &["[3]", "(6, 3) or (3, 6)"]),
        (b"PK not this".to_vec(), &["not a .npy file"]),
    ];
    for (bytes, parts) in cases {
        assert_refused(&three_classes("w.npy", bytes, "w.npy"), parts);
    }
    let mut long = numpy!("f8.npy");
    long.push(0);
    assert_refused(
        &three_classes("w.npy", long, "w.npy"),
        &["145 bytes", "expected 144"],
    );
    let mut short = numpy!("f8.npy");
    short.pop();
    assert_refused(
        &three_classes("w.npy", short, "w.npy"),
        &["143 bytes", "expected 144"],
    );
    // Six inputs, six classes: which axis is which?
    let square = npy("<f8", false, "(6, 6)", vec![0; 288]);
    let folder = Folder::linear(3, 2, 6, &[vec![0.0; 6]]).file("w.npy", square);
    assert_refused(&folder, &["cannot be told"]);
}

#[test]
fn headers_made_to_break_a_parser_are_refused() {
    let header = |text: &str| {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
        file.extend_from_slice(text.as_bytes());
        file
    };
    let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }";
    let twice = "{'descr': '<f8', 'shape': (6, 3), 'shape': (4294967296, 4294967296)}";
    let escaped = "{'descr': '<f8', 'fortran_order': False, 'sh\\x61pe': (6, 3), }";
    let zero = "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }";
    let nested = "(".repeat(1000);
    let minus = "{'descr': '<f8', 'fortran_order': False, 'shape': (-6, 3), }";
    let shapeless = "{'descr': '<f8', 'fortran_order': False, }";
    for text in [
        huge, twice, escaped, zero, &nested, minus, shapeless, "", "{}",
    ] {
        refusal(&three_classes("w.npy", header(text), "w.npy"));
    }
    let announced = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    refusal(&three_classes("w.npy", announced, "w.npy"));
    let whole = numpy!("f8.npy");
    for end in 0..whole.len() {
        refusal(&three_classes("w.npy", whole[..end].to_vec(), "w.npy"));
    }
}

#[test]
fn file_names_are_plain() {
    for name in [
        "../w.npy",
        "/w.npy",
        "a/w.npy",
        "a\\\\w.npy",
        ".npy",
        "..",
        "",
        "w",
        "w.pkl",
    ] {
        let folder = three_classes("w.npy", numpy!("f8.npy"), name);
        let Err(Error::Model { mend, .. }) = folder.load() else {
            panic!("{name} loads");
        };
        assert!(
            mend.contains("beside model.toml") || mend.contains(".npy"),
            "{mend}"
        );
    }
    let archive = || numpy!("stored.npz");
    assert_refused(
        &three_classes("a.npz", archive(), "a.npz"),
        &["file.npz#array"],
    );
    assert_refused(
        &three_classes("a.npz", archive(), "a.npz#v"),
        &["\"v\"", "it has"],
    );
    assert_refused(
        &three_classes("b.npz", archive(), "a.npz#w"),
        &["a.npz", "beside model.toml"],
    );
    assert_refused(
        &three_classes("w.npy", archive(), "w.npy#w"),
        &["not a NumPy file"],
    );
    assert_refused(
        &three_classes("a.npz", numpy!("f8.npy"), "a.npz#w"),
        &["not an archive"],
    );
}
