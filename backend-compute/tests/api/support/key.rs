//! Evaluation keys that are the keys of nothing: of the right form, of arbitrary content.

use darkroom_api::client::Access;
use darkroom_api::compute::{EvaluationKeyRef, SubmitJob};
use darkroom_api::header::{ObjectKind, ParameterSetId, seal};
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::storage::{GrantRequest, ObjectRef};
use darkroom_fhe::params::NETWORK;
use darkroom_fhe::wire::evaluation_key;

use super::{AN_HOUR_MS, Owner, payload, random};

pub const PARAMETERS: ParameterSetId = ParameterSetId(NETWORK.id);

/// Parts of an evaluation key.
pub fn parts() -> u16 {
    evaluation_key::parts(NETWORK.id).unwrap()
}

/// The payload of a part.
pub fn part(index: u16) -> Vec<u8> {
    let bytes = evaluation_key::part_payload_bytes(NETWORK.id, index).unwrap();
    let head = [1, index, parts(), 0]
        .into_iter()
        .flat_map(u16::to_le_bytes);
    let mut payload: Vec<u8> = head.chain(random::<32>()).collect();
    payload.resize(usize::try_from(bytes).unwrap(), 0x5a);
    payload
}

impl Owner {
    /// Stores a whole evaluation key.
    pub async fn evaluation_key(&self) -> EvaluationKeyRef {
        let mut ids = Vec::new();
        for index in 0..parts() {
            ids.push(self.put_part(PARAMETERS, self.key, &part(index)).await);
        }
        self.key_of(ids).await
    }

    /// Stores an object among the keys.
    pub async fn put_part(
        &self,
        parameters: ParameterSetId,
        key: KeyId,
        payload: &[u8],
    ) -> ObjectId {
        let (id, kind) = (ObjectId(random()), ObjectKind::EvaluationKey);
        let object = seal(kind, parameters, key, payload);
        let access = Access::Owner(&self.vault_token);
        let put = self.storage.put(self.vault, kind, id, access, object);
        put.await.unwrap();
        id
    }

    /// The evaluation key of these parts, with a grant for all of them.
    pub async fn key_of(&self, parts: Vec<ObjectId>) -> EvaluationKeyRef {
        let grant = self.grant_of_key(&parts, AN_HOUR_MS).await;
        EvaluationKeyRef {
            parameters: PARAMETERS,
            parts,
            grant,
        }
    }

    pub async fn grant_of_key(&self, parts: &[ObjectId], valid_ms: u64) -> String {
        let read = |&id| ObjectRef {
            kind: ObjectKind::EvaluationKey,
            id,
        };
        let request = GrantRequest {
            reads: parts.iter().map(read).collect(),
            writes: Vec::new(),
            valid_ms,
        };
        let grant = self.storage.grant(self.vault, &self.vault_token, &request);
        grant.await.unwrap().grant
    }

    /// A job of the network `net` for so many images, all the same one.
    pub async fn network_job(&self, key: &EvaluationKeyRef, images: usize) -> SubmitJob {
        let image = self.put(1, self.key, &payload(8, 8, 7)).await;
        SubmitJob {
            model: "net".parse().unwrap(),
            evaluation_key: Some(key.clone()),
            ..self.job(&vec![image; images]).await
        }
    }
}
