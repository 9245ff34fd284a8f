//! What a client must know before its first message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::{ENCAPSULATION_KEY_BYTES, EPOCH_BYTES};

/// The answer of [`darkroom_api::routes::LINK`]. Nothing in it is secret, and nothing is trusted: a
/// false one gives messages that do not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The server's epoch, in hexadecimal digits.
    #[serde(serialize_with = "hex_digits", deserialize_with = "from_hex_digits")]
    pub epoch: [u8; EPOCH_BYTES],
    /// The epoch's ML-KEM-768 key, in base64.
    #[serde(serialize_with = "base64_text", deserialize_with = "from_base64_text")]
    pub encapsulation_key: Vec<u8>,
}

fn hex_digits<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&hex::encode(bytes))
}

fn from_hex_digits<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; EPOCH_BYTES], D::Error> {
    let text = String::deserialize(d)?;
    let mut bytes = [0; EPOCH_BYTES];
    hex::decode_to_slice(text, &mut bytes).map_err(serde::de::Error::custom)?;
    Ok(bytes)
}

fn base64_text<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64_text<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(d)?;
    let bytes = encapsulation_key(&text).ok_or("not an ML-KEM-768 key in base64");
    bytes.map_err(serde::de::Error::custom)
}

/// An encapsulation key from its text.
pub(super) fn encapsulation_key(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    (bytes.len() == ENCAPSULATION_KEY_BYTES).then_some(bytes)
}

/// And its text.
pub(super) fn encapsulation_key_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
