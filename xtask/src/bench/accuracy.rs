//! The networks on pictures with known labels, really encrypted: `darkroom evaluate` in figures.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Row;
use super::target::networks;
use crate::command::{cargo, run};
use crate::run::programs;

const DATA: &str = "digits.npz";

/// Measures every network that is there, with so many encrypted pictures.
pub fn measure(models: &Path, data: &Path, encrypted: u32) -> Result<Vec<Row>> {
    let mut build = cargo(["build", "--locked", "--release", "-p", "darkroom-cli"]);
    run(&mut build)?;
    let mut rows = Vec::new();
    for network in networks() {
        let folder = models.join(network);
        if !folder.is_dir() {
            continue;
        }
        let mut evaluate = Command::new(programs(false).join("darkroom"));
        evaluate.arg("evaluate").arg("--model").arg(&folder);
        evaluate.arg("--data").arg(data.join(DATA));
        evaluate.args(["--encrypted", &encrypted.to_string(), "--json"]);
        // It fails if labels differ for no reason, but says all the same how many.
        let said = evaluate.stderr(Stdio::inherit()).output()?.stdout;
        let said: Value = serde_json::from_slice(&said).context("darkroom evaluate: no JSON")?;
        rows.extend(rows_of(network, &said).context("darkroom evaluate: a figure is missing")?);
    }
    Ok(rows)
}

fn rows_of(network: &str, said: &Value) -> Option<Vec<Row>> {
    let encrypted = &said["encrypted"];
    let (noise, predicted) = (&encrypted["noise"], &encrypted["noise_predicted"]);
    let figures = [
        (
            "accuracy, in the clear",
            said["clear"]["accuracy"].as_f64()?,
            "share",
        ),
        (
            "accuracy, simulated noise",
            said["simulated"]["accuracy"].as_f64()?,
            "share",
        ),
        (
            "accuracy, encrypted",
            encrypted["accuracy"].as_f64()?,
            "share",
        ),
        (
            "accuracy, the same in the clear",
            encrypted["clear_accuracy"].as_f64()?,
            "share",
        ),
        ("encrypted pictures", encrypted["pictures"].as_f64()?, ""),
        (
            "labels as the clear twin's",
            encrypted["agreement"].as_f64()?,
            "share",
        ),
        (
            "labels that noise does not explain",
            encrypted["unexplained"].as_f64()?,
            "",
        ),
        (
            "noise of the scores beside the prediction",
            noise.as_f64()? / predicted.as_f64()?,
            "share",
        ),
        (
            "a picture of many, wall",
            encrypted["wall_ms"].as_f64()? / 1e3,
            "s",
        ),
        (
            "a picture of many",
            encrypted["cpu_ms"].as_f64()? / 1e3,
            "s cpu",
        ),
    ];
    let row = |(name, value, unit): (&str, f64, &str)| Row {
        name: format!("{network}, {name}"),
        value,
        unit: unit.to_owned(),
    };
    Some(figures.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_evaluate_says_becomes_rows() {
        let said = json!({
            "clear": { "accuracy": 0.99 },
            "simulated": { "accuracy": 0.98 },
            "encrypted": {
                "accuracy": 0.985, "clear_accuracy": 0.985, "pictures": 200, "agreement": 0.995,
                "unexplained": 0, "noise": 0.5, "noise_predicted": 0.25,
                "wall_ms": 200.0, "cpu_ms": 400.0,
            },
        });
        let rows = rows_of("digits", &said).unwrap();
        let value = |name: &str| rows.iter().find(|row| row.name == name).unwrap().value;
        assert_eq!(
            value("digits, noise of the scores beside the prediction"),
            2.0
        );
        assert_eq!(value("digits, a picture of many"), 0.4);
        assert!(rows_of("digits", &json!({})).is_none());
    }
}
