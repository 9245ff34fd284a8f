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
    /// The ciphertext has other parameters than it should.
    #[error("the ciphertext has parameter set {found}, expected {expected}")]
    WrongParameters {
        /// The number expected.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// The image belongs to another key.
    #[error("the image was encrypted under another key, or damaged")]
    ForeignKey,
    /// Bytes are not the payload that they should be.
    #[error("the {what} is malformed: {reason}")]
    Payload {
        /// Encrypted image or encrypted result.
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
