//! `cargo xtask fuzz`: the parsers against inputs that a fuzzer makes up.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::run;
use crate::tools::Tools;

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub struct Options {
    /// Only these; see fuzz/fuzz_targets.
    targets: Vec<String>,
    /// Minutes for each target.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// With this sanitizer, as `address`; unsafe code is in dependencies alone, so as a rule without.
    #[arg(long, default_value = "none")]
    sanitizer: String,
}

/// Memory that a run may take, in MiB, and seconds that one input may.
const RSS_MAX_MIB: u64 = 2048;
const INPUT_MAX_S: u64 = 25;
/// Seeds are shorter, so that most of the time goes into many inputs.
const INPUT_MAX_BYTES: u64 = 8192;

/// Runs the targets one after the other, and tells how each ended.
pub fn run_all(options: &Options) -> Result<()> {
    let tools = Tools::for_fuzzing()?;
    let chosen = chosen(options)?;
    let mut closing = Vec::new();
    for target in &chosen {
        println!("\n=== {}", target.name);
        let mut fuzz = cargo_fuzz(&tools, options, target, "build");
        run(&mut fuzz)?;
        closing.push(fuzz_one(&tools, options, target)?);
    }
    println!();
    let mut failed = Vec::new();
    for (target, end) in chosen.iter().zip(closing) {
        println!("{:16} {}", target.name, end.line);
        if !end.is_well {
            failed.push(target.name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!(
            "found something in {}: see fuzz/artifacts, mend it, and keep the input in \
             fuzz/findings",
            failed.join(", ")
        );
    }
    Ok(())
}

/// A fuzz target, as the manifest has it.
#[derive(Clone)]
struct Target {
    name: String,
    /// The feature that it needs.
    feature: Option<String>,
}

/// How a run ended.
struct End {
    line: String,
    is_well: bool,
}

fn fuzz_one(tools: &Tools, options: &Options, target: &Target) -> Result<End> {
    let name = &target.name;
    let corpus = folder().join("corpus").join(name);
    fs::create_dir_all(&corpus).with_context(|| format!("{}", corpus.display()))?;
    let log = crate::root().join(format!("target/fuzz/{name}.log"));
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut fuzz = cargo_fuzz(tools, options, target, "run");
    fuzz.arg(&corpus).arg(folder().join("seeds").join(name));
    fuzz.arg("--");
    fuzz.args([
        format!("-max_total_time={}", options.minutes * 60),
        format!("-rss_limit_mb={RSS_MAX_MIB}"),
        format!("-malloc_limit_mb={RSS_MAX_MIB}"),
        format!("-timeout={INPUT_MAX_S}"),
        format!("-max_len={INPUT_MAX_BYTES}"),
        "-print_final_stats=1".to_owned(),
    ]);
    let file = fs::File::create(&log)?;
    let status = fuzz.stderr(file.try_clone()?).stdout(file).status();
    let status = status.context("cargo fuzz did not start")?;
    Ok(End {
        line: closing_line(&fs::read_to_string(&log)?),
        is_well: status.success(),
    })
}

/// What libFuzzer says last of its progress, and how many inputs it ran.
fn closing_line(log: &str) -> String {
    let last = |mark: &str| log.lines().rev().find(|line| line.contains(mark));
    let crash = last("SUMMARY:").or(last("panicked at"));
    let progress = last(" cov: ").unwrap_or("no line of progress");
    let progress = progress.trim_start_matches('#').replace('\t', " ");
    match crash {
        Some(crash) => format!("{progress}; {}", crash.trim()),
        None => progress,
    }
}

fn cargo_fuzz(tools: &Tools, options: &Options, target: &Target, what: &str) -> Command {
    // Its own directory: the root's rust-toolchain.toml asks for stable.
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", what, "--sanitizer", &options.sanitizer]);
    command.arg("--no-default-features");
    if let Some(feature) = &target.feature {
        command.args(["--features", feature]);
    }
    command.arg(&target.name).current_dir(folder());
    // What cargo tells those that it runs would choose the stable compiler again.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
        command.env_remove(variable);
    }
    tools.apply(&mut command);
    command
}

fn chosen(options: &Options) -> Result<Vec<Target>> {
    let text = fs::read_to_string(folder().join("Cargo.toml")).context("fuzz/Cargo.toml")?;
    let all = targets(&text);
    let find = |name: &String| {
        let found = all.iter().find(|target| target.name == *name);
        found
            .cloned()
            .with_context(|| format!("there is no target {name}"))
    };
    match options.targets[..] {
        [] => Ok(all),
        _ => options.targets.iter().map(find).collect(),
    }
}

/// Those of the manifest, in its order.
fn targets(manifest: &str) -> Vec<Target> {
    let quoted = |section: &str, before: &str| {
        let (_, rest) = section.split_once(before)?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let target = |section: &str| {
        Some(Target {
            name: quoted(section, "name = \"")?,
            feature: quoted(section, "required-features = [\""),
        })
    };
    manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(target)
        .collect()
}

fn folder() -> PathBuf {
    crate::root().join("fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_those_of_the_manifest() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        let found = targets(manifest);
        assert_eq!(found.len(), manifest.matches("fuzz_targets/").count());
        assert_eq!(
            (found[0].name.as_str(), &found[0].feature),
            ("object", &None)
        );
        let npy = found.iter().find(|target| target.name == "npy").unwrap();
        assert_eq!(npy.feature.as_deref(), Some("fhe"));
    }

    #[test]
    fn the_last_line_of_progress_and_what_was_found_are_told() {
        let log =
            "#2\tINITED cov: 1 ft: 2\n#512\tpulse  cov: 9 ft: 10 exec/s: 256\nDone 512 runs\n";
        assert_eq!(closing_line(log), "512 pulse  cov: 9 ft: 10 exec/s: 256");
        let log = format!("{log}thread panicked at src/x.rs:1:2:\n==1== ERROR\n");
        assert!(closing_line(&log).ends_with("; thread panicked at src/x.rs:1:2:"));
    }
}
