//! The bodies that compute takes and gives.

use serde::{Deserialize, Serialize};

use crate::header::ParameterSetId;
use crate::ids::{JobId, KeyId, ModelId, ObjectId, VaultId};
use crate::problem::Problem;

/// The most images in one job.
pub const JOB_IMAGES_MAX: usize = 256;

/// `GET` of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The models that can be run, by id.
    pub models: Vec<ModelCard>,
    /// The folders that hold no model that can be run, and why.
    pub refused: Vec<RefusedModel>,
}

/// A folder that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedModel {
    /// The folder's name.
    pub folder: String,
    /// Layer, reason and mend.
    pub reason: String,
}

/// What one should know of a model before running it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The model.
    pub id: ModelId,
    /// SHA-256 of its files, hexadecimal: another digest, another model.
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
    /// Bytes of the evaluation key that must be there; absent if none is needed.
    pub evaluation_key_bytes: Option<u64>,
    /// Programmable bootstraps for one image.
    pub bootstraps: u64,
    /// What one image is expected to take in compute, measured when the model was loaded.
    pub expected_ms: f64,
}

/// The picture that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InputCard {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A measured accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[serde(deny_unknown_fields)]
pub struct SubmitJob {
    /// The model to run.
    pub model: ModelId,
    /// The vault of the images.
    pub vault: VaultId,
    /// The key that they are encrypted under.
    pub key: KeyId,
    /// The images and where their results go.
    pub items: Vec<ItemRef>,
    /// Storage's grant to read all these images and write all these results.
    pub grant: String,
    /// The same key again gives the same job instead of another one.
    pub idempotency_key: ObjectId,
}

impl std::fmt::Debug for SubmitJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubmitJob")
            .field("model", &self.model)
            .field("vault", &self.vault)
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

/// One image of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemRef {
    /// The image to read.
    pub image: ObjectId,
    /// The result to write.
    pub result: ObjectId,
}

/// Where a job or one of its images stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

/// How long the stages of one image took in compute, wall time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<Job>,
}
