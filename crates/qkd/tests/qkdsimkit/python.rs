//! Programs of the Python Package Index, each in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An environment with what these requirements name, made by the first of these Pythons that is there,
/// or why there is none. Made once.
pub fn install(name: &str, pythons: &[&str], requirements: &str) -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let done = place.join("installed.txt");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == requirements) {
        return Ok(place);
    }
    let made = pythons.iter().any(|python| {
        let mut command = Command::new(python);
        command.args(["-m", "venv", "--clear"]).arg(&place);
        run(&mut command).is_ok()
    });
    if !made {
        return Err(format!("there is none of {}", pythons.join(", ")));
    }
    let wanted = place.join("requirements.txt");
    fs::write(&wanted, requirements).unwrap();
    let mut command = Command::new(place.join("bin/python"));
    command.args(["-m", "pip", "install", "--quiet", "--retries", "1", "-r"]);
    run(command.arg(wanted))
        .map_err(|error| format!("the packages cannot be installed: {error}"))?;
    fs::write(done, requirements).unwrap();
    Ok(place)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(()),
        false => Err(said.lines().last().unwrap_or("no word of why").to_owned()),
    }
}
