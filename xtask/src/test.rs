//! `cargo xtask test`: everything that CI checks, stage by stage.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::command::{cargo, output, run as run_command, seconds};
use crate::rules;
use crate::run::programs;
use crate::tools::{Browser, Tools, browser};
use crate::{containers, page};

/// What to test.
#[derive(clap::Args)]
pub struct Options {
    /// Only these stages; may be given more than once.
    #[arg(long, value_enum, value_name = "STAGE")]
    only: Vec<Stage>,
    /// Also build the container images and send an image the whole way through them.
    #[arg(long)]
    containers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The format.
    Format,
    /// Who may depend on what.
    Rules,
    /// Clippy over all that is native.
    Lint,
    /// Clippy over what runs in the browser.
    LintWasm,
    /// Unit and API tests.
    Unit,
    /// The tests of the FHE core and of the page, as wasm in a browser.
    Wasm,
    /// The page as it is shipped.
    Page,
    /// The whole path: the real services, the built page, a real browser.
    E2e,
    /// The same with the container images; only by name or with --containers.
    Containers,
}

/// All but the page, which is wasm, and the whole path, which needs the page.
pub const NATIVE: [&str; 3] = ["--workspace", "--exclude", "frontend"];
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Runs the stages in order, stops at the first that fails, tells the times.
pub fn run(options: &Options) -> Result<()> {
    let all = Stage::value_variants().iter().copied();
    let wanted = |stage: &Stage| match options.only[..] {
        [] => *stage != Stage::Containers || options.containers,
        _ => options.only.contains(stage) || (*stage == Stage::Containers && options.containers),
    };
    let mut times = Vec::new();
    for stage in all.filter(wanted) {
        let name = stage_name(stage);
        println!("\n=== {name}");
        let began = Instant::now();
        let outcome = stage.run();
        times.push((name, began.elapsed(), outcome.is_ok()));
        println!(
            "=== {} took {}",
            times[times.len() - 1].0,
            seconds(began.elapsed())
        );
        if let Err(error) = outcome {
            summarise(&times);
            return Err(error.context(format!("the stage {} failed", times[times.len() - 1].0)));
        }
    }
    summarise(&times);
    Ok(())
}

fn summarise(times: &[(String, Duration, bool)]) {
    println!("\nstage        time          passed");
    for (name, time, passed) in times {
        println!(
            "{name:12} {:13} {}",
            seconds(*time),
            if *passed { "yes" } else { "NO" }
        );
    }
    let total = times.iter().map(|(_, time, _)| *time).sum();
    println!("{:12} {}", "all", seconds(total));
}

fn stage_name(stage: Stage) -> String {
    stage
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Stage {
    fn run(self) -> Result<()> {
        match self {
            Self::Format => run_command(&mut cargo(["fmt", "--all", "--check"])),
            Self::Rules => rules::check(),
            Self::Lint => lint(),
            Self::LintWasm => lint_wasm(),
            Self::Unit => unit(),
            Self::Wasm => wasm(),
            Self::Page => page::build(&Tools::for_page()?, &page::Options::default()),
            Self::E2e => e2e(),
            Self::Containers => containers::test(),
        }
    }
}

fn lint() -> Result<()> {
    let mut clippy = cargo(["clippy", "--locked", "--all-targets"]);
    run_command(clippy.args(NATIVE).args(["--", "-D", "warnings"]))
}

fn lint_wasm() -> Result<()> {
    Tools::for_wasm_target()?;
    let mut clippy = cargo(["clippy", "--locked", "--target", WASM_TARGET, "--release"]);
    clippy.args(["-p", "frontend", "--all-targets", "--", "-D", "warnings"]);
    run_command(&mut clippy)
}

// One selection of packages for all native builds: another one means other features, and building
// the same crates again. So what is tested is chosen by the names of the tests' targets.

fn unit() -> Result<()> {
    build_native()?;
    let mut test = cargo(["test", "--locked", "--no-fail-fast", "--lib", "--bins"]);
    for name in test_targets(|package| !["e2e", "frontend"].contains(&package))? {
        test.args(["--test", &name]);
    }
    run_command(test.args(NATIVE))
}

fn build_native() -> Result<()> {
    let mut build = cargo(["build", "--locked", "--lib", "--bins", "--tests"]);
    run_command(build.args(NATIVE))
}

/// The names of the integration tests of some members that need no feature of their own.
fn test_targets(wanted: impl Fn(&str) -> bool) -> Result<BTreeSet<String>> {
    let metadata = output(&mut cargo([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut names = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if !wanted(package["name"].as_str().unwrap_or_default()) {
            continue;
        }
        for target in package["targets"].as_array().into_iter().flatten() {
            let is_test = target["kind"][0] == "test";
            let mut needs = target["required-features"].as_array().into_iter().flatten();
            // The whole path's tests turn the client on for all.
            if is_test && needs.all(|feature| feature == "client") {
                names.extend(target["name"].as_str().map(str::to_owned));
            }
        }
    }
    Ok(names)
}

fn wasm() -> Result<()> {
    let tools = Tools::for_wasm_tests()?;
    let browser = browser()?;
    let runner = tools
        .locate("wasm-bindgen-test-runner")
        .context("the wasm test runner is missing")?;
    let settings = webdriver_settings(&browser)?;
    // In release, as the page: what the page is built from is then built once.
    let suites: [&[&str]; 2] = [
        &["-p", "darkroom-fhe", "--features", "client", "--tests"],
        &["-p", "frontend"],
    ];
    for suite in suites {
        let mut test = cargo(["test", "--locked", "--release", "--target", WASM_TARGET]);
        test.args(suite);
        test.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &runner)
            .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &settings)
            .env("WASM_BINDGEN_TEST_TIMEOUT", "600")
            .env("CHROMEDRIVER", &browser.chromedriver);
        run_command(&mut test)?;
    }
    Ok(())
}

fn e2e() -> Result<()> {
    let browser = browser()?;
    if !page::folder().join("index.html").is_file() {
        bail!("there is no built page; first: cargo xtask test --only page");
    }
    build_native()?;
    let mut test = cargo(["test", "--locked", "--no-fail-fast"]);
    for name in test_targets(|package| package == "e2e")? {
        test.args(["--test", &name]);
    }
    test.args(NATIVE);
    for_e2e(&mut test, &browser, true);
    run_command(&mut test)
}

/// Tells the tests of the whole path where everything is.
pub fn for_e2e<'a>(command: &'a mut Command, browser: &Browser, dev: bool) -> &'a mut Command {
    command
        .env("E2E_PROGRAMS", programs(dev))
        .env("E2E_PAGE", page::folder())
        .env("E2E_MODELS", crate::root().join("models"))
        .env("CHROMIUM", &browser.chromium)
        .env("CHROMEDRIVER", &browser.chromedriver)
}

/// The browser's settings for wasm-bindgen's test runner.
fn webdriver_settings(browser: &Browser) -> Result<std::path::PathBuf> {
    let mut arguments = vec!["--headless", "--disable-gpu", "--disable-dev-shm-usage"];
    arguments.extend([
        "--disable-background-networking",
        "--disable-component-update",
    ]);
    arguments.extend(["--disable-sync", "--no-first-run"]);
    if rustix::process::geteuid().is_root() {
        // Chromium's sandbox does not start as root.
        arguments.push("--no-sandbox");
    }
    let options = serde_json::json!({ "binary": browser.chromium, "args": arguments });
    let settings = serde_json::json!({ "goog:chromeOptions": options });
    let folder = crate::root().join("target/tools");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("webdriver.json");
    std::fs::write(&file, serde_json::to_vec(&settings)?)?;
    Ok(file)
}
