//! What a row holds, and the job that its owner sees in it.

use darkroom_api::compute::{EvaluationKeyRef, ItemRef, Job, JobItem, State, SubmitJob, Timings};
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{JobId, KeyId, ModelId, ObjectId, VaultId};
use darkroom_api::problem::Problem;
use darkroom_telemetry::{Origin, RequestId, TraceParent};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::Error;

/// How far one image has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it stands.
    pub state: State,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// How long its stages took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// Bootstraps done so far.
    #[serde(default)]
    pub bootstraps_done: u64,
}

impl Progress {
    /// Not begun.
    pub const QUEUED: Self = Self {
        state: State::Queued,
        problem: None,
        timings: None,
        bootstraps_done: 0,
    };
    /// Begun.
    pub const RUNNING: Self = Self {
        state: State::Running,
        problem: None,
        timings: None,
        bootstraps_done: 0,
    };

    /// Its result is in storage.
    pub fn done(timings: Timings, bootstraps_done: u64) -> Self {
        Self {
            state: State::Done,
            problem: None,
            timings: Some(timings),
            bootstraps_done,
        }
    }

    /// There will be no result.
    pub fn failed(problem: Problem) -> Self {
        Self {
            state: State::Failed,
            problem: Some(problem),
            timings: None,
            bootstraps_done: 0,
        }
    }
}

/// A job that a worker has claimed. Whoever holds it must renew its lease.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job.
    pub id: JobId,
    /// What proves that it is still ours.
    pub lease: Lease,
    /// The model to run.
    pub model: ModelId,
    /// The digest that the model had at submit.
    pub model_digest: String,
    /// The vault of the images.
    pub vault: VaultId,
    /// The key that they are encrypted under.
    pub key: KeyId,
    /// The images and where their results go.
    pub items: Vec<ItemRef>,
    /// How far they came in earlier attempts.
    pub progress: Vec<Progress>,
    /// Storage's grant.
    pub grant: Grant,
    /// The evaluation key, if the job brought one.
    pub evaluation_key: Option<EvaluationKey>,
    /// The request that submitted it.
    pub origin: Origin,
    /// How long ago it was submitted when this attempt began.
    pub age_ms: u64,
    /// How often it was begun, this time included.
    pub attempts: u32,
    /// How often it may be.
    pub attempts_max: u32,
    /// Whether an earlier attempt may have written results, be it one that does not count.
    pub begun_before: bool,
}

impl Claimed {
    /// Whether it is lost if this attempt fails as others did.
    pub fn is_at_stake(&self) -> bool {
        self.attempts > 1 && self.attempts >= self.attempts_max
    }
}

/// A lease on a job: 128 random bits, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease(pub(super) String);

impl Lease {
    /// The lease with this token.
    pub fn of(token: &str) -> Self {
        Self(token.to_owned())
    }
}

/// Storage's grant; never printed.
#[derive(Clone)]
pub struct Grant(pub String);

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Grant(..)")
    }
}

/// Where an evaluation key is in storage.
#[derive(Debug, Clone)]
pub struct EvaluationKey {
    /// Its parameter set.
    pub parameters: ParameterSetId,
    /// Its parts in the order of their index.
    pub parts: Vec<ObjectId>,
    /// Storage's grant to read them.
    pub grant: Grant,
}

impl From<EvaluationKeyRef> for EvaluationKey {
    fn from(key: EvaluationKeyRef) -> Self {
        Self {
            parameters: key.parameters,
            parts: key.parts,
            grant: Grant(key.grant),
        }
    }
}

/// The column that keeps a job's evaluation key.
pub(super) fn evaluation_key_text(job: &SubmitJob) -> Result<Option<String>, Error> {
    let text = job.evaluation_key.as_ref().map(serde_json::to_string);
    Ok(text.transpose()?)
}

/// SHA-256 of what is to be done. The grant and the evaluation key are left out: the same work with a
/// fresh grant, or with a key that was sent again, is the same request.
pub(super) fn request_digest(job: &SubmitJob) -> Result<String, Error> {
    let asked = serde_json::to_vec(&(&job.model, job.vault, job.key, &job.items))?;
    Ok(hex::encode(Sha256::digest(asked)))
}

/// The state of the name in a column.
pub(super) fn state(row: &AnyRow) -> Result<State, Error> {
    Ok(serde_json::from_value(
        row.try_get::<String, _>("state")?.into(),
    )?)
}

/// A row of states and how many jobs stand so.
pub(super) fn to_count(row: &AnyRow) -> Result<(State, u64), Error> {
    Ok((state(row)?, count(row, "jobs")?.into()))
}

pub(super) fn to_claimed(row: &AnyRow) -> Result<Claimed, Error> {
    let items: Vec<ItemRef> = json(row, "items")?;
    let mut progress: Vec<Progress> = json(row, "progress")?;
    let attempts = count(row, "attempts")?;
    // Whoever gives a job back, and the attempt with it, writes down how far it is.
    let begun_before = attempts > 1 || !progress.is_empty();
    progress.resize(items.len(), Progress::QUEUED);
    for item in progress.iter_mut().filter(|item| !item.state.is_final()) {
        *item = Progress::QUEUED;
    }
    Ok(Claimed {
        id: parsed(row, "id")?,
        lease: Lease(row.try_get("lease_token")?),
        model: parsed(row, "model")?,
        model_digest: row.try_get("model_digest")?,
        vault: parsed(row, "vault")?,
        key: parsed(row, "key_id")?,
        items,
        progress,
        grant: Grant(
            row.try_get::<Option<String>, _>("storage_grant")?
                .unwrap_or_default(),
        ),
        evaluation_key: optional_json::<EvaluationKeyRef>(row, "evaluation_key")?.map(Into::into),
        origin: origin(row)?,
        age_ms: age_ms(row)?,
        attempts,
        attempts_max: count(row, "attempts_max")?,
        begun_before,
    })
}

fn age_ms(row: &AnyRow) -> Result<u64, Error> {
    let (created, started) = (time(row, "created_ms")?, time(row, "started_ms")?);
    let began = started.unwrap_or_default();
    Ok(began.saturating_sub(created.unwrap_or(began)))
}

/// Jobs that an older version took have none, and get a new one each time.
fn origin(row: &AnyRow) -> Result<Origin, Error> {
    let text = |column| row.try_get::<Option<String>, _>(column);
    let request = text("request_id")?;
    let traceparent = text("traceparent")?;
    Ok(Origin {
        request: request
            .and_then(|text| RequestId::parse(&text))
            .unwrap_or_else(RequestId::draw),
        traceparent: traceparent.and_then(|text| TraceParent::parse(&text)),
    })
}

pub(super) fn to_job(row: &AnyRow) -> Result<Job, Error> {
    let state = state(row)?;
    let problem: Option<Problem> = optional_json(row, "problem")?;
    let items: Vec<ItemRef> = json(row, "items")?;
    let mut progress: Vec<Progress> = json(row, "progress")?;
    progress.resize(items.len(), Progress::QUEUED);
    let items = items.into_iter().zip(progress);
    Ok(Job {
        id: parsed(row, "id")?,
        model: parsed(row, "model")?,
        state,
        items: items
            .map(|(item, now)| to_item(item, now, state, problem.as_ref()))
            .collect(),
        attempts: count(row, "attempts")?,
        attempts_max: count(row, "attempts_max")?,
        created_ms: time(row, "created_ms")?.unwrap_or_default(),
        started_ms: time(row, "started_ms")?,
        finished_ms: time(row, "finished_ms")?,
        problem,
    })
}

/// An image that was not finished shares the fate of its job.
fn to_item(item: ItemRef, now: Progress, job: State, problem: Option<&Problem>) -> JobItem {
    let ended = now.state.is_final();
    let state = match job {
        _ if ended => now.state,
        State::Running => now.state,
        State::Queued | State::Failed | State::Cancelled => job,
        State::Done => State::Failed,
    };
    let inherited = problem
        .filter(|_| !ended && state == State::Failed)
        .cloned();
    JobItem {
        image: item.image,
        result: item.result,
        state,
        problem: now.problem.or(inherited),
        timings: now.timings,
        bootstraps_done: now.bootstraps_done,
    }
}

fn json<T: serde::de::DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, Error> {
    Ok(serde_json::from_str(row.try_get::<&str, _>(column)?)?)
}

fn optional_json<T: serde::de::DeserializeOwned>(
    row: &AnyRow,
    column: &str,
) -> Result<Option<T>, Error> {
    let text = row.try_get::<Option<String>, _>(column)?;
    Ok(text.as_deref().map(serde_json::from_str).transpose()?)
}

fn parsed<T>(row: &AnyRow, column: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| odd(column, error))
}

fn count(row: &AnyRow, column: &str) -> Result<u32, Error> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|error| odd(column, error))
}

fn time(row: &AnyRow, column: &str) -> Result<Option<u64>, Error> {
    let time: Option<i64> = row.try_get(column)?;
    time.map(|time| u64::try_from(time).map_err(|error| odd(column, error)))
        .transpose()
}

fn odd(column: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let (index, source) = (column.to_owned(), Box::new(error));
    Error::Database(sqlx::Error::ColumnDecode { index, source })
}
