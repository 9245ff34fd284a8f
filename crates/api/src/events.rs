//! Server-sent events, taken apart however the network has cut them.

/// The longest line, and the most data of one event: a job of 256 images has well under this.
pub const EVENT_MAX_BYTES: usize = 4 << 20;

/// A line or an event is longer than [`EVENT_MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {EVENT_MAX_BYTES} bytes")]
pub struct EventTooLong;

/// Finds the data of events in a stream. Their names and comments are passed over: there is one
/// kind of event.
#[derive(Debug, Default)]
pub struct EventParser {
    line: Vec<u8>,
    data: Vec<u8>,
}

impl EventParser {
    /// The data of the events that are complete with these bytes.
    ///
    /// # Errors
    /// An event is too long: what follows is not read.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, EventTooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            append(&mut self.line, piece)?;
            if !piece.ends_with(b"\n") {
                break;
            }
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    append(&mut self.data, b"\n")?;
                }
                append(&mut self.data, data.strip_prefix(b" ").unwrap_or(data))?;
            } else if line.is_empty() && !self.data.is_empty() {
                events.push(std::mem::take(&mut self.data));
            }
            self.line.clear();
        }
        Ok(events)
    }
}

fn append(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), EventTooLong> {
    if to.len() + bytes.len() > EVENT_MAX_BYTES {
        return Err(EventTooLong);
    }
    to.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_they_are_cut() {
        let text = b": hello\n\nevent: job\ndata: {\"a\":1}\n\nevent: job\r\ndata:one\r\ndata: two\r\n\r\nid: 1\n\ndata: open";
        for size in 1..=text.len() {
            let mut parser = EventParser::default();
            let cuts = text.chunks(size).map(|cut| parser.push(cut).unwrap());
            let events: Vec<Vec<u8>> = cuts.flatten().collect();
            assert_eq!(
                events,
                [&b"{\"a\":1}"[..], b"one\ntwo"],
                "in cuts of {size}"
            );
        }
    }

    #[test]
    fn what_does_not_end_is_not_kept_for_ever() {
        for endless in [&b"data: x\n"[..], b"data:\n", b": no line ends here", b"x"] {
            let mut parser = EventParser::default();
            let many = endless.repeat((64 << 10) / endless.len());
            let mut kept = Ok(Vec::new());
            // One byte more for each line of data at the least.
            for _ in 0..1000 {
                kept = parser.push(&many);
                if kept.is_err() {
                    break;
                }
                assert!(parser.line.len() + parser.data.len() <= 2 * EVENT_MAX_BYTES);
            }
            let is_nothing = endless == b"data:\n";
            assert_eq!(kept.is_err(), !is_nothing, "{endless:?}");
        }
    }
}
