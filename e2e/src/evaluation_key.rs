//! Evaluation keys of owners without a browser.

use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, anyhow};
use darkroom_api::client::{Access, ClientError};
use darkroom_api::compute::{EvaluationKeyRef, Job, SubmitJob};
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::storage::{GrantRequest, ObjectRef};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::params::NETWORK;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::evaluation_key;

use crate::owner::{GRANT_MS, Owner};

impl Owner {
    /// Stores the parts of an evaluation key.
    ///
    /// # Errors
    /// Storage's.
    pub async fn send_key(&self, parts: &[Vec<u8>]) -> Result<(), ClientError> {
        for (id, payload) in key_ids(&self.key).into_iter().zip(parts) {
            self.put_key_part(id, self.key_id(), payload).await?;
        }
        Ok(())
    }

    /// Stores a part of an evaluation key, under this id and for this key.
    ///
    /// # Errors
    /// Storage's.
    pub async fn put_key_part(
        &self,
        id: ObjectId,
        key: KeyId,
        payload: &[u8],
    ) -> Result<(), ClientError> {
        let kind = ObjectKind::EvaluationKey;
        let object = header::seal(kind, ParameterSetId(NETWORK.id), key, payload);
        let access = Access::Owner(&self.vault_token);
        let put = self.storage.put(self.vault, kind, id, access, object);
        put.await.map(drop)
    }

    /// The evaluation key as a job names it.
    ///
    /// # Errors
    /// Storage's.
    pub async fn key_ref(&self) -> Result<EvaluationKeyRef, ClientError> {
        let request = key_request(&self.key);
        let grant = self.storage.grant(self.vault, &self.vault_token, &request);
        Ok(key_ref(&self.key, grant.await?.grant))
    }

    /// Has images analysed by a network.
    ///
    /// # Errors
    /// Storage's and compute's.
    pub async fn submit_to_network(&mut self, model: &str, images: &[ObjectId]) -> Result<Job> {
        let items = self.items(images);
        let grant = self.grant(&items, GRANT_MS).await?;
        let job = SubmitJob {
            evaluation_key: Some(self.key_ref().await?),
            ..self.job(model, items, &grant)?
        };
        Ok(self.compute.submit(&self.compute_token, &job).await?)
    }
}

/// What it takes to read a key's evaluation key.
pub fn key_request(key: &ClientKey) -> GrantRequest {
    let read = |id| ObjectRef {
        kind: ObjectKind::EvaluationKey,
        id,
    };
    GrantRequest {
        reads: key_ids(key).into_iter().map(read).collect(),
        writes: Vec::new(),
        valid_ms: GRANT_MS,
    }
}

/// A key's evaluation key as a job names it, with a grant to read it.
pub fn key_ref(key: &ClientKey, grant: String) -> EvaluationKeyRef {
    EvaluationKeyRef {
        parameters: ParameterSetId(NETWORK.id),
        parts: key_ids(key),
        grant,
    }
}

/// The payloads of all parts of a new evaluation key, made by as many threads as there are cores.
///
/// # Errors
/// The system gives no randomness.
pub fn make_key(key: &ClientKey) -> Result<Vec<Vec<u8>>> {
    let (secret, parts) = (key.evaluation_secret(), evaluation_key::parts(NETWORK.id)?);
    let next = AtomicU16::new(0);
    let work = || {
        let (mut made, mut randomness) = (Vec::new(), Randomness::system()?);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= parts {
                return Ok(made);
            }
            made.push((index, secret.part(index, &mut randomness)?));
        }
    };
    let threads = std::thread::available_parallelism()?.get();
    let outcomes: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|made| made.unwrap_or_else(|_| Err(anyhow!("a thread broke"))))
            .collect()
    });
    let mut made = Vec::new();
    for outcome in outcomes {
        made.extend(outcome?);
    }
    made.sort_by_key(|(index, _)| *index);
    Ok(made.into_iter().map(|(_, payload)| payload).collect())
}

/// The ids of the parts of this key's evaluation key, in the order of their index.
pub fn key_ids(key: &ClientKey) -> Vec<ObjectId> {
    let parts = evaluation_key::parts(NETWORK.id).unwrap_or(0);
    let id = |index| evaluation_key::part_id(&key.key_id(), NETWORK.id, index);
    (0..parts).map(|index| ObjectId(id(index))).collect()
}
