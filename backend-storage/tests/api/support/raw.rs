//! Requests byte by byte.

use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Owner;

/// A request as bytes, for what an HTTP client would not send.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub async fn connect(address: &str) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends until the other side does not take any more; whether it took all.
    pub async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The head of a request with the owner's token.
    pub fn head(owner: &Owner, method: &str, path: &str, more: &str) -> Vec<u8> {
        let token = owner.token.authorization();
        let head = "HTTP/1.1\r\nHost: x\r\nAuthorization:";
        format!("{method} {path} {head} {token}\r\n{more}\r\n").into_bytes()
    }

    /// Status, media type and body of the answer.
    pub async fn answer(&mut self) -> (u16, String, Vec<u8>) {
        let mut seen = Vec::new();
        let head_end = loop {
            if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(
                self.stream.read_buf(&mut seen).await.unwrap() > 0,
                "no answer"
            );
        };
        let head = String::from_utf8(seen[..head_end].to_vec())
            .unwrap()
            .to_lowercase();
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
                .unwrap_or_default()
        };
        let length: usize = field("content-length:").parse().unwrap_or(0);
        while seen.len() < head_end + length {
            assert!(
                self.stream.read_buf(&mut seen).await.unwrap() > 0,
                "the answer broke off"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (
            status,
            field("content-type:"),
            seen[head_end..head_end + length].to_vec(),
        )
    }

    /// The problem that answers the request.
    pub async fn refused(&mut self, kind: ProblemType) {
        let (status, media, body) = self.answer().await;
        let problem: Problem = serde_json::from_slice(&body)
            .unwrap_or_else(|_| panic!("{status} {:?}", String::from_utf8_lossy(&body)));
        assert_eq!(
            (problem.kind, status, media.as_str()),
            (kind, kind.status(), MEDIA_TYPE)
        );
    }
}
