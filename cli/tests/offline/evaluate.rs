//! `darkroom evaluate` on a linear model and a few pictures.

use crate::support::{Desk, folder, npy, npz, sample_path};

/// The shipped samples as a set, labelled as the model tells them, but one.
fn set(desk: &Desk, labels: &str, dtype: &str, bytes: Vec<u8>) {
    let samples = ["chest-frontal", "chest-lateral", "hand"];
    let images = samples.map(|sample| {
        let grey = image::open(sample_path(sample)).unwrap().into_luma8();
        let grey = image::imageops::thumbnail(&grey, 64, 64);
        grey.into_raw()
    });
    let set = npz(&[
        ("images", npy("|u1", "(3, 64, 64)", images.concat())),
        (labels, npy(dtype, "(3,)", bytes)),
    ]);
    desk.write("set.npz", &set);
}

fn evaluate(dir: &str) -> [&str; 5] {
    ["evaluate", "--model", dir, "--data", "set.npz"]
}

/// Where a class stands in the model's list.
fn class(dir: &str, name: &str) -> u8 {
    let form = std::fs::read_to_string(format!("{dir}/model.toml")).unwrap();
    let classes = form.lines().find(|line| line.starts_with("classes"));
    let names = classes.unwrap().split('"').skip(1).step_by(2);
    u8::try_from(names.into_iter().position(|one| one == name).unwrap()).unwrap()
}

#[test]
fn a_linear_model_is_measured_three_ways() {
    let desk = Desk::new();
    let dir = folder("scan-type");
    let (chest, hand) = (class(&dir, "chest X-ray"), class(&dir, "hand X-ray"));
    set(&desk, "labels", "|u1", vec![chest, hand, hand]);
    let ran = desk.ok(&[&evaluate(&dir)[..], &["--encrypted", "9", "--json"]].concat());
    let line = ran.lines().remove(0);
    assert_eq!(line["clear"]["pictures"], 3, "{line}");
    assert_eq!(line["clear"]["right"], 2, "{line}");
    assert_eq!(line["clear"]["balanced_accuracy"], 0.75, "{line}");
    assert_eq!(
        line["encrypted"]["pictures"], 3,
        "more than there are: {line}"
    );
    assert_eq!(line["encrypted"]["agreement"], 1.0, "{line}");
    assert!(line["encrypted"].get("evaluation_key").is_none(), "{line}");

    let text = desk.ok(&evaluate(&dir)).stdout;
    for words in ["in the clear", "66.67 %", "with simulated noise", "2 of 3"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("encrypted"), "{text}");
}

#[test]
fn the_same_seed_gives_the_same_noise_on_any_number_of_threads() {
    let desk = Desk::new();
    let dir = folder("scan-type");
    set(&desk, "labels", "|u1", vec![0, 1, 2]);
    let simulated = |more: &[&str]| {
        let ran = desk.ok(&[&evaluate(&dir)[..], &["--json"], more].concat());
        let mut simulated = ran.lines().remove(0)["simulated"].take();
        simulated.as_object_mut().unwrap().remove("seconds");
        simulated
    };
    let one = simulated(&["--seed", "5", "--threads", "1"]);
    assert_eq!(simulated(&["--seed", "5", "--threads", "3"]), one);
}

#[test]
fn sets_that_cannot_be_used_are_refused() {
    let desk = Desk::new();
    let dir = folder("scan-type");
    desk.refused(&evaluate(&dir), "set.npz cannot be read");
    desk.write("set.npz", b"hello");
    desk.refused(&evaluate(&dir), "not an archive");
    set(&desk, "classes", "|u1", vec![0, 1, 2]);
    desk.refused(&evaluate(&dir), "\"labels\"");
    set(&desk, "labels", "<f4", vec![0; 12]);
    desk.refused(&evaluate(&dir), "not of integers");
    set(&desk, "labels", "|i1", vec![0, 255, 2]);
    desk.refused(&evaluate(&dir), "a label of -1");
    set(&desk, "labels", "|u1", vec![0, 1, 99]);
    desk.refused(&evaluate(&dir), "picture 2 of set.npz is of class 99");
}
