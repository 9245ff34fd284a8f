//! HTTP with as little work of the client's own as can be: what is measured is the server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Larger than any head of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;
const BUFFER_BYTES: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(120);

/// What the bytes go over.
pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// A connection that is kept.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// An answer, its content counted and forgotten.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub bytes: usize,
}

/// A socket to the server.
///
/// # Errors
/// Nobody listens there.
pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Connection {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Asks, and reads the answer to its end.
    ///
    /// # Errors
    /// The connection breaks, or what comes is not an answer of announced length.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        authorization: &str,
        body: &[u8],
    ) -> Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body)?;
        self.stream.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut filled = 0;
        let head = loop {
            let read = self.stream.read(&mut self.buffer[filled..HEAD_BYTES_MAX])?;
            ensure!(read > 0, "no answer, or one without an end of its head");
            filled += read;
            let mut found = self.buffer[..filled].windows(4);
            if let Some(end) = found.position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text.get(9..12).context("no status")?.parse()?;
        let bytes = match status {
            204 | 304 => 0,
            _ => content_length(text)?,
        };
        let mut left = bytes
            .checked_sub(filled - head)
            .context("more than announced")?;
        while left > 0 {
            let most = left.min(BUFFER_BYTES);
            let read = self.stream.read(&mut self.buffer[..most])?;
            ensure!(read > 0, "{left} bytes of the answer are missing");
            left -= read;
        }
        Ok(Answer { status, bytes })
    }
}

fn content_length(head: &str) -> Result<usize> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, value) = found.context("an answer without its length")?;
    Ok(value.trim().parse()?)
}
