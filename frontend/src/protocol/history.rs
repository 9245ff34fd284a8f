//! What was analysed before.

use std::fmt;

use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{ModelId, ObjectId};
use serde::{Deserialize, Serialize};

use super::{Grey, Stage, StageTimes, Trouble};

/// One picture run through one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The entry: the id of its result in storage.
    pub id: ObjectId,
    /// The encrypted image in storage; several entries may share it.
    pub image: ObjectId,
    /// What the picture is called.
    pub name: String,
    /// The model that was run.
    pub model: ModelId,
    /// The model's title at that time.
    pub model_title: String,
    /// The encrypted picture's width.
    pub width: u32,
    /// The encrypted picture's height.
    pub height: u32,
    /// When it was begun, Unix time.
    pub created_ms: u64,
    /// Where it stands.
    pub state: EntryState,
    /// The picture, decrypted and kept only in this browser; absent until it was fetched again on
    /// another device.
    pub thumbnail: Option<Grey>,
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EntryState {
    /// Under way; goes on by itself, also after a reload.
    Pending(Stage),
    /// The result is in storage but was not read in this browser yet; open it.
    Unread,
    /// Read.
    Done {
        /// The likeliest class.
        label: String,
        /// Its probability, 0 to 1.
        probability: f64,
    },
    /// There will be no result.
    Failed(Trouble),
}

/// Everything about an entry that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The entry.
    pub entry: Entry,
    /// What the model says.
    pub answer: Answer,
    /// The picture, decrypted from the stored image.
    pub picture: Grey,
    /// What the server saw.
    pub seen: Seen,
    /// How long each stage took; all absent if it was run on another device.
    pub times: StageTimes,
    /// The model's warning, such as "research demonstration only".
    pub notice: Option<String>,
}

/// What a model says of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The likeliest class: its place in `classes`.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// All classes, in the order of `probabilities`.
    pub classes: Vec<String>,
    /// Probability of each class, 0 to 1.
    pub probabilities: Vec<f64>,
    /// The model's raw scores: one for two classes, otherwise one a class.
    pub scores: Vec<f64>,
}

/// What the server saw of a picture.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The first bytes of the ciphertext as it is stored, behind the header; at most 64 KiB.
    #[serde(with = "serde_bytes")]
    pub sample: Vec<u8>,
    /// Length of the stored image, header included.
    pub image_bytes: u64,
    /// Length of the stored result, header included.
    pub result_bytes: u64,
    /// The parameter set of both.
    pub parameters: ParameterSetId,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("image_bytes", &self.image_bytes)
            .field("result_bytes", &self.result_bytes)
            .finish_non_exhaustive()
    }
}
