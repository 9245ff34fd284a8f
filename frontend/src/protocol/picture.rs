//! Pictures on their way to and from encryption.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A grey picture: what is encrypted, and what comes out of decryption.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grey {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Row after row from the top, 0 black to 255 white.
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
}

impl fmt::Debug for Grey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grey({}x{})", self.width, self.height)
    }
}

/// A file made ready for a model's frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Exactly what would be encrypted.
    pub picture: Grey,
    /// Whether it was made upright, as handwriting.
    pub straightened: bool,
    /// Whether the file is dark on light: most of its edge is bright.
    pub dark_on_light: bool,
    /// The file's own width.
    pub original_width: u32,
    /// The file's own height.
    pub original_height: u32,
}
