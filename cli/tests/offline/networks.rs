//! A network over files and in `simulate` and `evaluate`.

use crate::network::{answer, desk, keys, picture, twin};
use crate::support::{folder, npy, npz, sample_path};

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
