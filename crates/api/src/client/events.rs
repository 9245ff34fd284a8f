//! Server-sent events of a job.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Response;

use super::{ClientError, plain_url, unreachable};
use crate::compute::Job;
use crate::events::{EVENT_MAX_BYTES, EventParser};

type Chunks = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A job's states as they come.
pub struct JobEvents {
    url: String,
    chunks: Chunks,
    parser: EventParser,
    ready: VecDeque<Vec<u8>>,
}

impl JobEvents {
    pub(super) fn new(response: Response) -> Self {
        let url = plain_url(response.url());
        Self {
            url,
            chunks: Box::pin(response.bytes_stream()),
            parser: EventParser::default(),
            ready: VecDeque::new(),
        }
    }

    /// The next state; `None` when the service closed the stream.
    ///
    /// # Errors
    /// The connection broke (ask again), or the service sent what is not a job.
    pub async fn next(&mut self) -> Result<Option<Job>, ClientError> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return serde_json::from_slice(&data)
                    .map(Some)
                    .map_err(|error| self.odd(error));
            }
            let Some(chunk) = self.chunks.next().await else {
                return Ok(None);
            };
            let events = self.parser.push(&chunk.map_err(unreachable)?);
            let events = events.map_err(|_| ClientError::TooLarge {
                url: self.url.clone(),
                max_bytes: EVENT_MAX_BYTES,
            })?;
            self.ready.extend(events);
        }
    }

    fn odd(&self, error: serde_json::Error) -> ClientError {
        ClientError::Unexpected {
            url: self.url.clone(),
            detail: error.to_string(),
        }
    }
}
