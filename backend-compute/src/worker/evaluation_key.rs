//! The evaluation key of a job: lent by the cache, or fetched and expanded part by part.

use std::sync::Arc;

use bytes::Bytes;
use darkroom_api::header::{self, HEADER_BYTES, ObjectKind};
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_fhe::eval::{EvaluationKey, EvaluationKeyBuilder};
use darkroom_fhe::wire::{KeyPart, evaluation_key};
use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tracing::Instrument;

use super::Context;
use super::job::JOBS;
use crate::error::Error;
use crate::key_cache::{Failure, KeyName, Lent};
use crate::queue::{self, Claimed};
use crate::storage::{Scope, Trouble};

/// Parts that are fetched side by side, and then expanded in one piece of work: a tenth of a second.
const PARTS_AT_ONCE: usize = 5;

/// Lends the key that the job names.
pub async fn lend(
    context: &Arc<Context>,
    job: &Arc<Claimed>,
    at: &queue::EvaluationKey,
    halt: &mut watch::Receiver<bool>,
) -> Result<Lent<EvaluationKey>, Trouble> {
    let name = KeyName {
        vault: job.vault,
        key: job.key,
        parameters: at.parameters,
    };
    let bytes = EvaluationKey::expected_memory_bytes(at.parameters.0);
    let load = || {
        let (context, at) = (Arc::clone(context), at.clone());
        let span = tracing::error_span!(target: JOBS, "expand key");
        let load = async move { load(&context, name, &at).await };
        // On a task of the cache's.
        job.origin.clone().scope(load.instrument(span))
    };
    let lent = context.keys.lend(name, bytes, load);
    let lent = lent.instrument(tracing::error_span!(target: JOBS, "wait for key"));
    tokio::select! {
        lent = lent => lent,
        _ = halt.wait_for(|halt| *halt) => Err(Trouble::Halted),
    }
}

/// Fetches the parts, a few at a time, and expands them before the next.
async fn load(
    context: &Context,
    name: KeyName,
    at: &queue::EvaluationKey,
) -> Result<EvaluationKey, Failure> {
    let mut builder = EvaluationKeyBuilder::new(name.parameters.0).map_err(fault)?;
    let fetch = |(index, id)| async move { (index, fetch(context, name, at, index, id).await) };
    let parts = (0..).zip(at.parts.iter().copied());
    let fetched = stream::iter(parts).map(fetch).buffered(PARTS_AT_ONCE);
    let mut fetched = fetched.chunks(PARTS_AT_ONCE);
    while let Some(parts) = fetched.next().await {
        let parts = parts
            .into_iter()
            .map(|(index, object)| object.map(|object| (index, object)))
            .collect::<Result<Vec<(u16, Bytes)>, Failure>>()?;
        let add_all = move || {
            let mut parts = parts.iter();
            parts.try_fold(builder, |builder, (index, object)| {
                add(builder, name, *index, object)
            })
        };
        let added = context.threads.run(name.vault, add_all).await;
        builder = added.map_err(broken)?.map_err(refused)?;
    }
    let finish = move || builder.finish();
    let finished = context.threads.run(name.vault, finish).await;
    finished.map_err(broken)?.map_err(fault)
}

async fn fetch(
    context: &Context,
    name: KeyName,
    at: &queue::EvaluationKey,
    index: u16,
    id: ObjectId,
) -> Result<Bytes, Failure> {
    let payload_bytes =
        evaluation_key::part_payload_bytes(name.parameters.0, index).map_err(fault)?;
    let bytes = usize::try_from(payload_bytes).map_or(usize::MAX, |bytes| bytes + HEADER_BYTES);
    let scope = Scope {
        vault: name.vault,
        grant: &at.grant,
    };
    // Nobody halts this: when nobody waits for the key any more, the cache drops it.
    let (_on, mut never) = watch::channel(false);
    let fetched = context.storage.key_part(scope, id, bytes, &mut never);
    fetched.await.map_err(|trouble| not_fetched(index, trouble))
}

/// What it means for the key that a part could not be had.
fn not_fetched(index: u16, trouble: Trouble) -> Failure {
    let Trouble::Refused(problem) = trouble else {
        return Failure::OfKey(trouble);
    };
    let missing = |how: &str| {
        let detail = format!("part {index} of the evaluation key {how}");
        Trouble::Refused(Problem::new(ProblemType::EvaluationKeyMissing, detail))
    };
    match problem.kind {
        ProblemType::ObjectNotFound => Failure::OfKey(missing("is not in storage; send it")),
        ProblemType::GrantRefused => {
            Failure::OfGrant(missing("is not covered by the job's grant for the key"))
        }
        ProblemType::GrantExpired | ProblemType::GrantInvalid => {
            Failure::OfGrant(Trouble::Refused(problem))
        }
        ProblemType::TooLarge => refused(damaged(index, "is longer than it can be")),
        // It was asked for several times, and storage was there.
        ProblemType::Internal => refused(damaged(index, "cannot be read by storage")),
        _ => Failure::OfKey(Trouble::Refused(problem)),
    }
}

/// From a part's object to a builder that has it.
fn add(
    mut builder: EvaluationKeyBuilder,
    name: KeyName,
    index: u16,
    object: &[u8],
) -> Result<EvaluationKeyBuilder, Problem> {
    let (header, payload) = header::open(object, ObjectKind::EvaluationKey)
        .map_err(|error| damaged(index, format!("cannot be used: {error}")))?;
    let foreign = |detail| Problem::new(ProblemType::EvaluationKeyForeign, detail);
    if header.key != name.key {
        return Err(foreign(format!(
            "part {index} of the evaluation key belongs to key {}, not {}",
            header.key, name.key
        )));
    }
    if header.parameters != name.parameters {
        return Err(foreign(format!(
            "part {index} of the evaluation key has parameter set {}, the model takes {}",
            header.parameters.0, name.parameters.0
        )));
    }
    let part = KeyPart::from_payload(name.parameters.0, payload)
        .map_err(|error| damaged(index, format!("cannot be used: {error}")))?;
    if part.index() != index {
        return Err(damaged(index, format!("is really part {}", part.index())));
    }
    builder
        .add(&part)
        .map_err(|error| damaged(index, format!("cannot be used: {error}")))?;
    Ok(builder)
}

fn damaged(index: u16, how: impl std::fmt::Display) -> Problem {
    let detail = format!("part {index} of the evaluation key {how}; delete it and send it again");
    Problem::new(ProblemType::EvaluationKeyDamaged, detail)
}

fn refused(problem: Problem) -> Failure {
    Failure::OfKey(Trouble::Refused(problem))
}

fn broken(error: Error) -> Failure {
    refused(error.problem())
}

/// What cannot be, given what was checked before.
fn fault(error: darkroom_fhe::Error) -> Failure {
    tracing::error!(%error, "an evaluation key cannot be expanded");
    refused(Error::BrokenOff.problem())
}
