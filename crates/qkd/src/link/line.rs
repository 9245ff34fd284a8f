//! The line in which a request says where it belongs.

use std::fmt;
use std::str::FromStr;

use crate::message::{EPOCH_BYTES, EXCHANGE_BYTES, Mode};

/// What stands in [`super::LINK_HEADER`] of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub client: String,
    pub server: String,
    pub mode: Mode,
    pub exchange: [u8; EXCHANGE_BYTES],
    pub epoch: [u8; EPOCH_BYTES],
}

/// What stands there in an answer.
pub(super) const SEALED: &str = "1 sealed";

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Qkd => "qkd",
            Mode::Hybrid => "hybrid",
        };
        let (exchange, epoch) = (hex::encode(self.exchange), hex::encode(self.epoch));
        write!(
            f,
            "1 {mode} {} {} {exchange} {epoch}",
            self.client, self.server
        )
    }
}

impl FromStr for Line {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split(' ').collect();
        let ["1", mode, client, server, exchange, epoch] = parts[..] else {
            return Err(());
        };
        let mode = match mode {
            "qkd" => Mode::Qkd,
            "hybrid" => Mode::Hybrid,
            _ => return Err(()),
        };
        Ok(Self {
            client: client.to_owned(),
            server: server.to_owned(),
            mode,
            exchange: bytes(exchange)?,
            epoch: bytes(epoch)?,
        })
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], ()> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(drop)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written_and_others_refused() {
        let line = Line {
            client: "gateway".into(),
            server: "storage".into(),
            mode: Mode::Hybrid,
            exchange: [1; 16],
            epoch: [2; 16],
        };
        let text = line.to_string();
        assert_eq!(text.parse(), Ok(line));
        for other in [
            String::new(),
            text.replace("1 hybrid", "2 hybrid"),
            text.replace("hybrid", "off"),
            text.replace("01010101", "0101010"),
            format!("{text} more"),
            text.replace(' ', "  "),
        ] {
            assert!(other.parse::<Line>().is_err(), "{other}");
        }
    }
}
