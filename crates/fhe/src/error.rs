//! What can go wrong, for all of the crate.

/// Why something could not be done. Never holds a pixel or a bit of a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture cannot be used.
    #[error("the picture cannot be used: {reason}")]
    Picture {
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A set of pictures and labels cannot be used.
    #[error("the pictures and labels cannot be used: {reason}")]
    Data {
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A model cannot be used.
    #[error("{place}: {reason}; {mend}")]
    Model {
        /// Where: a file, a table of `model.toml`, or a layer.
        place: String,
        /// What is wrong.
        reason: String,
        /// What to change.
        mend: String,
    },
    /// The image has another shape than the model takes.
    #[error(
        "the image has {found_width}x{found_height} pixels, the model takes \
         {expected_width}x{expected_height}"
    )]
    ImageShape {
        /// Pixels across that the model takes.
        expected_width: u32,
        /// Pixels down that the model takes.
        expected_height: u32,
        /// Pixels across of the image.
        found_width: u32,
        /// Pixels down of the image.
        found_height: u32,
    },
    /// The parameter set is not known here.
    #[error("parameter set {found} is not known here")]
    UnknownParameters {
        /// The number found.
        found: u32,
    },
    /// A ciphertext or an evaluation key has other parameters than it should.
    #[error("it has parameter set {found}, expected {expected}")]
    WrongParameters {
        /// The number expected.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// The model needs an evaluation key.
    #[error("the model needs an evaluation key of parameter set {parameters}")]
    EvaluationKeyMissing {
        /// The number of the parameter set that the key must have.
        parameters: u32,
    },
    /// An evaluation key is not whole.
    #[error("the evaluation key lacks its parts {missing:?}")]
    KeyPartsMissing {
        /// The indices of the parts that were not added.
        missing: Vec<u16>,
    },
    /// A part of an evaluation key was added before.
    #[error("part {index} of the evaluation key was added twice")]
    KeyPartTwice {
        /// Its index.
        index: u16,
    },
    /// There is no such part.
    #[error("there is no part {index} of an evaluation key of {parts} parts")]
    NoSuchKeyPart {
        /// The index asked for.
        index: u16,
        /// How many parts there are.
        parts: u16,
    },
    /// Somebody called it off.
    #[error("it was called off")]
    Cancelled,
    /// The image belongs to another key.
    #[error("the image was encrypted under another key, or damaged")]
    ForeignKey,
    /// Bytes are not the payload that they should be.
    #[error("the {what} is malformed: {reason}")]
    Payload {
        /// Encrypted image, encrypted result or part of an evaluation key.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness: {reason}")]
    Randomness {
        /// What the system says.
        reason: String,
    },
    /// A sealed text does not open.
    #[error(
        "the sealed text does not open: it was damaged, or sealed under another key or context"
    )]
    Sealed,
    /// A text is too long to be sealed.
    #[error("a text of {bytes} bytes is too long to be sealed")]
    SealTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A fault of this crate.
    #[error("a fault in the FHE core: {reason}")]
    Internal {
        /// What did not hold.
        reason: String,
    },
}

impl Error {
    pub(crate) fn picture(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Picture { reason }
    }

    pub(crate) fn model(
        place: impl Into<String>,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::Model {
            place: place.into(),
            reason: reason.into(),
            mend: mend.into(),
        }
    }

    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Internal { reason }
    }
}
