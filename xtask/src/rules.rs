//! Who may use what, checked on what cargo says, over all features and targets; and what the documents
//! say of the code.

mod claims;
mod graph;
mod licences;

use anyhow::{Result, bail};

use self::graph::{Declared, Graph, Package};

/// `package` must not come to use any of `banned`, through whatever is between.
struct Apart {
    package: &'static str,
    banned: &'static [&'static str],
    /// Whether its own tests must keep away from them as well.
    in_tests: bool,
    why: &'static str,
}

const IO: &[&str] = &[
    "darkroom-api",
    "tokio",
    "actix-web",
    "reqwest",
    "object_store",
    "sqlx",
    "web-sys",
    "gloo-net",
];

const APART: &[Apart] = &[
    Apart {
        package: "backend-storage",
        banned: &["darkroom-fhe", "tfhe"],
        in_tests: true,
        why: "to storage a ciphertext is bytes with a header",
    },
    Apart {
        package: "gateway",
        banned: &["darkroom-fhe", "tfhe"],
        in_tests: true,
        why: "the gateway passes on what it does not understand",
    },
    Apart {
        package: "darkroom-fhe",
        banned: IO,
        in_tests: false,
        why: "the FHE core knows no I/O and no contract",
    },
    Apart {
        package: "darkroom-api",
        banned: &["darkroom-fhe", "tfhe"],
        in_tests: true,
        why: "the contract knows no cryptography",
    },
];

/// The packages that may hold a client key.
const KEY_HOLDERS: &[&str] = &["frontend", "darkroom-cli", "e2e"];

/// The feature of the FHE core with the client key in it.
const KEY_FEATURE: &str = "client";

/// Nothing is built on these.
const LEAVES: &[&str] = &[
    "frontend",
    "darkroom-cli",
    "e2e",
    "fuzzed",
    "xtask",
    "gateway",
    "backend-storage",
    "backend-compute",
];

/// Checks the workspace.
pub fn check() -> Result<()> {
    let graph = Graph::of(&crate::root())?;
    let broken = graph.violations();
    if !broken.is_empty() {
        bail!(
            "the dependency rules are broken:\n  {}",
            broken.join("\n  ")
        );
    }
    println!(
        "the dependency rules hold for {} packages",
        graph.packages.len()
    );
    licences::check(&crate::root(), &graph)?;
    claims::check(&crate::root())
}

impl Graph {
    fn violations(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (id, package) in &self.packages {
            broken.extend(self.foreign_source(id, package));
            if self.members.contains(id) {
                broken.extend(self.too_close(id, package));
                broken.extend(built_on_leaf(package));
                broken.extend(key_taken(package));
            }
        }
        broken
    }

    fn foreign_source(&self, id: &str, package: &Package) -> Option<String> {
        let name = &package.name;
        match &package.source {
            None if self.members.contains(id) => None,
            None => Some(format!("{name} comes from a folder outside the workspace")),
            Some(source) if source.starts_with("registry+") || source.starts_with("sparse+") => {
                None
            }
            Some(source) => Some(format!("{name} comes from {source}, not from crates.io")),
        }
    }

    fn too_close(&self, id: &str, package: &Package) -> Vec<String> {
        let mut broken = Vec::new();
        for rule in APART.iter().filter(|rule| rule.package == package.name) {
            for (reached, way) in self.reached_from(id, rule.in_tests) {
                if rule.banned.contains(&reached) {
                    broken.push(format!("{way}: {}", rule.why));
                }
            }
        }
        broken
    }
}

fn built_on_leaf(package: &Package) -> Vec<String> {
    // Tests of the whole path may hold the services that they test, and so may what is fuzzed.
    let testers = ["e2e", "fuzzed"];
    let tests = |line: &Declared| line.for_tests || testers.contains(&package.name.as_str());
    let lines = package.declared.iter().filter(|line| !tests(line));
    let leaves = lines.filter(|line| LEAVES.contains(&line.name.as_str()));
    leaves
        .map(|line| format!("{} is built on {}", package.name, line.name))
        .collect()
}

/// Whoever turns the key feature on outside its tests, or lets others turn it on, must be a holder.
fn key_taken(package: &Package) -> Vec<String> {
    let name = &package.name;
    if name == "darkroom-fhe" {
        let default = package
            .features
            .get("default")
            .map_or(&[][..], Vec::as_slice);
        let open = default.iter().any(|feature| feature == KEY_FEATURE);
        let message = format!("{name} turns its feature {KEY_FEATURE} on by default");
        return open.then_some(message).into_iter().collect();
    }
    if KEY_HOLDERS.contains(&name.as_str()) {
        return Vec::new();
    }
    let takes = |line: &&Declared| {
        line.name == "darkroom-fhe"
            && !line.for_tests
            && line.features.iter().any(|feature| feature == KEY_FEATURE)
    };
    let forwards = [
        format!("darkroom-fhe/{KEY_FEATURE}"),
        format!("darkroom-fhe?/{KEY_FEATURE}"),
    ];
    let mut forwarded = package.features.values().flatten();
    let taken = package.declared.iter().any(|line| takes(&line))
        || forwarded.any(|feature| forwards.contains(feature));
    let message = format!("{name} takes the client key (darkroom-fhe, feature {KEY_FEATURE})");
    taken.then_some(message).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small workspace with names like ours, read by the real cargo.
    struct Workspace(tempfile::TempDir);

    impl Workspace {
        fn new() -> Self {
            let workspace = Self(tempfile::tempdir().unwrap());
            let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"members/*\"]\n";
            std::fs::write(workspace.0.path().join("Cargo.toml"), manifest).unwrap();
            workspace.member("tfhe", "");
            workspace.member(
                "darkroom-fhe",
                "[features]\nclient = []\n[dependencies]\ntfhe = { path = \"../tfhe\" }\n",
            );
            workspace.member("darkroom-api", "");
            workspace.member(
                "backend-storage",
                "[dependencies]\ndarkroom-api = { path = \"../darkroom-api\" }\n",
            );
            workspace.member("backend-compute", "[dependencies]\ndarkroom-fhe = { path = \"../darkroom-fhe\" }\n[dev-dependencies]\ndarkroom-fhe = { path = \"../darkroom-fhe\", features = [\"client\"] }\n");
            workspace.member("darkroom-cli", "[dependencies]\ndarkroom-fhe = { path = \"../darkroom-fhe\", features = [\"client\"] }\n");
            workspace
        }

        fn member(&self, name: &str, more: &str) {
            let folder = self.0.path().join("members").join(name);
            std::fs::create_dir_all(folder.join("src")).unwrap();
            std::fs::write(folder.join("src/lib.rs"), "").unwrap();
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}"
            );
            std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        }

        fn broken(&self) -> Vec<String> {
            Graph::of(self.0.path()).unwrap().violations()
        }
    }

    #[track_caller]
    fn assert_found(workspace: &Workspace, expected: &str) {
        let broken = workspace.broken();
        assert!(
            broken.iter().any(|line| line.contains(expected)),
            "{expected}: {broken:?}"
        );
    }

    #[test]
    fn a_workspace_that_keeps_the_rules_passes() {
        assert_eq!(Workspace::new().broken(), Vec::<String>::new());
    }

    #[test]
    fn storage_that_reaches_the_fhe_library_is_found_whatever_is_between() {
        let workspace = Workspace::new();
        workspace.member("middle", "[features]\nextra = [\"dep:tfhe\"]\n[dependencies]\ntfhe = { path = \"../tfhe\", optional = true }\n");
        workspace.member(
            "backend-storage",
            "[dependencies]\nmiddle = { path = \"../middle\" }\n",
        );
        assert_found(&workspace, "backend-storage -> middle -> tfhe");
        workspace.member(
            "backend-storage",
            "[dev-dependencies]\ndarkroom-fhe = { path = \"../darkroom-fhe\" }\n",
        );
        assert_found(&workspace, "backend-storage -> darkroom-fhe");
        workspace.member(
            "backend-storage",
            "[target.'cfg(windows)'.dependencies]\ntfhe = { path = \"../tfhe\" }\n",
        );
        assert_found(&workspace, "backend-storage -> tfhe");
    }

    #[test]
    fn the_core_and_the_contract_stay_apart() {
        let workspace = Workspace::new();
        workspace.member("darkroom-fhe", "[features]\nclient = []\n[dependencies]\ndarkroom-api = { path = \"../darkroom-api\" }\n");
        assert_found(&workspace, "darkroom-fhe -> darkroom-api");
        let workspace = Workspace::new();
        workspace.member(
            "darkroom-api",
            "[build-dependencies]\ntfhe = { path = \"../tfhe\" }\n",
        );
        assert_found(&workspace, "darkroom-api -> tfhe");
    }

    #[test]
    fn a_service_that_takes_the_client_key_is_found() {
        let workspace = Workspace::new();
        workspace.member("backend-compute", "[dependencies]\ndarkroom-fhe = { path = \"../darkroom-fhe\", features = [\"client\"] }\n");
        assert_found(&workspace, "backend-compute takes the client key");
        workspace.member("backend-compute", "[features]\nsly = [\"darkroom-fhe/client\"]\n[dependencies]\ndarkroom-fhe = { path = \"../darkroom-fhe\" }\n");
        assert_found(&workspace, "backend-compute takes the client key");
        workspace.member(
            "backend-compute",
            "[dependencies]\ndarkroom-cli = { path = \"../darkroom-cli\" }\n",
        );
        assert_found(&workspace, "backend-compute is built on darkroom-cli");
        let workspace = Workspace::new();
        workspace.member(
            "darkroom-fhe",
            "[features]\ndefault = [\"client\"]\nclient = []\n",
        );
        assert_found(
            &workspace,
            "darkroom-fhe turns its feature client on by default",
        );
    }

    #[test]
    fn what_is_not_from_the_registry_is_found() {
        let workspace = Workspace::new();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(outside.path().join("src")).unwrap();
        std::fs::write(outside.path().join("src/lib.rs"), "").unwrap();
        let manifest =
            "[package]\nname = \"stray\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
        std::fs::write(outside.path().join("Cargo.toml"), manifest).unwrap();
        let line = format!(
            "[dependencies]\nstray = {{ path = {:?} }}\n",
            outside.path()
        );
        workspace.member("darkroom-api", &line);
        assert_found(
            &workspace,
            "stray comes from a folder outside the workspace",
        );

        let mut graph = Graph::of(Workspace::new().0.path()).unwrap();
        let api = graph
            .packages
            .values_mut()
            .find(|package| package.name == "darkroom-api");
        api.unwrap().source = Some("git+https://localhost/api#1".to_owned());
        let broken = graph.violations();
        assert_eq!(
            broken,
            ["darkroom-api comes from git+https://localhost/api#1, not from crates.io"]
        );
    }
}
