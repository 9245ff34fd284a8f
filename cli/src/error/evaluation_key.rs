//! Files that are no evaluation key.

use darkroom_api::header::HeaderError;
use darkroom_api::ids::KeyId;

/// Why a file is no evaluation key, or not the one that is needed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationKeyError {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// The secret key itself.
    #[error(
        "it is a secret key, which is not for computing: make an evaluation key of it with darkroom \
         evaluation-key"
    )]
    Secret,
    /// An object in it is damaged, or none.
    #[error("part {place} in it: {source}")]
    Part {
        /// Which, counted from 1.
        place: usize,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// It belongs to another key.
    #[error(
        "it belongs to key {found}, and what is to be computed on to key {owner}; make one with that"
    )]
    Foreign {
        /// The key in its header.
        found: KeyId,
        /// The key of the picture.
        owner: KeyId,
    },
    /// It is of another parameter set.
    #[error(
        "it has parameter set {found}, and the model needs {expected}; make one for this model"
    )]
    Parameters {
        /// The set in its header.
        found: u32,
        /// The set that the model needs.
        expected: u32,
    },
    /// Parts are malformed, missing or there twice.
    #[error(transparent)]
    Core(#[from] darkroom_fhe::Error),
}

impl EvaluationKeyError {
    /// An object in it is wrong, the places counted from 0.
    pub fn part(place: usize, source: HeaderError) -> Self {
        let place = place + 1;
        Self::Part { place, source }
    }
}
