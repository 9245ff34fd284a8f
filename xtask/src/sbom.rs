//! Bills of materials: what each program and the page are made of, as CycloneDX in JSON.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{cargo, output, run};
use crate::root;
use crate::tools::Tools;

/// What is handed on: the folder of its manifest, and the name of its bill.
const NATIVE: [(&str, &str); 5] = [
    ("backend-storage", "backend-storage"),
    ("backend-compute", "backend-compute"),
    ("gateway", "gateway"),
    ("cli", "darkroom"),
    ("crates/kme", "darkroom-kme"),
];
const PAGE: [(&str, &str); 1] = [("frontend", "page")];
/// What `cargo cyclonedx` leaves beside every manifest.
const MADE: &str = "bill-of-materials";

/// Writes them to `target/sbom`: the same bytes for the same commit, wherever it lies.
pub fn run_all() -> Result<()> {
    let tools = Tools::for_sbom()?;
    let folder = root().join("target/sbom");
    fs::create_dir_all(&folder)?;
    for (target, wanted) in [
        ("x86_64-unknown-linux-gnu", &NATIVE[..]),
        ("wasm32-unknown-unknown", &PAGE[..]),
    ] {
        let made = make(&tools, target).and_then(|()| {
            let mut bills = wanted.iter();
            bills
                .try_for_each(|(place, name)| keep(place, &folder.join(format!("{name}.cdx.json"))))
        });
        clear()?;
        made?;
    }
    Ok(())
}

fn make(tools: &Tools, target: &str) -> Result<()> {
    let mut command = cargo(["cyclonedx", "--format", "json", "--spec-version", "1.5"]);
    command.args(["--quiet", "--target", target, "--override-filename", MADE]);
    if std::env::var_os("SOURCE_DATE_EPOCH").is_none() {
        let mut commit = Command::new("git");
        commit
            .current_dir(root())
            .args(["log", "-1", "--format=%ct"]);
        command.env("SOURCE_DATE_EPOCH", output(&mut commit)?.trim());
    }
    run(tools.apply(&mut command))
}

fn keep(place: &str, file: &Path) -> Result<()> {
    let made = root().join(place).join(format!("{MADE}.json"));
    let text = fs::read_to_string(&made).with_context(|| made.display().to_string())?;
    let bill = placeless(&text, &root());
    let read: Value = serde_json::from_str(&bill)?;
    let parts = read["components"].as_array().map_or(0, Vec::len);
    fs::write(file, bill)?;
    println!("{}: {parts} parts", file.display());
    Ok(())
}

/// The same bill, wherever the project's folder lies.
fn placeless(bill: &str, root: &Path) -> String {
    bill.replace(&format!("file://{}", root.display()), "file://")
}

/// Takes away what lies beside the manifests.
fn clear() -> Result<()> {
    let members = output(&mut cargo([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let members: Value = serde_json::from_str(&members)?;
    for package in members["packages"].as_array().into_iter().flatten() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let made = manifest.with_file_name(format!("{MADE}.json"));
        if made.exists() {
            fs::remove_file(made)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_does_not_tell_where_it_was_made() {
        let bill = r#"{"bom-ref": "path+file:///home/me/darkroom/crates/api#0.1.0"}"#;
        let expected = r#"{"bom-ref": "path+file:///crates/api#0.1.0"}"#;
        assert_eq!(placeless(bill, Path::new("/home/me/darkroom")), expected);
    }

    #[test]
    fn every_program_that_is_handed_on_has_one() {
        for (place, _) in NATIVE.iter().chain(&PAGE) {
            assert!(root().join(place).join("Cargo.toml").is_file(), "{place}");
        }
        // The programs of the images.
        for file in ["storage", "compute", "client", "kme"] {
            let file = root().join(format!("docker/{file}.Dockerfile"));
            let text = fs::read_to_string(file).unwrap();
            let (_, program) = text.rsplit_once("ENTRYPOINT [\"").unwrap();
            let program = program.split('"').next().unwrap();
            assert!(NATIVE.iter().any(|(_, name)| *name == program), "{program}");
        }
    }
}
