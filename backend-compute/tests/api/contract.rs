//! Both services, asked by schemathesis what their descriptions allow and much that they do not: no
//! answer may be one that the description does not name. Needs Python and, the first time, the network:
//! without them it is skipped.

#[path = "../../../crates/qkd/tests/qkdsimkit/python.rs"]
mod python;

use std::fs;
use std::path::Path;

use darkroom_api::access::{Scope, TokenRequest};
use darkroom_api::compute::ItemRef;
use darkroom_api::header::{ObjectKind, ParameterSetId, seal};
use darkroom_api::ids::ObjectId;
use darkroom_api::token::Token;
use serde_json::{Value, json};
use tokio::process::Command;

use super::support::{AN_HOUR_MS, Compute, Owner, World, payload, random};

const PYTHONS: [&str; 3] = ["python3.11", "python3.12", "python3"];
const REQUIREMENTS: &str = include_str!("contract/requirements.txt");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/contract");
/// Cases for each route in each phase. A longer run by hand: `DARKROOM_CONTRACT_CASES=300`.
const CASES: &str = "8";

/// A description, and what schemathesis is told of the service behind it.
struct Subject {
    name: &'static str,
    base: String,
    description: String,
    /// Values of parameters that name something that is there.
    known: Value,
    /// What it comes with in `Authorization`.
    credentials: Option<String>,
    /// Only these routes; all but `left_out` if empty.
    only: &'static [&'static str],
    left_out: &'static [&'static str],
}

#[tokio::test(flavor = "multi_thread")]
async fn both_services_answer_as_they_say() {
    let tools = match python::install("schemathesis", &PYTHONS, REQUIREMENTS) {
        Ok(tools) => tools,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let world = World::new().await;
    let compute = world.compute().await;
    let (owner, spare) = (world.owner().await, world.owner().await);
    let (storage_knows, grant) = stored(&owner).await;
    let storage = |name, credentials, known: &Value| Subject {
        name,
        base: format!("http://{}", world.storage.address),
        description: backend_storage::openapi().unwrap(),
        known: known.clone(),
        credentials,
        only: &[],
        left_out: &[],
    };
    let working = |name, credentials, known| Subject {
        base: compute.base.clone(),
        description: backend_compute::openapi().unwrap(),
        ..storage(name, credentials, &known)
    };
    let ending = &["delete_vault", "rotate_token"];
    let by = |token: &Token| Some(token.authorization());
    let owners = [
        Subject {
            only: &["read_object", "store_object"],
            ..storage("storage-granted", Some(grant), &storage_knows)
        },
        Subject {
            // They would end the vault that all others are about: see the spare one.
            left_out: ending,
            ..storage("storage", by(&owner.vault_token), &storage_knows)
        },
        Subject {
            only: &[
                "open_vault",
                "describe_vault",
                "delete_vault",
                "rotate_token",
            ],
            ..storage(
                "storage-ending",
                by(&spare.vault_token),
                &json!({"path.vault": [spare.vault.to_string()]}),
            )
        },
        working(
            "compute",
            by(&owner.compute_token),
            submitted(&owner, &compute).await,
        ),
    ];
    let strangers = [
        storage("storage-stranger", None, &storage_knows),
        working("compute-stranger", None, submitted(&owner, &compute).await),
    ];
    let folder = world.folder.path();
    for subject in &owners {
        subject.ask(&tools, folder).await;
    }
    let before = images(&owner).await;
    for subject in &strangers {
        subject.ask(&tools, folder).await;
    }
    assert_eq!(images(&owner).await, before);
}

async fn images(owner: &Owner) -> usize {
    let kind = ObjectKind::Image;
    let listed = owner.storage.list(owner.vault, kind, &owner.vault_token);
    listed.await.unwrap().len()
}

/// Fills the vault. What is there, and a grant for some of it.
async fn stored(owner: &Owner) -> (Value, String) {
    let mut objects = Vec::new();
    for _ in 0..3 {
        objects.push(owner.image().await);
    }
    let key = ObjectId(random());
    let part = seal(
        ObjectKind::EvaluationKey,
        ParameterSetId(2),
        owner.key,
        b"a part",
    );
    let access = darkroom_api::client::Access::Owner(&owner.vault_token);
    let kind = ObjectKind::EvaluationKey;
    let put = owner.storage.put(owner.vault, kind, key, access, part);
    put.await.unwrap();
    objects.push(key);
    let mut tokens = Vec::new();
    for scope in [Scope::Read, Scope::Submit, Scope::Read] {
        let wanted = TokenRequest {
            token_sha256: Token::new(random()).hash(),
            label: "a colleague".to_owned(),
            scope,
            not_after_ms: None,
        };
        let made = owner
            .storage
            .make_token(owner.vault, &owner.vault_token, &wanted);
        tokens.push(made.await.unwrap().id.to_string());
    }
    let result = ObjectId(random());
    let item = ItemRef {
        image: objects[0],
        result,
    };
    let grant = owner.grant(&[item], AN_HOUR_MS).await;
    objects.push(result);
    let objects: Vec<_> = objects.iter().map(ToString::to_string).collect();
    let known = json!({
        "path.vault": [owner.vault.to_string()],
        "path.object": objects,
        "path.token": tokens,
    });
    (known, format!("Grant {grant}"))
}

/// Has some jobs done. What is there, and the body of a good request.
async fn submitted(owner: &Owner, compute: &Compute) -> Value {
    let image = owner.image().await;
    let job = owner.job(&[image]).await;
    let done = owner.submit(&compute.client, &job).await;
    owner.end_of(&compute.client, done).await;
    json!({
        "path.job": [done.to_string()],
        "path.model": ["linear"],
        "job": job,
    })
}

impl Subject {
    async fn ask(&self, tools: &Path, folder: &Path) {
        let file = |what: &str| folder.join(format!("{}.{what}", self.name));
        let description = file("openapi.json");
        fs::write(&description, &self.description).unwrap();
        let valid = Command::new(tools.join("bin/openapi-spec-validator"))
            .arg(&description)
            .output();
        let valid = valid.await.unwrap();
        let said = String::from_utf8_lossy(&valid.stdout);
        assert!(valid.status.success(), "{}: {said}", self.name);

        let settings = file("toml");
        fs::write(&settings, self.settings()).unwrap();
        let cases = std::env::var("DARKROOM_CONTRACT_CASES");
        let image = seal(
            ObjectKind::Image,
            ParameterSetId(1),
            darkroom_api::ids::KeyId([1; 16]),
            &payload(2, 2, 7),
        );
        let known = json!({
            "vault": self.known["path.vault"][0],
            "image": hex::encode(image),
            "job": self.known["job"],
        });
        let asked = Command::new(tools.join("bin/schemathesis"))
            .arg("--config-file")
            .arg(&settings)
            .arg("run")
            .arg(&description)
            .args(["--url", &self.base, "--seed", "5"])
            .args(["--max-examples", cases.as_deref().unwrap_or(CASES)])
            .env("PYTHONPATH", HERE)
            .env("DARKROOM_KNOWN", known.to_string())
            .current_dir(folder)
            .kill_on_drop(true)
            .output();
        let asked = asked.await.unwrap();
        let said = String::from_utf8_lossy(&asked.stdout);
        let problems = String::from_utf8_lossy(&asked.stderr);
        println!("{}:\n{said}", self.name);
        assert!(asked.status.success(), "{}: {problems}", self.name);
    }

    /// What schemathesis reads: TOML, in which JSON's strings and lists are the same.
    fn settings(&self) -> String {
        let mut text = include_str!("contract/schemathesis.toml").to_owned();
        let (mut dictionaries, mut parameters) = (String::new(), String::new());
        for (name, values) in self.known.as_object().into_iter().flatten() {
            if !name.starts_with("path.") {
                continue;
            }
            dictionaries += &format!("{name:?} = {{ values = {values} }}\n");
            parameters += &format!("{name:?} = {{ dictionary = {name:?}, probability = 0.8 }}\n");
        }
        text += &format!("\n[dictionaries]\n{dictionaries}\n[parameters]\n{parameters}");
        if let Some(credentials) = &self.credentials {
            text += &format!("\n[headers]\nAuthorization = {credentials:?}\n");
        }
        for id in self.left_out {
            text += &format!("\n[[operations]]\ninclude-operation-id = {id:?}\nenabled = false\n");
        }
        if !self.only.is_empty() {
            let only = json!(self.only);
            text += &format!("\n[[operations]]\nexclude-operation-id = {only}\nenabled = false\n");
        }
        text
    }
}
