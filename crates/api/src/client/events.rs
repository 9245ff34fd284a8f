//! Server-sent events of a job.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Response;

use super::{ClientError, JSON_MAX_BYTES, plain_url, unreachable};
use crate::compute::Job;

type Chunks = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A job's states as they come.
pub struct JobEvents {
    url: String,
    chunks: Chunks,
    lines: EventLines,
}

impl JobEvents {
    pub(super) fn new(response: Response) -> Self {
        let url = plain_url(response.url());
        Self {
            url,
            chunks: Box::pin(response.bytes_stream()),
            lines: EventLines::default(),
        }
    }

    /// The next state; `None` when the service closed the stream.
    ///
    /// # Errors
    /// The connection broke (ask again), or the service sent what is not a job.
    pub async fn next(&mut self) -> Result<Option<Job>, ClientError> {
        loop {
            if let Some(data) = self.lines.next_data() {
                return serde_json::from_slice(&data)
                    .map(Some)
                    .map_err(|error| self.odd(error));
            }
            if self.lines.buffer.len() > JSON_MAX_BYTES {
                return Err(ClientError::TooLarge {
                    url: self.url.clone(),
                    max_bytes: JSON_MAX_BYTES,
                });
            }
            match self.chunks.next().await {
                Some(chunk) => self
                    .lines
                    .buffer
                    .extend_from_slice(&chunk.map_err(unreachable)?),
                None => return Ok(None),
            }
        }
    }

    fn odd(&self, error: serde_json::Error) -> ClientError {
        ClientError::Unexpected {
            url: self.url.clone(),
            detail: error.to_string(),
        }
    }
}

/// Cuts a byte stream into the data of its events; comments and other fields are passed over.
#[derive(Default)]
struct EventLines {
    buffer: Vec<u8>,
    data: Vec<u8>,
}

impl EventLines {
    fn next_data(&mut self) -> Option<Vec<u8>> {
        while let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = line.trim_ascii_end();
            if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data.trim_ascii_start());
            } else if line.is_empty() && !self.data.is_empty() {
                return Some(std::mem::take(&mut self.data));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_whatever_the_chunks() {
        let stream = b": hello\n\nevent: job\ndata: {\"a\":1}\n\ndata: 2\r\n\r\n: bye\n\n";
        for size in 1..stream.len() {
            let mut lines = EventLines::default();
            let mut seen = Vec::new();
            for chunk in stream.chunks(size) {
                lines.buffer.extend_from_slice(chunk);
                while let Some(data) = lines.next_data() {
                    seen.push(String::from_utf8(data).unwrap());
                }
            }
            assert_eq!(seen, ["{\"a\":1}", "2"]);
        }
    }
}
