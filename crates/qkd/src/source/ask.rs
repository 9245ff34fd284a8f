//! What sources that are asked by HTTP have in common.

use std::collections::{HashSet, VecDeque};

use base64::Engine;
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::SourceError;
use crate::key::{KEY_BYTES, KeyId};

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Ids of keys that are remembered, so that none is taken twice.
const REMEMBERED: usize = 4096;
/// The most of a source's own words that is passed on.
const DETAIL_CHARS: usize = 200;

/// The ids of the newest keys.
#[derive(Debug, Default)]
pub(super) struct Taken {
    ids: HashSet<KeyId>,
    order: VecDeque<KeyId>,
}

impl Taken {
    /// Whether it came before.
    pub(super) fn has(&self, id: KeyId) -> bool {
        self.ids.contains(&id)
    }

    /// Whether it is new.
    pub(super) fn note(&mut self, id: KeyId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

/// Why a question has no answer.
pub(super) enum Trouble {
    /// The source says no.
    Refused { status: StatusCode, detail: String },
    /// It says nothing, or nothing that is understood.
    Failed(SourceError),
}
use Trouble::{Failed, Refused};

/// What a source answers.
pub(super) async fn ask<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Trouble> {
    let answer = request
        .send()
        .await
        .map_err(|error| Failed(unreachable(&error)))?;
    let status = answer.status();
    let mut body = Zeroizing::new(Vec::new());
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece: Bytes = piece.map_err(|error| Failed(unreachable(&error)))?;
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            let detail = format!("an answer of more than {ANSWER_BYTES_MAX} bytes");
            return Err(Failed(unexpected(detail)));
        }
        body.extend_from_slice(&piece);
    }
    read(status, &body)
}

/// What an answer says.
pub(super) fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, Trouble> {
    if !status.is_success() {
        let detail = message(status, body);
        return Err(Refused { status, detail });
    }
    // The parser's own words could show a key.
    let parsed = serde_json::from_slice(body);
    parsed.map_err(|_| Failed(unexpected("an answer of another form".to_owned())))
}

fn message(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Words {
        message: String,
    }
    let words = serde_json::from_slice(body).map(|Words { message }| message);
    let words: String = words
        .unwrap_or_default()
        .chars()
        .take(DETAIL_CHARS)
        .collect();
    match words.is_empty() {
        true => format!("status {status}"),
        false => words,
    }
}

fn unreachable(error: &reqwest::Error) -> SourceError {
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        detail = inner.to_string();
        source = inner.source();
    }
    SourceError::Unreachable { detail }
}

pub(super) fn unexpected(detail: String) -> SourceError {
    SourceError::Unexpected { detail }
}

/// A key's bytes from base64.
pub(super) fn secret(
    text: &str,
    engine: &impl Engine,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, SourceError> {
    let bytes = engine.decode(text).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| unexpected("a key that is not base64".to_owned()))?;
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    if bytes.len() != secret.len() {
        return Err(unexpected(format!(
            "a key of {} bytes came, {KEY_BYTES} were asked for",
            bytes.len()
        )));
    }
    secret.copy_from_slice(&bytes);
    Ok(secret)
}
