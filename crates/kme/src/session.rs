//! A session of two nodes: they greet, prove that they know the secret, and make blocks.

use std::io::{Read, Write};

use aws_lc_rs::digest;

use crate::amplify::Measured;
use crate::bits::Bits;
use crate::config::Role;
use crate::core::Core;
use crate::discussion::Discussion;
use crate::line::{Block, Outcome};
use crate::message::Message;
use crate::pool::{Epoch, KEY_BYTES, Key, key_id};
use crate::{Error, alice, bob, random};

/// Talks until the connection ends, which is always by an error.
pub(crate) fn run<S: Read + Write>(core: &Core, stream: S) -> Result<(), Error> {
    let mut talk = greet(core, stream)?;
    let result = match core.config.role {
        Role::Alice => alice::talk(core, &mut talk),
        Role::Bob => bob::talk(core, &mut talk),
    };
    core.line().connected = false;
    result
}

/// Both send a random number and what they have; then both prove that they know the secret.
pub(crate) fn greet<S: Read + Write>(core: &Core, stream: S) -> Result<Discussion<S>, Error> {
    let role = core.config.role;
    let mut talk = Discussion::new(stream, role);
    let (nonce, mine) = (random::bytes()?, core.pool().epoch());
    let agreement = core.agreement().to_string();
    let hello = Message::Hello {
        nonce,
        epoch: mine.id,
        blocks: mine.blocks,
        settings: agreement.clone(),
    };
    let answer = in_turn(role, &mut talk, &hello)?;
    let Message::Hello {
        nonce: other,
        epoch: id,
        blocks,
        settings,
    } = answer
    else {
        return Err(Error::protocol("no greeting"));
    };
    talk.authenticate(&core.secret);
    if in_turn(role, &mut talk, &Message::Proof {})? != (Message::Proof {}) {
        return Err(Error::protocol("no proof of the secret"));
    }
    agree(&agreement, &settings)?;
    let fresh = match role {
        Role::Alice => epoch_id(&nonce, &other),
        Role::Bob => epoch_id(&other, &nonce),
    };
    begin(core, Epoch { id, blocks }, fresh);
    Ok(talk)
}

/// Alice speaks first.
fn in_turn<S: Read + Write>(
    role: Role,
    talk: &mut Discussion<S>,
    message: &Message,
) -> Result<Message, Error> {
    match role {
        Role::Alice => {
            talk.send(message)?;
            talk.receive()
        }
        Role::Bob => {
            let received = talk.receive()?;
            talk.send(message)?;
            Ok(received)
        }
    }
}

fn agree(mine: &str, theirs: &str) -> Result<(), Error> {
    // Both are parsed, so that numbers are rounded alike.
    let parse = |text| {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
        parsed.map_err(|_| Error::protocol("settings that are no JSON"))
    };
    let (mine, theirs) = (parse(mine)?, parse(theirs)?);
    let differing: Vec<&str> = ["version", "links", "blocks", "pool"]
        .into_iter()
        .filter(|&name| mine[name] != theirs[name])
        .collect();
    match differing.is_empty() {
        true => Ok(()),
        false => Err(Error::Disagreement {
            what: differing.join(", "),
        }),
    }
}

fn epoch_id(alice: &[u8; 32], bob: &[u8; 32]) -> [u8; 16] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"darkroom kme epoch");
    context.update(alice);
    context.update(bob);
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    id
}

/// Where both still have the same keys they go on with them, else both drop theirs: after one of them
/// was started anew, or a connection broke just when a block was being put away.
fn begin(core: &Core, theirs: Epoch, fresh: [u8; 16]) {
    let mut pool = core.pool();
    let mine = pool.epoch();
    let kept = mine == theirs && mine != Epoch::default();
    if !kept {
        pool.begin(fresh);
    }
    drop(pool);
    let mut line = core.line();
    line.connected = true;
    line.sessions += 1;
    tracing::info!(kept, peer = core.config.peer.name, "a session begins");
}

/// A block on its way from photons to keys: what both ends know alike.
pub(crate) struct Sifted {
    /// This end's bits that were not shown.
    pub(crate) bits: Bits,
    pub(crate) measured: Measured,
}

impl Sifted {
    pub(crate) fn new(kept: &Bits, sample: &Bits, theirs: &Bits) -> Self {
        let (shown, bits) = (kept.pick(sample, true), kept.pick(sample, false));
        let measured = Measured {
            kept: bits.len(),
            sample: shown.len(),
            errors: shown.distance(theirs),
            leaked: 0,
        };
        Self { bits, measured }
    }

    /// Whether the block must go no further, judged by its errors.
    pub(crate) fn verdict(&self, core: &Core, make: bool) -> Option<Outcome> {
        let blocks = &core.config.blocks;
        if self.measured.sample > 0 && self.measured.error_rate() > blocks.abort_above {
            return Some(Outcome::Discarded);
        }
        // Correction will give away more than nothing: what is too short now will be then.
        if self.measured.secret_bits(blocks.epsilon) < 8 * KEY_BYTES {
            return Some(Outcome::TooShort);
        }
        (!make).then_some(Outcome::Watched)
    }

    pub(crate) fn report(&self, outcome: Outcome) -> Block {
        let measured = &self.measured;
        Block {
            number: 0,
            outcome,
            sifted_bits: measured.kept + measured.sample,
            sample_bits: measured.sample,
            errors: measured.errors,
            error_rate: measured.error_rate(),
            leaked_bits: measured.leaked,
            secret_bits: 0,
            keys: 0,
        }
    }
}

/// How many keys a string of this length makes: its first 256 bits go into the authentication.
pub(crate) fn keys_of(secret_bits: usize) -> u32 {
    let whole = secret_bits / (8 * KEY_BYTES);
    u32::try_from(whole.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// Cuts a string into keys.
pub(crate) fn cut<'a>(secret: &'a Bits, block: &'a [u8; 16]) -> impl Iterator<Item = Key> + 'a {
    (0..keys_of(secret.len())).filter_map(|index| {
        let start = (index as usize + 1) * KEY_BYTES / 8;
        Some(Key {
            id: key_id(block, index),
            secret: secret.bytes_at(start)?.into(),
        })
    })
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
