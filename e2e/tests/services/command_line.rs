//! `darkroom` through the gateway.

use std::path::Path;
use std::process::{Command, Output};

use e2e::owner::{load_model, pattern};
use e2e::places::program;
use e2e::services::{Darkroom, Plan};
use serde_json::Value;

use crate::zoo;

pub fn darkroom(arguments: &[&str]) -> Output {
    let output = Command::new(program("darkroom")).args(arguments).output();
    output.expect("the program darkroom is not built: cargo xtask test builds it")
}

#[track_caller]
pub fn said(arguments: &[&str]) -> String {
    said_and_told(arguments).0
}

/// What is printed, and what is told beside it.
#[track_caller]
pub fn said_and_told(arguments: &[&str]) -> (String, String) {
    let output = darkroom(arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "darkroom {arguments:?}: {told}");
    (String::from_utf8(output.stdout).unwrap(), told)
}

pub fn save(folder: &Path, name: &str, seed: u32) -> String {
    let pixels = pattern(seed, 8, 8).unwrap();
    let file = folder.join(name);
    let grey = image::GrayImage::from_raw(8, 8, pixels.as_bytes().to_vec()).unwrap();
    grey.save(&file).unwrap();
    file.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn analyse_prints_a_json_line_an_image_as_the_twin_has_it() {
    let models = zoo::small();
    let plan = Plan {
        models: Some(models.path()),
        ..Plan::default()
    };
    let services = Darkroom::start_as(plan).await.unwrap();
    let server = services.gateway.url();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key").display().to_string();
    let pictures: Vec<String> = (0..3)
        .map(|seed| save(folder.path(), &format!("{seed}.png"), seed))
        .collect();

    said(&["keygen", "--key", &key]);
    let mut arguments = vec!["analyse", "--server", &server, "--key", &key];
    arguments.extend(["--model", "left-right", "--json"]);
    arguments.extend(pictures.iter().map(String::as_str));
    let lines = said(&arguments);
    let mut lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.sort_by_key(|line| line["image"].to_string());
    assert_eq!(lines.len(), pictures.len());

    let model = models.path().join("left-right");
    let noise = load_model(&model).unwrap().layer().scores()[0].noise_deviation();
    for (seed, (line, picture)) in (0..).zip(lines.iter().zip(&pictures)) {
        let expected = zoo::twin(&model, &pattern(seed, 8, 8).unwrap());
        assert_eq!(line["image"], picture.as_str(), "{line}");
        assert_eq!(line["label"], expected.label.as_str(), "{line}");
        let score = line["scores"][0].as_f64().unwrap();
        assert!((score - expected.scores[0]).abs() <= 8.0 * noise, "{line}");
        assert!(
            line["probabilities"]
                .as_object()
                .is_some_and(|all| all.len() == 2),
            "{line}"
        );
    }

    let cards = said(&["models", "--server", &server, "--json"]);
    assert!(
        cards.contains("left-right") && cards.contains("bright-dark"),
        "{cards}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key").display().to_string();
    let picture = save(folder.path(), "a.png", 1);
    said(&["keygen", "--key", &key]);
    let server = "http://127.0.0.1:9";
    let output = darkroom(&[
        "analyse",
        "--server",
        server,
        "--key",
        &key,
        "--model",
        "left-right",
        &picture,
    ]);
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains(server), "{complaint}");
}
