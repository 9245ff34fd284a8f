//! `darkroom analyse` with a network: the evaluation key is sent once, and only what is missing of it.

use std::collections::BTreeMap;
use std::path::Path;

use darkroom_api::header::{self, HEADER_BYTES, ObjectKind, ParameterSetId};
use darkroom_api::ids::ObjectId;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::wire::evaluation_key::{part_id, part_payload_bytes, parts};
use e2e::networks::npy;
use e2e::owner::{Owner, pattern};
use e2e::services::{Darkroom, Plan};
use serde_json::Value;

use crate::command_line::{said, said_and_told, save};
use crate::zoo;

const SET: u32 = 2;
const KIND: ObjectKind = ObjectKind::EvaluationKey;

/// A key on disk, its owner's view of storage, pictures, and what to run.
struct Desk {
    services: Darkroom,
    owner: Owner,
    models: tempfile::TempDir,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let models = zoo::small();
        write_network(&models.path().join("halves"));
        let plan = Plan {
            models: Some(models.path()),
            ..Plan::default()
        };
        let services = Darkroom::start_as(plan).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key").display().to_string();
        said(&["keygen", "--key", &key]);
        let line = std::fs::read_to_string(&key).unwrap();
        let digits = line.trim().rsplit(' ').next().unwrap();
        let master: Vec<u8> = hex::decode(digits).unwrap();
        let key = ClientKey::from_master(master.try_into().unwrap());
        let owner = Owner::with_key(&services, key).await.unwrap();
        Self {
            services,
            owner,
            models,
            folder,
        }
    }

    /// Analyses two pictures: the answers, and what was told beside them.
    fn analyse(&self, more: &[&str]) -> (Vec<Value>, String) {
        let server = self.services.gateway.url();
        let key = self.folder.path().join("key").display().to_string();
        let pictures = [3, 8].map(|seed| save(self.folder.path(), &format!("{seed}.png"), seed));
        let mut arguments = vec!["analyse", "--server", &server, "--key", &key];
        arguments.extend(["--model", "halves", "--json"]);
        arguments.extend(pictures.iter().map(String::as_str));
        arguments.extend(more);
        let (said, told) = said_and_told(&arguments);
        let lines = said.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<Value> = lines.collect();
        assert_eq!(lines.len(), 2, "{told}");
        for (seed, line) in [3, 8].into_iter().zip(&lines) {
            let network = self.models.path().join("halves");
            let twin = zoo::twin(&network, &pattern(seed, 8, 8).unwrap());
            for (class, score) in twin.scores.iter().enumerate() {
                let found = line["scores"][class].as_f64().unwrap();
                assert!((found - score).abs() < 1.0, "{line}: {score}");
            }
        }
        (lines, told)
    }

    /// The parts in storage, with the digest of each.
    async fn stored(&self) -> BTreeMap<ObjectId, String> {
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let listed = self.owner.storage.list(vault, KIND, token).await.unwrap();
        listed
            .into_iter()
            .map(|part| (part.id, part.sha256))
            .collect()
    }

    fn id(&self, index: u16) -> ObjectId {
        ObjectId(part_id(&self.owner.key.key_id(), SET, index))
    }

    async fn delete(&self, index: u16) {
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let deleted = self
            .owner
            .storage
            .delete(vault, KIND, self.id(index), token);
        deleted.await.unwrap();
    }

    /// Puts an object of so many bytes where a part should be.
    async fn squat(&self, index: u16, set: u32, bytes: usize) {
        use darkroom_api::client::Access;
        let key = self.owner.key_id();
        let object = header::seal(KIND, ParameterSetId(set), key, &vec![0; bytes]);
        let (vault, access) = (self.owner.vault, Access::Owner(&self.owner.vault_token));
        let id = self.id(index);
        let stored = self.owner.storage.put(vault, KIND, id, access, object);
        stored.await.unwrap();
    }
}

/// Two units and three classes: whether the left or the upper half is brighter.
fn write_network(folder: &Path) {
    let form = "title = \"Halves\"\npurpose = \"Tells which half is brighter.\"\n\
        classes = [\"left\", \"upper\", \"neither\"]\n\
        [input]\nwidth = 8\nheight = 8\nscale = 255\n\
        [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\n\
        [[layers]]\nkind = \"lookup\"\ncoefficients = \"c.npy\"\n";
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("model.toml"), form).unwrap();
    let side = |before: bool| if before { 0.05 } else { -0.05 };
    let pixels = (0..64).flat_map(|i| [side(i % 8 < 4), side(i / 8 < 4)]);
    let weights: Vec<f64> = pixels.collect();
    let left = [[4.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
    let upper = [[-1.0, 4.0, 0.0], [0.0, 0.0, 1.0]];
    let coefficients = [left, upper].concat().concat();
    std::fs::write(folder.join("w.npy"), npy("(64, 2)", &weights)).unwrap();
    std::fs::write(folder.join("c.npy"), npy("(2, 2, 3)", &coefficients)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_key_is_sent_once_and_taken_up_where_it_broke() {
    let desk = Desk::new().await;
    let all = parts(SET).unwrap();
    let server = desk.services.gateway.url();
    let models = said(&["models", "--server", &server]);
    assert!(
        models.contains("2 bootstraps; an evaluation key of "),
        "{models}"
    );
    assert!(models.contains("needs no evaluation key"), "{models}");

    let (_, told) = desk.analyse(&[]);
    let words = format!(" MB in {all} parts of {all}");
    assert!(told.contains(&words), "{told}");
    let first = desk.stored().await;
    assert_eq!(first.len(), usize::from(all));
    assert!((0..all).all(|index| first.contains_key(&desk.id(index))));

    let (_, told) = desk.analyse(&["--forget"]);
    assert!(!told.contains("sending the evaluation key"), "{told}");
    assert_eq!(desk.stored().await, first, "kept, also with --forget");

    // Two are gone, two others are no parts of this key.
    for index in [0, 7, 9, all - 1] {
        desk.delete(index).await;
    }
    let bytes = usize::try_from(part_payload_bytes(SET, 9).unwrap()).unwrap();
    desk.squat(9, SET, bytes - HEADER_BYTES).await;
    desk.squat(7, SET + 1, bytes).await;
    let (_, told) = desk.analyse(&[]);
    assert!(told.contains(&format!(" in 4 parts of {all}")), "{told}");
    let second = desk.stored().await;
    assert_eq!(second.len(), usize::from(all));
    let again = [0, 7, 9, all - 1].map(|index| desk.id(index));
    for (id, digest) in &first {
        assert_eq!(second[id] != *digest, again.contains(id), "{id}");
    }
}
