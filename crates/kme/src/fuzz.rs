//! What bytes from the network reach, for the fuzz targets: whether it was taken.

use std::io::{self, Read, Write};
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::config::{Blocks, Channel, Config, Link, PoolLimits, Role};
use crate::core::Core;
use crate::discussion::Discussion;
use crate::message::Message;
use crate::quantum::Pulses;
use crate::{alice, bob, etsi, session};

/// A message of the classical channel: what is read is written again as it was.
pub fn message(bytes: &[u8]) -> bool {
    let Some(message) = Message::from_bytes(bytes) else {
        return false;
    };
    // Bits past the end of a string do not count, so the bytes may differ; not what they mean.
    let again = message.to_bytes();
    assert_eq!(again.len(), bytes.len());
    assert!(Message::from_bytes(&again) == Some(message));
    true
}

/// The pulses of a block; the first two bytes say how many.
pub fn pulses(bytes: &[u8]) -> bool {
    let Some((count, bytes)) = bytes.split_first_chunk() else {
        return false;
    };
    let count = usize::from(u16::from_le_bytes(*count));
    let pulses = Pulses::from_bytes(bytes, count);
    pulses.is_some_and(|pulses| pulses.to_bytes().len() == bytes.len())
}

/// A request for keys: a body or a query.
pub fn request(bytes: &[u8]) -> bool {
    etsi::fuzz(bytes)
}

/// A connection on which all that is ever received is these bytes, cut into frames: a byte for the
/// kind, two for the length, then so many. Whether all of them were taken.
pub fn session(bytes: &[u8]) -> bool {
    let Some((&way, frames)) = bytes.split_first() else {
        return false;
    };
    let core = core(if way & 1 == 0 { Role::Alice } else { Role::Bob });
    let stream = Stream {
        received: framed(frames),
        at: 0,
    };
    if way & 2 == 0 {
        // As a stranger, who does not know the secret.
        return session::greet(core, stream).is_ok();
    }
    // As the other node itself: nothing of this channel is secret, so the tags can be left out.
    let mut talk = Discussion::new(stream, core.config.role);
    let ended = match core.config.role {
        Role::Alice => alice::talk(core, &mut talk),
        Role::Bob => bob::talk(core, &mut talk),
    };
    matches!(ended, Err(crate::Error::Io(_)))
}

fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let Some(([kind, low, high], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let body;
        (body, bytes) = rest.split_at(length.min(rest.len()));
        frames.extend_from_slice(&[*low, *high, 0, 0, *kind]);
        frames.extend_from_slice(body);
    }
    frames
}

fn core(role: Role) -> &'static Core {
    static CORES: OnceLock<[Core; 2]> = OnceLock::new();
    let [alice, bob] = CORES.get_or_init(|| {
        [Role::Alice, Role::Bob].map(|role| {
            let secret = Zeroizing::new(b"known to the two of us alone".to_vec());
            Core::with_secret(config(role), secret)
        })
    });
    match role {
        Role::Alice => alice,
        Role::Bob => bob,
    }
}

fn config(role: Role) -> Config {
    let (local, remote) = match role {
        Role::Alice => ("gateway", "storage"),
        Role::Bob => ("storage", "gateway"),
    };
    Config {
        role,
        channel: Channel {
            loss: 0.0,
            noise: 0.0,
            eavesdropper: false,
        },
        blocks: Blocks {
            pulses: 1 << 12,
            watch_ms: 0,
            retry_ms: 0,
            ..Blocks::default()
        },
        pool: PoolLimits {
            max_key_count: 60,
            max_key_per_request: 60,
        },
        links: vec![Link {
            local: local.to_owned(),
            remote: remote.to_owned(),
        }],
        ..Config::default()
    }
}

/// What comes is known before, what goes is forgotten.
struct Stream {
    received: Vec<u8>,
    at: usize,
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.received.get(self.at..).unwrap_or_default();
        let bytes = rest.read(into)?;
        self.at += bytes;
        Ok(bytes)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
