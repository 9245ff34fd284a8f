//! `cargo xtask bench`: what is measured, beside what it must reach.

mod accuracy;
mod target;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::command::{cargo, output, run as run_command};
use crate::run::{build_services, programs};
use crate::test::for_e2e;
use crate::tools::{Tools, browser};
use crate::{page, root};
use target::{Target, target_names, target_of};

/// What to do with the figures.
#[derive(clap::Args)]
pub struct Options {
    /// Also write the table as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only what needs no page and no browser.
    #[arg(long)]
    native: bool,
    /// Measure accuracy as well, on the digits.npz in this folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many of its pictures are really encrypted.
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "data")]
    encrypted: u32,
    /// Take the networks from here instead of the zoo.
    #[arg(long, value_name = "DIR", default_value_os_t = root().join("models"), hide_default_value = true)]
    models: PathBuf,
}

struct Row {
    name: String,
    value: f64,
    unit: String,
}

/// Measures everything and prints the table.
pub fn run(options: &Options) -> Result<()> {
    let mut rows = Vec::new();
    let models = std::path::absolute(&options.models)?;
    let mut fhe = cargo(["bench", "--locked", "-p", "darkroom-fhe"]);
    fhe.args([
        "--features",
        "client",
        "--bench",
        "linear",
        "--bench",
        "zoo",
    ]);
    fhe.env("DARKROOM_BENCH_MODELS", &models);
    rows.extend(rows_in(&output(&mut fhe)?)?);
    let mut seal = cargo(["bench", "--locked", "-p", "darkroom-qkd", "--bench", "seal"]);
    rows.extend(rows_in(&output(&mut seal)?)?);
    if let Some(data) = &options.data {
        rows.extend(accuracy::measure(&models, data, options.encrypted)?);
    }
    if !options.native {
        rows.extend(measure_whole_path()?);
    }
    print_table(&rows);
    if let Some(file) = &options.json {
        let all: Vec<Value> = rows.iter().map(Row::to_json).collect();
        let mut text = serde_json::to_string_pretty(&all)?;
        text.push('\n');
        std::fs::write(file, text)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(())
}

/// The real services, a real browser and the built page, measured from outside.
fn measure_whole_path() -> Result<Vec<Row>> {
    let browser = browser()?;
    build_services(false)?;
    page::build(&Tools::for_page()?, &page::Options::default())?;
    run_command(&mut cargo([
        "build",
        "--locked",
        "--release",
        "-p",
        "e2e",
        "--bins",
    ]))?;
    let mut measure = Command::new(programs(false).join("measure"));
    measure.current_dir(root());
    rows_in(&output(for_e2e(&mut measure, &browser, false))?)
}

/// The lines that are JSON objects with a name; everything else is a program talking.
fn rows_in(text: &str) -> Result<Vec<Row>> {
    let lines = text
        .lines()
        .filter(|line| line.trim_start().starts_with('{'));
    lines
        .map(|line| Row::read(line).with_context(|| format!("not a measurement: {line}")))
        .collect()
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Self {
            name: value["name"].as_str()?.to_owned(),
            value: value["value"].as_f64()?,
            unit: value["unit"].as_str()?.to_owned(),
        })
    }

    fn target(&self) -> Option<Target> {
        target_of(&self.name)
    }

    fn met(&self) -> Option<bool> {
        self.target().map(|target| target.met(self.value))
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target().map(Target::to_json),
            "met": self.met(),
        })
    }
}

fn print_table(rows: &[Row]) {
    let width = rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(4);
    println!(
        "\n{:width$}  {:>12}  {:6}  {:>18}  met",
        "name", "value", "unit", "target"
    );
    for row in rows {
        let target = row.target().map_or_else(String::new, Target::text);
        let met = match row.met() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        println!(
            "{:width$}  {:>12}  {:6}  {target:>18}  {met}",
            row.name,
            number(row.value),
            row.unit
        );
    }
    let measured = |name: &str| rows.iter().any(|row| row.name == name);
    for name in target_names().filter(|name| !measured(name)) {
        println!("not measured: {name}");
    }
}

/// Whole numbers whole, others with three digits that count.
pub fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    if value.abs() < 1e-3 {
        return format!("{value:.2e}");
    }
    let before = value.abs().log10().floor() + 1.0;
    let after = if before >= 3.0 {
        0
    } else if before >= 2.0 {
        1
    } else if before >= 1.0 {
        2
    } else {
        4
    };
    format!("{value:.after$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_compared_and_written() {
        let text = "running benches\n{\"name\":\"server, payload to payload\",\"value\":3.5,\"unit\":\"ms\"}\n";
        let rows = rows_in(text).unwrap();
        assert_eq!(rows[0].met(), Some(false));
        let written = rows[0].to_json();
        assert_eq!(written["target"], json!({ "at_most": 3.0 }));
        assert_eq!(written["met"], json!(false));
        let free = Row {
            name: "round trip".into(),
            value: 1.0,
            unit: "ms".into(),
        };
        assert_eq!(free.to_json()["met"], Value::Null);
        assert!(rows_in("{\"name\":1}").is_err());
    }

    #[test]
    fn numbers_are_short() {
        let shown = [82_008.0, 0.053, 12.345, 1.5, 0.000_03, 123.4].map(number);
        assert_eq!(shown, ["82008", "0.0530", "12.3", "1.50", "3.00e-5", "123"]);
    }
}
