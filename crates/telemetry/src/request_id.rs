//! The id that a request has in every service.

use std::fmt;

use http::HeaderName;

/// The header that carries it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const BYTES_MIN: usize = 8;
/// Less than a token has, so that none gets into a log in this way.
const BYTES_MAX: usize = 48;

/// The id of a request: 8 to 48 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Whoever asks may bring one of this form; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (BYTES_MIN..=BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain);
        fits.then(|| Self(text.to_owned()))
    }

    /// A new one: 128 random bits, hexadecimal.
    pub fn draw() -> Self {
        let mut bytes = [0; 16];
        // It proves nothing and opens nothing, so without randomness any will do.
        let _ = getrandom::fill(&mut bytes);
        Self(hex::encode(bytes))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_short_and_plain_is_taken() {
        for text in [
            "0123abcd",
            "018f3c1e-9f2b-7c3a-8d4e-5f6a7b8c9d0e",
            &"x".repeat(48),
        ] {
            assert_eq!(RequestId::parse(text).unwrap().as_str(), text);
        }
        let token = "0f".repeat(32);
        for text in [
            "",
            "short",
            "with space",
            "line\nfeed",
            "{\"json\":1}",
            &token,
        ] {
            assert_eq!(RequestId::parse(text), None, "{text:?}");
        }
        let drawn = RequestId::draw();
        assert_eq!(RequestId::parse(drawn.as_str()), Some(drawn.clone()));
        assert_ne!(drawn, RequestId::draw());
    }
}
