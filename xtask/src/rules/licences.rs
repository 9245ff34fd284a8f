//! Every crate that `Cargo.lock` brings has a licence that `deny.toml` allows: the part of `cargo deny`
//! that needs no tool and no network.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::graph::Graph;

/// Checks all packages but our own.
pub fn check(root: &Path, graph: &Graph) -> Result<()> {
    let text = std::fs::read_to_string(root.join("deny.toml")).context("deny.toml")?;
    let allowed = allowed(&text).context("deny.toml allows no licence")?;
    let foreign = graph.packages.values().filter(|it| it.source.is_some());
    let refused: Vec<String> = foreign
        .filter(|it| {
            let licence = it.licence.as_deref().unwrap_or_default();
            !permits(&allowed, licence) && !excepted(&text, &it.name, licence)
        })
        .map(|it| format!("{}: {}", it.name, it.licence.as_deref().unwrap_or("none")))
        .collect();
    if !refused.is_empty() {
        bail!("deny.toml does not allow:\n  {}", refused.join("\n  "));
    }
    Ok(())
}

/// The list of `[licenses]`.
fn allowed(deny: &str) -> Option<BTreeSet<&str>> {
    let (_, list) = deny.split_once("[licenses]")?.1.split_once("allow = [")?;
    let (list, _) = list.split_once(']')?;
    Some(list.split('"').skip(1).step_by(2).collect())
}

/// Whether the list of exceptions has this crate with this one licence.
fn excepted(deny: &str, name: &str, licence: &str) -> bool {
    let line = format!("{{ crate = \"{name}\", allow = [\"{licence}\"] }}");
    deny.contains(&line)
}

/// Whether an SPDX expression, or the older `A/B`, can be kept with these licences alone.
fn permits(allowed: &BTreeSet<&str>, expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ");
    let spaced = spaced.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let held = any(allowed, &mut words);
    held && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(allowed: &BTreeSet<&str>, words: &mut Words<'_>) -> bool {
    let mut held = all(allowed, words);
    while words.next_if_eq(&"OR").is_some() {
        // Read on in any case.
        let other = all(allowed, words);
        held |= other;
    }
    held
}

fn all(allowed: &BTreeSet<&str>, words: &mut Words<'_>) -> bool {
    let mut held = one(allowed, words);
    while words.next_if_eq(&"AND").is_some() {
        let other = one(allowed, words);
        held &= other;
    }
    held
}

fn one(allowed: &BTreeSet<&str>, words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => {
            let held = any(allowed, words);
            words.next() == Some(")") && held
        }
        Some(name) => match words.next_if_eq(&"WITH") {
            Some(_) => {
                let exception = words.next().unwrap_or_default();
                allowed.contains(format!("{name} WITH {exception}").as_str())
            }
            None => allowed.contains(name),
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        let list = "[licenses]\nallow = [\n \"MIT\",\n \"ISC\",\n \"Apache-2.0 WITH LLVM-exception\",\n]\n";
        let allowed = allowed(list).unwrap();
        assert_eq!(allowed.len(), 3);
        for held in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "MIT AND ISC",
            "GPL-3.0 AND ISC OR MIT",
            "(GPL-3.0 OR MIT) AND (ISC OR GPL-3.0)",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
        ] {
            assert!(permits(&allowed, held), "{held}");
        }
        for refused in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0 OR Apache-2.0)",
            "Apache-2.0 WITH Classpath-exception",
            "(MIT",
            "MIT MIT",
        ] {
            assert!(!permits(&allowed, refused), "{refused}");
        }
    }
}
