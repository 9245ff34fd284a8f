//! What makes a model, and what is refused with which mend.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::{Frame, Pixels};
use darkroom_fhe::{Error, Head};
use support::{Folder, float_score, npy, weights, xray};
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

fn refusal(folder: &Folder) -> String {
    folder.load().expect_err("it loads").to_string()
}

fn assert_refused(folder: &Folder, parts: &[&str]) {
    let message = refusal(folder);
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
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

#[test]
fn what_the_form_does_not_know_is_refused_with_its_line() {
    let folder = || Folder::linear(3, 2, 2, &[vec![0.5; 6]]);
    assert!(folder().load().is_ok());
    let cases: [(Folder, &[&str]); 17] = [
        (
            folder().with("activation = \"relu\"\n"),
            &["model.toml, line 10", "activation"],
        ),
        (
            folder().with("[outputs]\nrange = 3\n"),
            &["line 10", "outputs"],
        ),
        (folder().with("= 3"), &["line 10"]),
        (folder().replace("title = \"A model\"\n", ""), &["title"]),
        (
            folder().replace("A model", "  "),
            &["title", "an empty text"],
        ),
        (
            folder().replace("A model", "A\\u0007"),
            &["control characters"],
        ),
        (
            folder().replace("A model", &"x".repeat(81)),
            &["81 bytes", "at most 80"],
        ),
        (
            folder().replace("\"class 0\", ", ""),
            &["classes", "name 2 to 256"],
        ),
        (
            folder().replace("class 0", "class 1"),
            &["class 1", "twice"],
        ),
        (
            folder().replace("\"linear\"", "\"conv\""),
            &["[[layers]]", "conv", "linear"],
        ),
        (
            folder().replace("width = 3", "width = 0"),
            &["[input]", "0x2"],
        ),
        (
            folder().replace("width = 3", "width = 4097"),
            &["[input]", "4097x2"],
        ),
        (
            folder().replace("height = 2", "height = 2\npooling = 2"),
            &["boxes of 2", "divide"],
        ),
        (
            folder().replace("height = 2", "height = 2\nscale = 0"),
            &["scale = 0"],
        ),
        (
            folder().with("[[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\n"),
            &["layer 2", "multiply"],
        ),
        (
            folder().with("[accuracy]\nvalue = 93.1\nimages = 10\ndata = \"x\"\n"),
            &["[accuracy]", "93.1", "0 to 1"],
        ),
        (
            folder().with("[accuracy]\nvalue = 0.9\nimages = 0\ndata = \"x\"\n"),
            &["[accuracy]", "no image"],
        ),
    ];
    for (folder, parts) in cases {
        assert_refused(&folder, parts);
    }
    let id = Model::load("", &folder().toml, &mut |_| Ok(vec![])).unwrap_err();
    assert!(id.to_string().contains("id"), "{id}");
}

#[test]
fn biases_and_ranges_are_checked() {
    let folder = |more: &str| Folder::linear(3, 2, 2, &[vec![0.5; 6]]).with(more);
    let cases: [(&str, &[&str]); 10] = [
        ("bias = [1, 2]\n", &["bias", "2 numbers for 1 scores"]),
        ("bias = true\n", &["bias", "a boolean"]),
        ("bias = nan\n", &["bias", "NaN"]),
        ("bias = 1e10\n", &["bias", "10000000000"]),
        (
            "[output]\nrange = [3, 2]\n",
            &["[output] range", "from 3 to 2"],
        ),
        (
            "[output]\nrange = [1]\n",
            &["[output] range", "[low, high]"],
        ),
        ("[output]\nrange = inf\n", &["[output] range"]),
        (
            "[output]\ntolerance = 0\n",
            &["[output] tolerance", "above zero"],
        ),
        (
            "bias = 9\n[output]\nrange = 2\n",
            &["layer 1", "class 1", "outside [output] range"],
        ),
        (
            "[output]\ntolerance = 1e-9\n",
            &[
                "layer 1",
                "class 1",
                "chance of 2^",
                "set [output] tolerance to",
            ],
        ),
    ];
    for (more, parts) in cases {
        assert_refused(&folder(more), parts);
    }
    let zeros = Folder::linear(3, 2, 2, &[vec![0.0; 6]]);
    assert_refused(&zeros, &["layer 1", "all its weights are zero"]);
    // A single bright weight takes the whole range; the second score's weights vanish beside it.
    let tiny = Folder::linear(3, 2, 2, &[vec![1e-12; 6]]).with("[output]\ntolerance = 1\n");
    assert_refused(&tiny, &["layer 1", "round to zero"]);
}

#[test]
fn the_mend_for_a_tolerance_mends() {
    let folder = Folder::linear(3, 2, 2, &[vec![0.5; 6]]);
    let message = refusal(&folder.clone().with("[output]\ntolerance = 1e-9\n"));
    let (_, needed) = message.split_once("tolerance to ").unwrap();
    let (needed, _) = needed.split_once(' ').unwrap();
    // Written with two digits: take the last one up by one.
    let needed: f64 = needed.parse::<f64>().unwrap() * 1.1;
    let model = folder
        .with(&format!("[output]\ntolerance = {needed:e}\n"))
        .load()
        .unwrap();
    assert!(model.layer().scores()[0].log2_failure() <= -40.0);
    assert!(
        model.warnings()[0].contains("chance of 2^-4"),
        "{:?}",
        model.warnings()
    );
    assert!(
        Folder::linear(3, 2, 2, &[vec![0.5; 6]])
            .load()
            .unwrap()
            .warnings()
            .is_empty()
    );
}

#[test]
fn the_digest_names_form_and_files() {
    let folder = Folder::linear(3, 2, 2, &[vec![0.5; 6]]);
    let digest = |f: &Folder| f.load().unwrap().digest().to_owned();
    let first = digest(&folder);
    assert_eq!(first.len(), 64);
    assert_eq!(digest(&folder), first);
    assert_ne!(
        digest(&folder.clone().with("# the same, but for this\n")),
        first
    );
    let other = Folder::linear(3, 2, 2, &[vec![0.25; 6]]);
    assert_ne!(digest(&other), first);
    assert_eq!(digest(&folder.file("unused.npy", vec![1])), first);
}

#[test]
fn the_card_says_what_the_form_says() {
    let model = Folder::linear(3, 2, 2, &[vec![0.5; 6]])
        .replace(
            "[input]",
            "notice = \"N.\"\nprovenance = \"P.\"\nlicence = \"L.\"\n[input]\nstraighten = true",
        )
        .with("[accuracy]\nvalue = 0.9\nbalanced = 0.8\nimages = 10\ndata = \"D.\"\n")
        .load()
        .unwrap();
    assert_eq!(model.id(), "a-model");
    assert_eq!(
        (model.title(), model.purpose()),
        ("A model", "Tells one from the other.")
    );
    assert_eq!(model.classes(), ["class 0", "class 1"]);
    let frame = Frame {
        width: 3,
        height: 2,
        straighten: true,
    };
    assert_eq!(model.input(), frame);
    assert_eq!(model.notice(), Some("N."));
    assert_eq!(
        (model.provenance(), model.licence()),
        (Some("P."), Some("L."))
    );
    let accuracy = model.accuracy().unwrap();
    assert_eq!((accuracy.value, accuracy.balanced), (0.9, Some(0.8)));
    assert_eq!((accuracy.images, accuracy.data.as_str()), (10, "D."));
    assert_eq!((model.bootstraps(), model.parameters()), (0, 1));
}

#[test]
fn pooled_weights_are_box_averages() {
    let weights: Vec<f64> = (0..6).map(|i| written(i, 0)).collect();
    let pooled = Folder::linear(12, 8, 2, std::slice::from_ref(&weights))
        .replace("[input]", "[input]\npooling = 4")
        .load()
        .unwrap();
    let pixels = xray(12, 8, 1);
    let average = |i: usize| {
        let (left, top) = (i % 3 * 4, i / 3 * 4);
        let pixel = |k: usize| f64::from(pixels.as_bytes()[(top + k / 4) * 12 + left + k % 4]);
        (0..16).map(pixel).sum::<f64>() / 16.0 / 255.0
    };
    let expected: f64 = (0..6).map(|i| weights[i] * average(i)).sum();
    let found = clear::evaluate(&pooled, &pixels).unwrap().scores[0];
    assert!((found - expected).abs() < 1e-6, "{found} {expected}");
}

#[test]
fn a_narrower_range_is_finer_and_a_wider_one_is_not() {
    let weights = weights(32, 32, 20.0, 5);
    let folder = |more: &str| Folder::linear(32, 32, 2, std::slice::from_ref(&weights)).with(more);
    let rounding = |more: &str| {
        let model = folder(more).load().unwrap();
        model.layer().scores()[0].rounding_deviation()
    };
    let whole = rounding("");
    assert!(rounding("[output]\nrange = 1\n") < whole / 8.0);
    assert!((rounding("[output]\nrange = [-99, 99]\n") - whole).abs() < whole / 100.0);
    let scores = |more: &str| {
        let pixels = xray(32, 32, 2);
        clear::evaluate(&folder(more).load().unwrap(), &pixels)
            .unwrap()
            .scores[0]
    };
    let pixels = xray(32, 32, 2);
    let exact = float_score(&weights, 0.0, 255.0, &pixels);
    let range = format!("[output]\nrange = [{}, {}]\n", exact - 0.5, exact + 0.7);
    assert!((scores(&range) - exact).abs() < 1e-5);
    assert!((scores("") - exact).abs() < 1e-3);
}

#[test]
fn every_score_that_the_weights_allow_fits_on_the_torus() {
    // The worst pictures of each score: white where its weights are positive, and the contrary.
    for (bias, scale) in [(0.0, 255.0), (-3.5, 255.0), (1e4, 1.0)] {
        let weights = weights(16, 16, 30.0, 6);
        let model = Folder::linear(16, 16, 2, std::slice::from_ref(&weights))
            .replace("[input]", &format!("[input]\nscale = {scale:?}"))
            .with(&format!("bias = {bias:?}\n"))
            .load()
            .unwrap();
        for sign in [1.0, -1.0] {
            let white = |w: &f64| if w * sign > 0.0 { 255 } else { 0 };
            let pixels = Pixels::new(16, 16, weights.iter().map(white).collect()).unwrap();
            let exact = float_score(&weights, bias, scale, &pixels);
            let found = clear::evaluate(&model, &pixels).unwrap().scores[0];
            let unit = 255.0 / scale;
            assert!((found - exact).abs() < 1e-3 * unit, "{found} {exact}");
        }
    }
}
