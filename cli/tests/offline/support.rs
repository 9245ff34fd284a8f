//! A folder of its own for each test, and the binary in it.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The models that are shipped.
pub const MODELS: [&str; 2] = ["chest-view", "scan-type"];
/// The pictures that are shipped.
pub const SAMPLES: [&str; 3] = ["chest-frontal", "chest-lateral", "hand"];

/// A folder that goes when the test ends.
pub struct Desk(TempDir);

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// With a key in `key`.
    pub fn with_key() -> Self {
        let desk = Self::new();
        desk.ok(&["keygen", "--key", "key"]);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs `darkroom` here; `stdin` is what it can read.
    pub fn run_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_darkroom"))
            .args(args)
            .current_dir(self.0.path())
            .env_remove("DARKROOM_SERVER")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that refuses early reads nothing.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs what has to succeed.
    pub fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran
    }

    /// Runs what has to fail, with these words in its message, and leave no output file.
    pub fn refused(&self, args: &[&str], words: &str) {
        let ran = self.run(args);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (1, ""),
            "{args:?}: {ran:?}"
        );
        assert!(ran.stderr.starts_with("darkroom: "), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(words), "{args:?}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        if let Some(at) = args.iter().position(|arg| *arg == "-o") {
            assert!(!self.path(args[at + 1]).exists(), "{args:?} left a file");
        }
    }

    /// Encrypts a sample for a model, as `ct`.
    pub fn encrypted(&self, model: &str, sample: &str) {
        let image = sample_path(sample);
        self.ok(&[
            "encrypt",
            "--key",
            "key",
            "--model",
            &folder(model),
            &image,
            "-o",
            "ct",
        ]);
    }
}

impl Ran {
    /// The JSON object on each line.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The folder of a shipped model.
pub fn folder(model: &str) -> String {
    root().join("models").join(model).display().to_string()
}

/// A shipped picture.
pub fn sample_path(sample: &str) -> String {
    let name = format!("{sample}.png");
    root()
        .join("frontend/samples")
        .join(name)
        .display()
        .to_string()
}

/// As `np.save` writes it.
pub fn npy(dtype: &str, shape: &str, data: Vec<u8>) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut npy = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    npy.extend_from_slice(format!("{header:<117}\n").as_bytes());
    npy.extend(data);
    npy
}

/// As `np.savez` writes it.
pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, npy) in arrays {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(npy).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
