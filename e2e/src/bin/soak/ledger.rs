//! What an owner was told, and therefore what must be true.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use darkroom_api::audit::{Act, Checkpoint};
use darkroom_api::compute::ItemRef;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{JobId, ObjectId};

/// Of all bytes of an object, header included.
pub type Digest = [u8; 32];

#[derive(Default)]
pub struct Ledger {
    /// Images that storage has said to have.
    pub images: BTreeMap<ObjectId, Image>,
    /// Parts of the evaluation key.
    pub key_parts: BTreeMap<ObjectId, Digest>,
    /// Results of jobs that ended, and since when they have.
    pub results: BTreeMap<ObjectId, (Digest, Instant)>,
    /// What may be there or not: the answer was not waited for, or the job was cancelled.
    pub doubtful: BTreeMap<ObjectId, Option<Digest>>,
    /// What storage has said to have deleted.
    pub deleted: BTreeSet<(ObjectKind, ObjectId)>,
    /// Jobs that compute has taken, and that have ended as far as the owner knows.
    pub jobs: BTreeMap<JobId, bool>,
    /// Those that have not, the oldest first.
    pub open: VecDeque<Open>,
    /// Changes that must be in the log from here on.
    pub to_be_logged: Vec<(Act, ObjectId)>,
    /// How far the log was read.
    pub log: Option<Checkpoint>,
}

pub struct Image {
    pub digest: Digest,
    /// Of its pattern; `None`: it is no picture.
    pub seed: Option<u32>,
    pub bytes: u64,
    pub note: Option<Vec<u8>>,
    /// When it was acknowledged.
    pub since: Instant,
}

pub struct Open {
    pub job: JobId,
    pub model: usize,
    pub items: Vec<ItemRef>,
    pub seeds: Vec<u32>,
    pub is_cancelled: bool,
}

impl Ledger {
    /// Whether a job that is open reads this image.
    pub fn is_in_use(&self, image: ObjectId) -> bool {
        let mut items = self.open.iter().flat_map(|open| &open.items);
        items.any(|item| item.image == image)
    }

    /// What storage should list, by kind.
    pub fn expected(&self, kind: ObjectKind) -> BTreeSet<ObjectId> {
        match kind {
            ObjectKind::Image => self.images.keys().copied().collect(),
            ObjectKind::EvaluationKey => self.key_parts.keys().copied().collect(),
            ObjectKind::Result => self.results.keys().copied().collect(),
        }
    }

    /// Results that may come while jobs are open.
    pub fn may_come(&self, result: ObjectId) -> bool {
        let mut items = self.open.iter().flat_map(|open| &open.items);
        items.any(|item| item.result == result)
    }
}
