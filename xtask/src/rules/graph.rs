//! Who uses what, as cargo says, over all features and targets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{cargo, output};

pub struct Graph {
    pub packages: BTreeMap<String, Package>,
    pub members: BTreeSet<String>,
}

pub struct Package {
    pub name: String,
    pub source: Option<String>,
    pub licence: Option<String>,
    pub features: BTreeMap<String, Vec<String>>,
    pub declared: Vec<Declared>,
    /// The ids that it uses, and whether in more than its own tests.
    pub uses: Vec<(String, bool)>,
}

/// A line of `[dependencies]` and the like.
pub struct Declared {
    pub name: String,
    pub features: Vec<String>,
    pub for_tests: bool,
}

impl Graph {
    /// What cargo says of the workspace in a folder.
    pub fn of(workspace: &Path) -> Result<Self> {
        let mut metadata = cargo(["metadata", "--format-version", "1", "--all-features"]);
        metadata.current_dir(workspace);
        let text = output(&mut metadata)?;
        Self::read(&serde_json::from_str(&text)?).context("cargo metadata in an unknown form")
    }

    fn read(metadata: &Value) -> Option<Self> {
        let mut uses: BTreeMap<&str, Vec<(String, bool)>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array()? {
            let deps = node["deps"].as_array()?;
            let edges = deps.iter().map(|dep| {
                let kinds = dep["dep_kinds"].as_array()?;
                let beyond_tests = kinds.iter().any(|kind| kind["kind"] != "dev");
                Some((dep["pkg"].as_str()?.to_owned(), beyond_tests))
            });
            uses.insert(node["id"].as_str()?, edges.collect::<Option<_>>()?);
        }
        let mut packages = BTreeMap::new();
        for package in metadata["packages"].as_array()? {
            let id = package["id"].as_str()?;
            let declared = package["dependencies"]
                .as_array()?
                .iter()
                .map(Declared::read);
            let read = Package {
                name: package["name"].as_str()?.to_owned(),
                source: package["source"].as_str().map(str::to_owned),
                licence: package["license"].as_str().map(str::to_owned),
                features: serde_json::from_value(package["features"].clone()).ok()?,
                declared: declared.collect::<Option<_>>()?,
                uses: uses.remove(id).unwrap_or_default(),
            };
            packages.insert(id.to_owned(), read);
        }
        let members = strings(&metadata["workspace_members"])?
            .into_iter()
            .collect();
        Some(Self { packages, members })
    }

    /// All that a package comes to use, its own tests included or not, and the way there.
    pub fn reached_from(&self, start: &str, in_tests: bool) -> Vec<(&str, String)> {
        let mut seen = BTreeSet::from([start]);
        let mut found = Vec::new();
        let mut open = vec![(start, self.name(start).to_owned())];
        while let Some((id, way)) = open.pop() {
            let Some(package) = self.packages.get(id) else {
                continue;
            };
            for (next, beyond_tests) in &package.uses {
                if (*beyond_tests || (in_tests && id == start)) && seen.insert(next) {
                    let name = self.name(next);
                    let way = format!("{way} -> {name}");
                    found.push((name, way.clone()));
                    open.push((next, way));
                }
            }
        }
        found
    }

    pub fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.packages.get(id).map_or(id, |package| &package.name)
    }
}

impl Declared {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            name: value["name"].as_str()?.to_owned(),
            features: strings(&value["features"])?,
            for_tests: value["kind"] == "dev",
        })
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}
