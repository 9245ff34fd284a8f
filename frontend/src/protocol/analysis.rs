//! One run of a model: what is asked, and how it is getting on.

use darkroom_api::ids::{ModelId, ObjectId};
use serde::{Deserialize, Serialize};

use super::{Entry, Grey, Trouble};

/// Pictures to run one model on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Analysis {
    /// The model, from the catalogue.
    pub model: ModelId,
    /// 1 to [`darkroom_api::compute::JOB_IMAGES_MAX`] pictures, all of the model's frame.
    pub pictures: Vec<ToAnalyse>,
}

/// One picture to analyse.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToAnalyse {
    /// The page's own number of the picture, which comes with its events.
    pub picture: u32,
    /// What it is called, for people; sealed before it is stored. Cut at 200 characters.
    pub name: String,
    /// Where the pixels are.
    pub source: Source,
}

/// Where the pixels of a picture are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Source {
    /// Here: encrypted and stored first.
    Fresh(Grey),
    /// In storage, encrypted: the `image` of an [`Entry`] whose frame is the model's.
    Stored(ObjectId),
}

/// What happens to one picture of an analysis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AnalysisEvent {
    /// It has entered a stage.
    Stage {
        /// The entry that it has become.
        entry: ObjectId,
        /// The stage it is in now.
        stage: Stage,
        /// Bytes that the stage moves, if it moves any.
        bytes: Option<u64>,
        /// The stages behind it, with what they took.
        times: StageTimes,
    },
    /// Compute has come further with it.
    Bootstraps {
        /// Bootstraps done, of those on the model's card.
        done: u64,
    },
    /// Its result is here.
    Done {
        /// Its entry, with the answer in [`EntryState::Done`].
        entry: Box<Entry>,
    },
    /// It failed; the others go on.
    Failed {
        /// Why, and what to do.
        trouble: Trouble,
    },
}

/// The way of one picture, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The large key is being made and sent, where the model needs one.
    LargeKey,
    /// Being encrypted here.
    Encrypt,
    /// On its way to storage.
    Send,
    /// In compute's queue.
    Wait,
    /// Being computed on.
    Compute,
    /// The result is on its way back.
    Fetch,
    /// The result is being decrypted here.
    Decrypt,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 7] = [
        Self::LargeKey,
        Self::Encrypt,
        Self::Send,
        Self::Wait,
        Self::Compute,
        Self::Fetch,
        Self::Decrypt,
    ];
}

/// How long each stage took, in ms of wall time; absent where not (yet) known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Making and sending the large key; absent where it was there already or is not needed.
    #[serde(default)]
    pub large_key_ms: Option<f64>,
    /// Encrypting here.
    pub encrypt_ms: Option<f64>,
    /// Sending the ciphertext to storage.
    pub send_ms: Option<f64>,
    /// Waiting in compute's queue.
    pub wait_ms: Option<f64>,
    /// Computing, with compute's own reading and storing.
    pub compute_ms: Option<f64>,
    /// Fetching the result.
    pub fetch_ms: Option<f64>,
    /// Decrypting it here.
    pub decrypt_ms: Option<f64>,
}

impl StageTimes {
    /// What a stage took, if known.
    pub fn of(&self, stage: Stage) -> Option<f64> {
        match stage {
            Stage::LargeKey => self.large_key_ms,
            Stage::Encrypt => self.encrypt_ms,
            Stage::Send => self.send_ms,
            Stage::Wait => self.wait_ms,
            Stage::Compute => self.compute_ms,
            Stage::Fetch => self.fetch_ms,
            Stage::Decrypt => self.decrypt_ms,
        }
    }

    /// Notes what a stage took.
    pub fn set(&mut self, stage: Stage, ms: f64) {
        let slot = match stage {
            Stage::LargeKey => &mut self.large_key_ms,
            Stage::Encrypt => &mut self.encrypt_ms,
            Stage::Send => &mut self.send_ms,
            Stage::Wait => &mut self.wait_ms,
            Stage::Compute => &mut self.compute_ms,
            Stage::Fetch => &mut self.fetch_ms,
            Stage::Decrypt => &mut self.decrypt_ms,
        };
        *slot = Some(ms);
    }
}

/// How an analysis ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Pictures with a result.
    pub done: u32,
    /// Pictures without.
    pub failed: u32,
}
