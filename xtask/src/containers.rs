//! The whole path with the three container images in the place of the programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, run};
use crate::root;
use crate::test::{NATIVE, for_e2e};
use crate::tools::browser;

/// The programs, their images, and the Makefile's targets.
const IMAGES: [(&str, &str, &str); 3] = [
    ("backend-storage", "darkroom-storage", "build_storage"),
    ("backend-compute", "darkroom-compute", "build_server"),
    ("gateway", "darkroom-client", "build_client"),
];
/// The target of the key node's image.
const KME: &str = "build_kme";
/// What a container is told; the rest is as its image has it.
const SETTINGS: [&str; 4] = [
    "DARKROOM_LISTEN",
    "DARKROOM_STORAGE_URL",
    "DARKROOM_COMPUTE_URL",
    "NO_COLOR",
];
const LABEL: &str = "darkroom-test";

#[derive(Clone, Copy)]
enum Engine {
    /// Docker or podman, by name.
    Docker(&'static str),
    /// Where there is no daemon.
    Buildah,
}

/// Builds the images and sends pictures the whole way through them.
pub fn test() -> Result<()> {
    let engine = Engine::find()?;
    println!(
        "building four images with {} (several minutes each, the first time)",
        engine.name()
    );
    for (_, _, target) in IMAGES {
        engine.build(target)?;
    }
    // Nothing of what follows needs it: this only says that it can be built.
    engine.build(KME)?;
    let folder = root().join("target/containers");
    std::fs::create_dir_all(&folder)?;
    for (program, image, _) in IMAGES {
        write_script(&folder.join(program), &engine.script(program, image)?)?;
    }
    let outcome = whole_path(&folder);
    engine.clear();
    outcome
}

/// The tests that need nothing but what the images hold.
fn whole_path(programs: &Path) -> Result<()> {
    let browser = browser()?;
    let tests = [
        ("services", "every_shipped_model_answers_as_its_clear_twin"),
        ("browser", "from_the_first_visit_to_a_restored_device"),
    ];
    for (suite, name) in tests {
        let mut test = cargo(["test", "--locked", "--test", suite]);
        for_e2e(&mut test, &browser, true).env("E2E_PROGRAMS", programs);
        run(test.args(NATIVE).args(["--", name]))?;
    }
    Ok(())
}

impl Engine {
    fn find() -> Result<Self> {
        for name in ["docker", "podman"] {
            let mut info = Command::new(name);
            info.arg("info").stdout(Stdio::null()).stderr(Stdio::null());
            if info.status().is_ok_and(|status| status.success()) {
                return Ok(Self::Docker(name));
            }
        }
        let mut buildah = Command::new("buildah");
        buildah
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if buildah.status().is_ok_and(|status| status.success()) {
            return Ok(Self::Buildah);
        }
        bail!("the containers' test needs docker or podman, running, or buildah")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Docker(name) => name,
            Self::Buildah => "buildah",
        }
    }

    fn build(self, target: &str) -> Result<()> {
        let mut make = Command::new("make");
        make.current_dir(root()).args(["-C", "docker", target]);
        make.arg(format!("DOCKER={}", self.name()));
        if matches!(self, Self::Buildah) {
            make.env("BUILDAH_ISOLATION", "chroot");
        }
        run(&mut make)
    }

    /// A program that runs the image in its own place.
    fn script(self, program: &str, image: &str) -> Result<String> {
        let settings: String = match self {
            Self::Docker(_) => SETTINGS.map(|name| format!(" --env {name}")).concat(),
            Self::Buildah => SETTINGS
                .map(|name| format!(" ${{{name}:+--env \"{name}=${name}\"}}"))
                .concat(),
        };
        Ok(match self {
            Self::Docker(engine) => format!(
                "#!/bin/sh\nexec {engine} run --rm --network host --label {LABEL}{settings} {image}\n"
            ),
            Self::Buildah => {
                let mut from = Command::new("buildah");
                let container = output(from.args(["from", "--pull-never", image]))?;
                format!(
                    "#!/bin/sh\nexec buildah run --isolation chroot{settings} {} -- {program}\n",
                    container.trim()
                )
            }
        })
    }

    /// Whatever a test that failed has left running.
    fn clear(self) {
        let command = match self {
            Self::Docker(engine) => {
                format!("{engine} ps -q --filter label={LABEL} | xargs -r {engine} rm -f")
            }
            Self::Buildah => {
                // What a killed `buildah run` leaves behind runs on by itself.
                "pkill -f '^buildah-chroot-exec /usr/local/bin/(backend|gateway)'; \
                 buildah containers -q --filter name=darkroom- | xargs -r buildah rm"
                    .to_owned()
            }
        };
        if let Err(error) = output(Command::new("sh").args(["-c", &command])) {
            println!("could not clear away the containers: {error:#}");
        }
    }
}

fn write_script(file: &PathBuf, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("could not write {}", file.display()))?;
    output(Command::new("chmod").arg("+x").arg(file)).map(drop)
}
