//! The bodies that compute takes and gives.

use serde::{Deserialize, Serialize};

use crate::header::ParameterSetId;
use crate::ids::{JobId, KeyId, ModelId, ObjectId, VaultId};
use crate::problem::Problem;

/// The most images in one job.
pub const JOB_IMAGES_MAX: usize = 256;

/// `GET` of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Catalogue {
    /// The models that can be run, by id.
    pub models: Vec<ModelCard>,
    /// The folders that hold no model that can be run, and why.
    pub refused: Vec<RefusedModel>,
}

/// A folder that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedModel {
    /// The folder's name.
    pub folder: String,
    /// Layer, reason and mend.
    pub reason: String,
}

/// What one should know of a model before running it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelCard {
    /// The model.
    pub id: ModelId,
    /// SHA-256 of its files, hexadecimal: another digest, another model.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{64}$"))]
    pub digest: String,
    /// Its name for people.
    pub title: String,
    /// One sentence of what it tells.
    pub purpose: String,
    /// The classes in the order of the probabilities.
    pub classes: Vec<String>,
    /// The picture that it takes.
    pub input: InputCard,
    /// The parameter set of its images.
    pub parameters: ParameterSetId,
    /// Where its figures come from; absent if nobody measured.
    pub accuracy: Option<Accuracy>,
    /// A warning to show with every result, such as "research demonstration only".
    pub notice: Option<String>,
    /// Who made it, from what.
    pub provenance: Option<String>,
    /// Its licence.
    pub licence: Option<String>,
    /// Bytes of one encrypted image, header included.
    pub image_bytes: u64,
    /// Bytes of one encrypted result, header included.
    pub result_bytes: u64,
    /// The evaluation key that a job for it must bring; absent if none is needed.
    pub evaluation_key: Option<EvaluationKeyCard>,
    /// Programmable bootstraps for one image.
    pub bootstraps: u64,
    /// What one image alone is expected to take in compute, measured there: a linear model as it is
    /// loaded, a network by its bootstraps and what a bootstrap took last.
    pub expected_ms: f64,
}

/// The evaluation key that a model needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationKeyCard {
    /// Its parameter set.
    pub parameters: ParameterSetId,
    /// The objects that it is stored as.
    pub parts: u16,
    /// Bytes of all of them together, headers included.
    pub bytes: u64,
}

/// The picture that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InputCard {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether it is handwriting, which the owner's machine makes upright before it is encrypted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub straighten: bool,
}

/// A measured accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Accuracy {
    /// Share of images told right, 0 to 1.
    pub value: f64,
    /// The mean over the classes of the share told right, where classes are uneven.
    pub balanced: Option<f64>,
    /// On how many images that were not trained on.
    pub images: u64,
    /// Which images those were.
    pub data: String,
}

/// `POST` of a job.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SubmitJob {
    /// The model to run.
    pub model: ModelId,
    /// The vault of the images.
    pub vault: VaultId,
    /// The key that they are encrypted under.
    pub key: KeyId,
    /// The images and where their results go.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 256))]
    pub items: Vec<ItemRef>,
    /// Storage's grant to read all these images and write all these results.
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = "^[!-~]+$", min_length = 1, max_length = 65536)
    )]
    pub grant: String,
    /// The evaluation key, where the model needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_key: Option<EvaluationKeyRef>,
    /// The same key again gives the same job instead of another one.
    pub idempotency_key: ObjectId,
}

impl std::fmt::Debug for SubmitJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubmitJob")
            .field("model", &self.model)
            .field("vault", &self.vault)
            .field("items", &self.items.len())
            .field("evaluation_key", &self.evaluation_key)
            .finish_non_exhaustive()
    }
}

/// An evaluation key in storage.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EvaluationKeyRef {
    /// Its parameter set.
    pub parameters: ParameterSetId,
    /// Its parts in the order of their index.
    pub parts: Vec<ObjectId>,
    /// Storage's grant to read them: one of its own, so that a job of many images fits its grant.
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = "^[!-~]+$", min_length = 1, max_length = 65536)
    )]
    pub grant: String,
}

impl std::fmt::Debug for EvaluationKeyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvaluationKeyRef")
            .field("parameters", &self.parameters)
            .field("parts", &self.parts.len())
            .finish_non_exhaustive()
    }
}

/// One image of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemRef {
    /// The image to read.
    pub image: ObjectId,
    /// The result to write.
    pub result: ObjectId,
}

/// Where a job or one of its images stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waits for its turn.
    Queued,
    /// Is worked on.
    Running,
    /// The result is in storage. A job is done when each of its images is done or has failed.
    Done,
    /// There will be no result; the problem says why.
    Failed,
    /// The owner cancelled it.
    Cancelled,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Its name, as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// The job.
    pub id: JobId,
    /// The model that it runs.
    pub model: ModelId,
    /// Where it stands.
    pub state: State,
    /// Its images.
    pub items: Vec<JobItem>,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it may be.
    pub attempts_max: u32,
    /// When it was submitted, Unix time.
    pub created_ms: u64,
    /// When it was begun last.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub finished_ms: Option<u64>,
    /// Why all of it failed.
    pub problem: Option<Problem>,
}

/// One image of a job as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobItem {
    /// The image.
    pub image: ObjectId,
    /// Its result.
    pub result: ObjectId,
    /// Where it stands.
    pub state: State,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// How long its stages took.
    pub timings: Option<Timings>,
    /// Bootstraps done so far, of those that the model's card tells.
    #[serde(default)]
    pub bootstraps_done: u64,
}

/// How long the stages of one image took in compute, wall time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timings {
    /// Fetching the image from storage.
    pub fetch_ms: f64,
    /// Evaluating the model.
    pub compute_ms: f64,
    /// Storing the result.
    pub store_ms: f64,
}

/// `GET` of the owner's jobs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<Job>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> SubmitJob {
        SubmitJob {
            model: "digits".parse().unwrap(),
            vault: VaultId([1; 16]),
            key: KeyId([2; 16]),
            items: vec![],
            grant: "granted".to_owned(),
            evaluation_key: None,
            idempotency_key: ObjectId([3; 16]),
        }
    }

    #[test]
    fn states_are_written_by_their_names() {
        for state in State::ALL {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(text, format!("\"{}\"", state.name()));
        }
    }

    #[test]
    fn a_job_without_an_evaluation_key_is_as_it_always_was() {
        let text = serde_json::to_string(&job()).unwrap();
        assert!(!text.contains("evaluation_key"), "{text}");
        assert_eq!(serde_json::from_str::<SubmitJob>(&text).unwrap(), job());
    }

    #[test]
    fn grants_are_not_printed() {
        let key = EvaluationKeyRef {
            parameters: ParameterSetId(2),
            parts: vec![ObjectId([4; 16])],
            grant: "granted".to_owned(),
        };
        let job = SubmitJob {
            evaluation_key: Some(key),
            ..job()
        };
        assert!(!format!("{job:?}").contains("granted"));
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<SubmitJob>(&text).unwrap(), job);
    }

    #[test]
    fn images_of_an_older_compute_have_done_no_bootstraps() {
        let text = format!(
            r#"{{"image":"{0}","result":"{0}","state":"done","problem":null,"timings":null}}"#,
            ObjectId([5; 16])
        );
        let item: JobItem = serde_json::from_str(&text).unwrap();
        assert_eq!(item.bootstraps_done, 0);
    }
}
