//! The evaluation key in storage: parts that are missing are made and sent, the next while one is
//! under way.

use std::ops::ControlFlow;

use darkroom_api::client::ClientError;
use darkroom_api::compute::{EvaluationKeyCard, EvaluationKeyRef};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::problem::ProblemType;
use darkroom_api::storage::{GrantRequest, ObjectInfo, ObjectRef};
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::evaluation_key::part_id;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::report::Report;
use super::session::{Session, patiently};
use crate::error::Error;
use crate::evaluation_key::{Maker, part_bytes};
use crate::{output, threads};

const KIND: ObjectKind = ObjectKind::EvaluationKey;
/// How many parts are sent at a time.
const AT_A_TIME: usize = 3;

/// A part and the object that it is stored as.
struct Made {
    id: ObjectId,
    object: Vec<u8>,
}

/// Sees to it that all parts of the key are in storage.
pub async fn complete(
    session: &Session,
    card: EvaluationKeyCard,
    report: &Report,
) -> Result<(), Error> {
    let parameters = card.parameters.0;
    let maker = Maker::new(&session.key, parameters)?;
    if maker.parts() != card.parts {
        let (parts, known) = (card.parts, maker.parts());
        return Err(Error::TooNew(format!(
            "it needs an evaluation key of {parts} parts, known here are {known}"
        )));
    }
    report.doing("looking for the evaluation key");
    let missing = missing(session, card).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let bytes = missing.iter().map(|&index| part_bytes(parameters, index));
    let bytes = output::bytes(bytes.sum::<Result<u64, Error>>()?);
    let (parts, all) = (missing.len(), card.parts);
    report.say(&format!(
        "sending the evaluation key, once for this key: {bytes} in {parts} parts of {all}"
    ));
    send(session, report, maker, missing, parameters).await
}

/// What compute needs to find the key.
pub async fn reference(
    session: &Session,
    card: EvaluationKeyCard,
    valid_ms: u64,
) -> Result<EvaluationKeyRef, Error> {
    let own = session.own();
    let parts: Vec<ObjectId> = (0..card.parts)
        .map(|index| id(own, card.parameters.0, index))
        .collect();
    let reads = parts.iter().map(|&id| ObjectRef { kind: KIND, id });
    let request = GrantRequest {
        reads: reads.collect(),
        writes: Vec::new(),
        valid_ms,
    };
    let (vault, owner) = (session.vault, &session.vault_token);
    let grant = patiently(async || session.storage.grant(vault, owner, &request).await).await;
    let grant = grant.map_err(Error::service("asking storage for a grant"))?;
    Ok(EvaluationKeyRef {
        parameters: card.parameters,
        parts,
        grant: grant.grant,
    })
}

/// The indices of the parts that are not in storage. What has the place of a part and is none goes.
async fn missing(session: &Session, card: EvaluationKeyCard) -> Result<Vec<u16>, Error> {
    let (own, parameters) = (session.own(), card.parameters.0);
    let (vault, owner) = (session.vault, &session.vault_token);
    let there = patiently(async || session.storage.list(vault, KIND, owner).await).await;
    let there = there.map_err(Error::service("asking storage for evaluation keys"))?;
    let mut missing = Vec::new();
    for index in 0..card.parts {
        let (id, bytes) = (id(own, parameters, index), part_bytes(parameters, index)?);
        let found = there.iter().find(|object| object.id == id);
        let sound = |object: &ObjectInfo| {
            object.key == own && object.parameters == card.parameters && object.bytes == bytes
        };
        if found.is_some_and(sound) {
            continue;
        }
        if found.is_some() {
            session.delete(KIND, id).await;
        }
        missing.push(index);
    }
    Ok(missing)
}

async fn send(
    session: &Session,
    report: &Report,
    maker: Maker,
    missing: Vec<u16>,
    parameters: u32,
) -> Result<(), Error> {
    let (own, all) = (session.own(), missing.len());
    // Few are kept waiting: parts are made as fast as they are sent.
    let (ready, mut made) = mpsc::channel(1);
    let making = tokio::task::spawn_blocking(move || {
        make(&maker, &missing, |index, object| {
            let id = id(own, parameters, index);
            ready.blocking_send(Made { id, object }).is_ok()
        })
    });
    let parts = stream::poll_fn(|context| made.poll_recv(context));
    let mut sent = parts
        .map(async |part| put(session, part).await)
        .buffer_unordered(AT_A_TIME);
    let mut done = 0;
    report.part_of_key(done, all);
    while let Some(()) = sent.try_next().await? {
        done += 1;
        report.part_of_key(done, all);
    }
    making.await.map_err(std::io::Error::other)?
}

/// Makes parts on all cores until nobody takes them any more.
fn make(
    maker: &Maker,
    missing: &[u16],
    take: impl Fn(u16, Vec<u8>) -> bool + Sync,
) -> Result<(), Error> {
    let taken = |place: usize, object| match missing.get(place) {
        Some(&index) if take(index, object) => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    threads::each(
        threads::count(None),
        missing,
        || Ok(Randomness::system()?),
        |randomness, _, &index| maker.part(index, randomness),
        taken,
    )
}

/// Stores a part, unless another device was quicker: its part serves as well.
async fn put(session: &Session, part: Made) -> Result<(), Error> {
    let object = bytes::Bytes::from(part.object);
    let stored = patiently(async || {
        let (vault, access) = (session.vault, session.access());
        session
            .storage
            .put(vault, KIND, part.id, access, object.clone())
            .await
    })
    .await;
    let quicker = |error: &ClientError| {
        let problem = error.problem();
        problem.is_some_and(|problem| problem.kind == ProblemType::ObjectExists)
    };
    match stored {
        Err(error) if !quicker(&error) => Err(Error::service("storing the evaluation key")(error)),
        _ => Ok(()),
    }
}

fn id(own: KeyId, parameters: u32, index: u16) -> ObjectId {
    ObjectId(part_id(&own.0, parameters, index))
}
