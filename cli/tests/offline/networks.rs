//! Networks at the real parameters: a small one, whose evaluation key is made once for all tests.

use std::sync::OnceLock;

use darkroom_api::header::{HEADER_BYTES, Header, ObjectKind, ParameterSetId, seal};
use darkroom_api::ids::KeyId;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::wire::evaluation_key;
use serde_json::Value;

use crate::support::{Desk, folder, npy, npz, sample_path};

const NETWORK: u32 = 2;
const SIDE: u32 = 8;

/// A key file and the evaluation key made of it.
struct Keys {
    key: Vec<u8>,
    evaluation_key: Vec<u8>,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let desk = Desk::with_key();
        write_network(&desk);
        let ran = desk.ok(&[
            "evaluation-key",
            "--key",
            "key",
            "--model",
            "halves",
            "-o",
            "ek",
        ]);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("is in ek: ") && ran.stderr.contains(" MB"));
        Keys {
            key: desk.read("key"),
            evaluation_key: desk.read("ek"),
        }
    })
}

/// A desk with the network, a picture, its encryption, the key and the evaluation key.
fn desk() -> Desk {
    let desk = Desk::new();
    write_network(&desk);
    desk.write("key", &keys().key);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(desk.path("key"), private).unwrap();
    }
    desk.write("ek", &keys().evaluation_key);
    desk.write("picture.npy", &picture_npy(&picture(200, 40)));
    desk.ok(&[
        "encrypt",
        "--key",
        "key",
        "--model",
        "halves",
        "picture.npy",
        "-o",
        "ct",
    ]);
    desk
}

/// Tells whether the left or the upper half is brighter: two units and three classes.
fn write_network(desk: &Desk) {
    std::fs::create_dir(desk.path("halves")).unwrap();
    let form = "title = \"Halves\"\npurpose = \"Tells which half is brighter.\"\n\
        classes = [\"left\", \"upper\", \"neither\"]\n\
        [input]\nwidth = 8\nheight = 8\nscale = 255\n\
        [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\n\
        [[layers]]\nkind = \"lookup\"\ncoefficients = \"c.npy\"\nbias = \"c0.npy\"\n";
    desk.write("halves/model.toml", form.as_bytes());
    let side = |before: bool| if before { 0.05 } else { -0.05 };
    let pixels = (0..64_u32).flat_map(|i| [side(i % 8 < 4), side(i / 8 < 4)]);
    let numbers = |numbers: Vec<f64>| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    desk.write(
        "halves/w.npy",
        &npy("<f8", "(64, 2)", numbers(pixels.collect())),
    );
    // A unit after the other: sine and cosine, a number a class each.
    let left = [[4.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
    let upper = [[-1.0, 4.0, 0.0], [0.0, 0.0, 1.0]];
    let coefficients = [left, upper].concat().concat();
    desk.write(
        "halves/c.npy",
        &npy("<f8", "(2, 2, 3)", numbers(coefficients)),
    );
    desk.write("halves/c0.npy", &npy("<f8", "(3,)", numbers(vec![0.0; 3])));
}

/// A picture with a left and an upper half of their own brightness.
fn picture(left: u8, upper: u8) -> Vec<u8> {
    let pixel = |i: u32| {
        let (left, upper) = (u8::from(i % 8 < 4) * left, u8::from(i / 8 < 4) * upper);
        left / 2 + upper / 2
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

fn picture_npy(pixels: &[u8]) -> Vec<u8> {
    npy("|u1", "(8, 8)", pixels.to_vec())
}

fn twin(desk: &Desk, pixels: &[u8]) -> darkroom_fhe::Answer {
    let form = String::from_utf8(desk.read("halves/model.toml")).unwrap();
    let mut read = |name: &str| std::fs::read(desk.path(&format!("halves/{name}")));
    let model = Model::load("halves", &form, &mut read).unwrap();
    clear::evaluate(&model, &Pixels::new(SIDE, SIDE, pixels.to_vec()).unwrap()).unwrap()
}

/// The objects in an evaluation key.
fn objects(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = file;
    let mut objects = Vec::new();
    while !rest.is_empty() {
        let whole = Header::parse(rest).unwrap().object_bytes().unwrap();
        let (object, after) = rest.split_at(usize::try_from(whole).unwrap());
        objects.push(object);
        rest = after;
    }
    objects
}

#[test]
fn an_evaluation_key_is_its_parts_one_after_the_other() {
    let file = &keys().evaluation_key;
    assert!(file.len() <= 12_000_000, "{} bytes", file.len());
    let objects = objects(file);
    assert_eq!(
        objects.len(),
        usize::from(evaluation_key::parts(NETWORK).unwrap())
    );
    let first = Header::parse(file).unwrap();
    for (index, object) in (0..).zip(&objects) {
        let header = Header::parse(object).unwrap();
        assert_eq!(header.kind, ObjectKind::EvaluationKey);
        assert_eq!((header.key, header.parameters.0), (first.key, NETWORK));
        let bytes = evaluation_key::part_payload_bytes(NETWORK, index).unwrap();
        assert_eq!(header.payload_bytes, bytes);
    }
}

#[test]
fn an_evaluation_key_is_not_overwritten_unasked() {
    let desk = desk();
    let make = [
        "evaluation-key",
        "--key",
        "key",
        "--model",
        "halves",
        "-o",
        "ek",
    ];
    let ran = desk.run(&make);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("--force"), "{ran:?}");
    assert_eq!(desk.read("ek"), keys().evaluation_key);
    desk.ok(&[&make[..], &["--force", "--threads", "1"]].concat());
    let (old, new) = (&keys().evaluation_key, desk.read("ek"));
    assert_eq!(new.len(), old.len());
    assert_ne!(&new, old, "masks and noise are fresh each time");
    // Parts of different times make one key.
    let (old, new) = (objects(old), objects(&new));
    let mixed = old.iter().zip(&new).enumerate();
    let mixed: Vec<u8> = mixed
        .flat_map(|(i, (old, new))| if i % 2 == 0 { *old } else { *new })
        .copied()
        .collect();
    desk.write("mixed", &mixed);
    assert_eq!(label(&desk, "mixed"), "left");
}

#[test]
fn a_linear_model_says_that_it_needs_no_evaluation_key() {
    let desk = Desk::with_key();
    let dir = folder("scan-type");
    let make = [
        "evaluation-key",
        "--key",
        "key",
        "--model",
        &dir,
        "-o",
        "ek",
    ];
    let ran = desk.ok(&make);
    assert!(ran.stderr.contains("needs no evaluation key"), "{ran:?}");
    assert!(!desk.path("ek").exists());
    desk.encrypted("scan-type", "hand");
    let ran = desk.ok(&[
        "compute",
        "--model",
        &dir,
        "--evaluation-key",
        "ek",
        "ct",
        "-o",
        "result",
    ]);
    assert!(ran.stderr.contains("ek is not read"), "{ran:?}");
}

/// Computes with this evaluation key, and decrypts.
fn label(desk: &Desk, evaluation_key: &str) -> String {
    answer(desk, evaluation_key, "2")["label"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn answer(desk: &Desk, evaluation_key: &str, threads: &str) -> Value {
    desk.ok(&[
        "compute",
        "--model",
        "halves",
        "--evaluation-key",
        evaluation_key,
        "--threads",
        threads,
        "ct",
        "-o",
        "result",
    ]);
    let decrypt = [
        "decrypt", "--key", "key", "--model", "halves", "result", "--json",
    ];
    desk.ok(&decrypt).lines().remove(0)
}

#[test]
fn the_stages_over_files_say_what_the_clear_twin_says() {
    let desk = desk();
    let twin = twin(&desk, &picture(200, 40));
    assert_eq!(twin.label, "left");
    for threads in ["1", "2", "5"] {
        let answer = answer(&desk, "ek", threads);
        assert_eq!(answer["label"], "left", "{answer}");
        for (class, score) in twin.scores.iter().enumerate() {
            let found = answer["scores"][class].as_f64().unwrap();
            assert!((found - score).abs() < 1.0, "{found} {score}");
        }
    }
}

#[test]
fn compute_without_an_evaluation_key_says_how_to_make_one() {
    let desk = desk();
    desk.refused(
        &["compute", "--model", "halves", "ct", "-o", "out"],
        "darkroom evaluation-key",
    );
}

fn refused_key(desk: &Desk, bad: &[u8], words: &str) {
    desk.write("bad", bad);
    let compute = [
        "compute",
        "--model",
        "halves",
        "--evaluation-key",
        "bad",
        "ct",
        "-o",
        "out",
    ];
    desk.refused(&compute, words);
}

#[test]
fn what_is_no_evaluation_key_is_refused() {
    let desk = desk();
    let good = &keys().evaluation_key;
    refused_key(&desk, b"", "it is empty");
    refused_key(&desk, b"hello, this is none", "ends within its header");
    refused_key(&desk, &[b'x'; 100], "does not start with DARKROOM");
    refused_key(&desk, &keys().key, "it is a secret key");
    refused_key(
        &desk,
        &desk.read("ct"),
        "expected EvaluationKey, found Image",
    );
    refused_key(&desk, &good[..good.len() - 1], "bytes of payload");
    refused_key(&desk, &good[..HEADER_BYTES - 1], "part 1 in it");
    refused_key(&desk, &[good, &b"x"[..]].concat(), "ends within its header");
    let mut flipped = good.clone();
    flipped[HEADER_BYTES + 100] ^= 1;
    refused_key(&desk, &flipped, "part 1 in it: the payload's SHA-256");
    let compute = [
        "compute",
        "--model",
        "halves",
        "--evaluation-key",
        "missing",
        "ct",
        "-o",
        "out",
    ];
    desk.refused(&compute, "missing cannot be read");
}

#[test]
fn parts_that_are_missing_or_there_twice_are_named() {
    let desk = desk();
    let parts = objects(&keys().evaluation_key);
    let without: Vec<&[u8]> = [&parts[..3], &parts[4..]].concat();
    refused_key(&desk, &without.concat(), "lacks its parts [3]");
    refused_key(&desk, parts[0], "lacks its parts [1, 2");
    let twice = [&parts[..], &parts[5..6]].concat();
    refused_key(
        &desk,
        &twice.concat(),
        "part 5 of the evaluation key was added twice",
    );
    let reversed: Vec<&[u8]> = parts.iter().rev().copied().collect();
    desk.write("reversed", &reversed.concat());
    assert_eq!(label(&desk, "reversed"), "left");
}

#[test]
fn a_key_of_another_owner_or_other_parameters_is_refused_before_any_work() {
    let desk = desk();
    let parts = objects(&keys().evaluation_key);
    let kind = ObjectKind::EvaluationKey;
    let header = Header::parse(parts[0]).unwrap();
    let again = |parameters, key| {
        let payloads = parts.iter().map(|part| &part[HEADER_BYTES..]);
        let sealed = payloads.map(|payload| seal(kind, ParameterSetId(parameters), key, payload));
        sealed.collect::<Vec<_>>().concat()
    };
    let other = again(NETWORK, KeyId([7; 16]));
    refused_key(&desk, &other, "belongs to key 07070707");
    let mixed = [parts[0], &other[parts[0].len()..]].concat();
    refused_key(&desk, &mixed, "belongs to key 07070707");
    refused_key(&desk, &again(1, header.key), "has parameter set 1");
    refused_key(&desk, &again(77, header.key), "has parameter set 77");
    for payload in [
        &[][..],
        &[0xff; 50],
        &parts[0][HEADER_BYTES..parts[0].len() - 1],
    ] {
        let sealed = seal(kind, header.parameters, header.key, payload);
        refused_key(&desk, &sealed, "part of an evaluation key is malformed");
    }
}

#[test]
fn simulate_makes_the_key_and_tells_its_bytes_and_times() {
    let desk = desk();
    let text = desk
        .ok(&["simulate", "--model", "halves", "picture.npy"])
        .stdout;
    for words in ["bytes of evaluation key", "expand key", "in the clear left"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let line = desk
        .ok(&["simulate", "--json", "--model", "halves", "picture.npy"])
        .lines()
        .remove(0);
    assert_eq!(line["label"], "left", "{line}");
    let key = &line["evaluation_key"];
    assert_eq!(
        key["bytes"].as_u64(),
        Some(keys().evaluation_key.len() as u64)
    );
    for figure in ["make_ms", "expand_ms", "expand_cpu_ms", "memory_bytes"] {
        assert!(key[figure].as_f64().unwrap() > 0.0, "{figure}: {line}");
    }
    let ran = desk.ok(&[
        "simulate",
        "--json",
        "--model",
        &folder("scan-type"),
        &sample_path("hand"),
    ]);
    assert!(ran.lines()[0].get("evaluation_key").is_none());
}

#[test]
fn evaluate_measures_a_network_in_the_clear_with_noise_and_encrypted() {
    let desk = desk();
    let bright: [(u8, u8, i64); 6] = [
        (220, 20, 0),
        (20, 220, 1),
        (200, 10, 0),
        (10, 200, 1),
        (240, 40, 1), // labelled wrong: an accuracy below one
        (0, 0, 2),
    ];
    let images = bright.map(|(left, upper, _)| picture(left, upper)).concat();
    let labels = bright.map(|(.., label)| label.to_le_bytes()).concat();
    let set = npz(&[
        ("val_images", npy("|u1", "(6, 8, 8)", images)),
        ("val_labels", npy("<i8", "(6,)", labels)),
    ]);
    desk.write("set.npz", &set);
    let evaluate = [
        "evaluate",
        "--model",
        "halves",
        "--data",
        "set.npz",
        "--encrypted",
        "3",
        "--json",
    ];
    let line = desk.ok(&evaluate).lines().remove(0);
    assert_eq!(line["model"], "halves", "{line}");
    assert_eq!(line["clear"]["right"], 5, "{line}");
    assert!((line["clear"]["accuracy"].as_f64().unwrap() - 5.0 / 6.0).abs() < 1e-12);
    let balanced = line["clear"]["balanced_accuracy"].as_f64().unwrap();
    assert!((balanced - (1.0 + 2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12);
    assert_eq!(line["simulated"]["pictures"], 6);
    let encrypted = &line["encrypted"];
    assert_eq!(encrypted["pictures"], 3, "{line}");
    assert_eq!(encrypted["unexplained"], 0, "{line}");
    assert_eq!(encrypted["agreement"], 1.0, "{line}");
    for figure in ["wall_ms", "cpu_ms", "noise", "noise_predicted"] {
        assert!(
            encrypted[figure].as_f64().unwrap() > 0.0,
            "{figure}: {line}"
        );
    }
    assert!(encrypted["evaluation_key"]["bytes"].as_u64().unwrap() > 1_000_000);
}
