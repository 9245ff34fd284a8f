//! What makes a model, and what is refused with which mend.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::{Frame, Pixels};
use support::{Folder, assert_refused, float_score, refusal, weights, xray};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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
    let weights = weights(3, 2, 1.0, 7);
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
