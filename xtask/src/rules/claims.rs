//! The tests that `docs/SECURITY.md` names are there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where a file without a folder is looked for: the tests of the two services that keep owners apart.
const SERVICES: [&str; 2] = ["backend-storage/tests/api", "backend-compute/tests/api"];

/// Checks every file and test that the document names.
pub fn check(root: &Path) -> Result<()> {
    let file = root.join("docs/SECURITY.md");
    let text = std::fs::read_to_string(&file).context("docs/SECURITY.md")?;
    let missing: Vec<String> = named(&text)
        .filter_map(|name| missing(root, name).err())
        .collect();
    if !missing.is_empty() {
        bail!(
            "docs/SECURITY.md names what is not there:\n  {}",
            missing.join("\n  ")
        );
    }
    println!("{} tests hold docs/SECURITY.md", named(&text).count());
    Ok(())
}

/// What stands in backticks and names Rust code: `file.rs` or `file.rs::test`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let (file, _) = name.split_once("::").unwrap_or((name, ""));
        file.ends_with(".rs")
    })
}

fn missing(root: &Path, name: &str) -> Result<(), String> {
    let (file, test) = name.split_once("::").unwrap_or((name, ""));
    let places: Vec<PathBuf> = match file.contains('/') {
        true => vec![root.join(file)],
        false => SERVICES.map(|folder| root.join(folder).join(file)).into(),
    };
    let mut texts = places
        .iter()
        .filter_map(|place| std::fs::read_to_string(place).ok())
        .peekable();
    if texts.peek().is_none() {
        return Err(format!("the file {file}"));
    }
    let wanted = format!("fn {test}(");
    match test.is_empty() || texts.any(|text| text.contains(&wanted)) {
        true => Ok(()),
        false => Err(format!("the test {test} in {file}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_found() {
        let root = crate::root();
        check(&root).unwrap();
        for (there, gone) in [
            ("xtask/src/rules.rs", "xtask/src/rulez.rs"),
            ("strangers.rs", "relatives.rs"),
            (
                "backend-storage/tests/api/grants.rs::a_grant_ends",
                "backend-storage/tests/api/grants.rs::a_grant_end",
            ),
        ] {
            let text = format!("It holds (`{there}`), and this does not (`{gone}`): `Scope::all`.");
            let names: Vec<&str> = named(&text).collect();
            assert_eq!(names, [there, gone]);
            assert_eq!(missing(&root, there), Ok(()));
            missing(&root, gone).unwrap_err();
        }
    }
}
