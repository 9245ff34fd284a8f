//! Brings what the build and the tests need and the machine lacks, into `target/tools`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, run, run_long};
use crate::root;

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const TRUNK: &str = "0.21.14";
const BINARYEN: &str = "132.0.0";
/// What `wasm-opt --version` of that package says; `Trunk.toml` asks for the same.
const WASM_OPT: &str = "132";
const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";
const CARGO_CYCLONEDX: &str = "0.5.9";

/// The tools are there; this is where to look for them.
pub struct Tools {
    path: OsString,
}

/// A browser and its driver.
pub struct Browser {
    /// The browser's program.
    pub chromium: PathBuf,
    /// The program that drives it.
    pub chromedriver: PathBuf,
}

impl Tools {
    /// What building the page takes: the wasm target, trunk, wasm-bindgen, wasm-opt.
    pub fn for_page() -> Result<Self> {
        let tools = Self::new()?;
        tools.wasm_target()?;
        tools.wasm_bindgen()?;
        tools.wasm_opt()?;
        tools.trunk()?;
        Ok(tools)
    }

    /// What checking wasm code takes.
    pub fn for_wasm_target() -> Result<Self> {
        let tools = Self::new()?;
        tools.wasm_target()?;
        Ok(tools)
    }

    /// What the wasm tests take: the wasm target and the test runner that matches wasm-bindgen.
    pub fn for_wasm_tests() -> Result<Self> {
        let tools = Self::new()?;
        tools.wasm_target()?;
        tools.wasm_bindgen()?;
        Ok(tools)
    }

    /// cargo-deny alone.
    pub fn for_deny() -> Result<Self> {
        let tools = Self::new()?;
        if tools.version("cargo-deny", "--version").as_deref() != Some(CARGO_DENY) {
            tools.cargo_install("cargo-deny", CARGO_DENY, &["--locked"], "about 10 minutes")?;
        }
        Ok(tools)
    }

    /// cargo-fuzz alone. The nightly compiler that it needs is the machine's.
    pub fn for_fuzzing() -> Result<Self> {
        let tools = Self::new()?;
        if tools.version("cargo-fuzz", "--version").as_deref() != Some(CARGO_FUZZ) {
            tools.cargo_install("cargo-fuzz", CARGO_FUZZ, &["--locked"], "about 2 minutes")?;
        }
        Ok(tools)
    }

    /// cargo-cyclonedx alone.
    pub fn for_sbom() -> Result<Self> {
        let tools = Self::new()?;
        if tools
            .version("cargo-cyclonedx", "cyclonedx --version")
            .as_deref()
            != Some(CARGO_CYCLONEDX)
        {
            let (name, version) = ("cargo-cyclonedx", CARGO_CYCLONEDX);
            tools.cargo_install(name, version, &["--locked"], "about 3 minutes")?;
        }
        Ok(tools)
    }

    /// Lets a command find the tools.
    pub fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PATH", &self.path)
    }

    /// Where a tool is.
    pub fn locate(&self, name: &str) -> Option<PathBuf> {
        find(name, &self.path)
    }

    fn new() -> Result<Self> {
        let folder = folder();
        let mut places = vec![folder.join("bin"), folder.join("node_modules/.bin")];
        places.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        Ok(Self {
            path: std::env::join_paths(places)?,
        })
    }

    fn version(&self, name: &str, asked: &str) -> Option<String> {
        let program = self.locate(name)?;
        let mut command = Command::new(program);
        let said = self
            .apply(&mut command)
            .args(asked.split(' '))
            .stderr(Stdio::null())
            .output()
            .ok()?;
        version_in(&String::from_utf8_lossy(&said.stdout))
    }

    fn wasm_target(&self) -> Result<()> {
        let mut list = Command::new("rustup");
        list.args(["target", "list", "--installed"])
            .current_dir(root());
        let installed = match list.stderr(Stdio::null()).output() {
            Ok(answer) => String::from_utf8_lossy(&answer.stdout).into_owned(),
            // Without rustup the build itself says what is missing.
            Err(_) => return Ok(()),
        };
        if installed.lines().any(|line| line.trim() == WASM_TARGET) {
            return Ok(());
        }
        println!("adding the target {WASM_TARGET}");
        run(Command::new("rustup")
            .args(["target", "add", WASM_TARGET])
            .current_dir(root()))
    }

    fn trunk(&self) -> Result<()> {
        if self.version("trunk", "--version").as_deref() == Some(TRUNK) {
            return Ok(());
        }
        // Trunk only calls other programs here: neither TLS nor its update check is of use.
        let features = ["--locked", "--no-default-features"];
        self.cargo_install("trunk", TRUNK, &features, "about 5 minutes")
    }

    fn wasm_bindgen(&self) -> Result<()> {
        let wanted = locked_version("wasm-bindgen")?;
        if self.version("wasm-bindgen", "--version").as_ref() == Some(&wanted)
            && self
                .version("wasm-bindgen-test-runner", "--version")
                .as_ref()
                == Some(&wanted)
        {
            return Ok(());
        }
        // Its own lock file names a crate version that not every registry has: no --locked.
        self.cargo_install("wasm-bindgen-cli", &wanted, &[], "about 4 minutes")
    }

    fn wasm_opt(&self) -> Result<()> {
        if self.version("wasm-opt", "--version").as_deref() == Some(WASM_OPT) {
            return Ok(());
        }
        if self.locate("npm").is_none() {
            println!("npm is missing, so wasm-opt is left out: the page works but is larger.");
            return stand_in_for_wasm_opt();
        }
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]);
        npm.arg("--prefix")
            .arg(folder())
            .arg(format!("binaryen@{BINARYEN}"));
        let what = format!("installing wasm-opt (binaryen {BINARYEN}) with npm");
        run_long(&what, &mut npm, &folder().join("log/binaryen.log"))
    }

    fn cargo_install(&self, name: &str, version: &str, more: &[&str], time: &str) -> Result<()> {
        let mut install = cargo(["install", name, "--version", version]);
        install
            .args(more)
            .arg("--force")
            .arg("--root")
            .arg(folder());
        // These tools run for seconds and build for minutes: little optimisation is the quicker way.
        install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        install.env("CARGO_PROFILE_RELEASE_LTO", "off");
        install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        install.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
        // Beside the tools, so that an interrupted build goes on where it was.
        let build = folder().join("build");
        install.env("CARGO_TARGET_DIR", &build);
        let what = format!("installing {name} {version} with cargo, once: takes {time}");
        run_long(
            &what,
            &mut install,
            &folder().join(format!("log/{name}.log")),
        )?;
        std::fs::remove_dir_all(build).context("could not clear away what the tool was built in")
    }
}

/// All that any command needs.
pub fn install_all() -> Result<()> {
    let tools = Tools::for_page()?;
    let browser = browser()?;
    for name in [
        "trunk",
        "wasm-bindgen",
        "wasm-bindgen-test-runner",
        "wasm-opt",
    ] {
        println!(
            "{name}: {}",
            tools.locate(name).unwrap_or_default().display()
        );
    }
    println!("chromium: {}", browser.chromium.display());
    println!("chromedriver: {}", browser.chromedriver.display());
    Ok(())
}

/// Chromium and its driver; on Debian as root they are installed.
pub fn browser() -> Result<Browser> {
    if let Some(found) = find_browser() {
        return Ok(found);
    }
    let debian = Path::new("/etc/debian_version").exists();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !debian || !rustix::process::geteuid().is_root() || find("apt-get", &path).is_none() {
        bail!(
            "the browser tests need Chromium and a ChromeDriver of the same version on PATH (or \
             named by CHROMIUM and CHROMEDRIVER); on Debian: apt-get install chromium chromium-driver"
        );
    }
    let log = folder().join("log/chromium.log");
    let mut update = Command::new("apt-get");
    run_long("reading Debian's package lists", update.arg("update"), &log)?;
    let mut install = Command::new("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y"]);
    install.args(["--no-install-recommends", "chromium", "chromium-driver"]);
    run_long(
        "installing chromium and chromium-driver with apt-get",
        &mut install,
        &log,
    )?;
    find_browser().context("apt-get installed Chromium, but it is not on PATH")
}

fn find_browser() -> Option<Browser> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|p| p.is_file())
    };
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let chromium = named("CHROMIUM").or_else(|| names.iter().find_map(|name| find(name, &path)))?;
    let chromedriver = named("CHROMEDRIVER").or_else(|| find("chromedriver", &path))?;
    Some(Browser {
        chromium,
        chromedriver,
    })
}

fn folder() -> PathBuf {
    root().join("target/tools")
}

fn find(name: &str, path: &OsString) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(path)
        .map(|place| place.join(&file))
        .find(|candidate| candidate.is_file())
}

/// The first word that starts with a digit: `trunk 0.21.14`, `wasm-opt version 132 (version_132)`.
fn version_in(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

fn locked_version(package: &str) -> Result<String> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?;
    version_in_lock(&lock, package).with_context(|| format!("Cargo.lock names no {package}"))
}

fn version_in_lock(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    version.strip_suffix('"').map(str::to_owned)
}

/// Trunk insists on a wasm-opt: this one hands its input on as it is.
fn stand_in_for_wasm_opt() -> Result<()> {
    let script = format!(
        "#!/bin/sh\n\
         for word in \"$@\"; do\n\
           case \"$word\" in\n\
             --version) echo 'wasm-opt version {WASM_OPT} (stand-in)'; exit 0 ;;\n\
             --output=*) out=${{word#--output=}} ;;\n\
             -*) ;;\n\
             *) in=$word ;;\n\
           esac\n\
         done\n\
         exec cp \"$in\" \"$out\"\n"
    );
    let bin = folder().join("bin");
    std::fs::create_dir_all(&bin)?;
    let file = bin.join("wasm-opt");
    std::fs::write(&file, script)?;
    output(Command::new("chmod").arg("+x").arg(file)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_say_them() {
        assert_eq!(version_in("trunk 0.21.14\n").as_deref(), Some("0.21.14"));
        assert_eq!(
            version_in("wasm-opt version 132 (version_132)").as_deref(),
            Some("132")
        );
        assert_eq!(version_in("command not found"), None);
    }

    #[test]
    fn the_locked_version_is_the_packages_own() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"9.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n";
        assert_eq!(version_in_lock(lock, "a").as_deref(), Some("1.2.3"));
        assert_eq!(version_in_lock(lock, "c"), None);
    }
}
