//! Bob's part: he measures and follows.

use std::io::{Read, Write};

use crate::amplify::{TAG_BITS, seed_bits, toeplitz};
use crate::bits::Bits;
use crate::cascade::{Question, correct};
use crate::core::Core;
use crate::discussion::Discussion;
use crate::line::{Block, Outcome};
use crate::message::Message;
use crate::session::{Sifted, cut, keys_of};
use crate::{Error, random};

/// Does what Alice begins.
pub(crate) fn talk<S: Read + Write>(core: &Core, talk: &mut Discussion<S>) -> Result<(), Error> {
    while !core.is_stopped() {
        match talk.receive()? {
            Message::Ask {} => {
                let rooms = core.pool().rooms();
                talk.send(&Message::Rooms { rooms })?;
            }
            Message::Begin { block: id, make } => {
                core.line().full = !make;
                let report = block(core, talk, &id, make)?;
                core.line().record(report);
            }
            _ => return Err(Error::protocol("no block was begun")),
        }
    }
    Ok(())
}

fn block<S: Read + Write>(
    core: &Core,
    talk: &mut Discussion<S>,
    id: &[u8; 16],
    make: bool,
) -> Result<Block, Error> {
    let mut sifted = exchange(core, talk)?;
    if let Some(outcome) = sifted.verdict(core, make) {
        return Ok(sifted.report(outcome));
    }
    let error_rate = sifted.measured.error_rate();
    let disclosed = correct(&mut sifted.bits, error_rate, random::bytes, |question| {
        ask(talk, question)
    })?;
    talk.send(&Message::Corrected {})?;
    sifted.measured.leaked = disclosed + TAG_BITS;
    if !verify(talk, &sifted.bits)? {
        return Ok(sifted.report(Outcome::Unequal));
    }
    let secret_bits = sifted.measured.secret_bits(core.config.blocks.epsilon);
    if keys_of(secret_bits) == 0 {
        return Ok(sifted.report(Outcome::TooShort));
    }
    let Message::Amplify { seed, shares } = talk.receive()? else {
        return Err(Error::protocol("no seed of the last hash"));
    };
    if seed.len() != seed_bits(sifted.bits.len(), secret_bits) {
        return Err(Error::protocol("another length of the keys"));
    }
    let secret = toeplitz(&sifted.bits, &seed, secret_bits);
    core.pool().add(&shares, cut(&secret, id));
    talk.send(&Message::Committed {})?;
    talk.refresh(&secret.bytes_at(0).ok_or(Error::Randomness)?);
    Ok(Block {
        secret_bits,
        keys: shares
            .iter()
            .fold(0, |sum, share| sum.saturating_add(*share)),
        ..sifted.report(Outcome::Keys)
    })
}

/// Measures in random bases, then sifting and the sample.
fn exchange<S: Read + Write>(core: &Core, talk: &mut Discussion<S>) -> Result<Sifted, Error> {
    let count = core.config.blocks.pulses;
    let bases = random::bits(count)?;
    let mut nature = random::nature()?;
    let mut pulses = talk.receive_pulses(count)?;
    if core.eavesdropper() {
        pulses = pulses.intercepted(&mut nature);
    }
    let (seen, outcomes) = pulses.measure(&bases, &mut nature);
    talk.send(&Message::Seen {
        bases: bases.pick(&seen, true),
        seen,
    })?;
    let Message::Sift { keep, sample, bits } = talk.receive()? else {
        return Err(Error::protocol("no sifting"));
    };
    let fits =
        keep.len() == outcomes.len() && sample.len() == keep.ones() && bits.len() == sample.ones();
    if !fits {
        return Err(Error::protocol("sifting of another length"));
    }
    let kept = outcomes.pick(&keep, true);
    talk.send(&Message::Sample {
        bits: kept.pick(&sample, true),
    })?;
    Ok(Sifted::new(&kept, &sample, &bits))
}

fn ask<S: Read + Write>(talk: &mut Discussion<S>, question: &Question) -> Result<Bits, Error> {
    talk.send(&match question.clone() {
        Question::Pass { seed, block } => Message::Pass { seed, block },
        Question::Ranges { pass, ranges } => Message::Ranges { pass, ranges },
    })?;
    match talk.receive()? {
        Message::Parities { parities } => Ok(parities),
        _ => Err(Error::protocol("no parities")),
    }
}

/// Compares the tags and says so.
fn verify<S: Read + Write>(talk: &mut Discussion<S>, bits: &Bits) -> Result<bool, Error> {
    let Message::Verify { seed, tag } = talk.receive()? else {
        return Err(Error::protocol("no tag to compare"));
    };
    if seed.len() != seed_bits(bits.len(), TAG_BITS) {
        return Err(Error::protocol("a tag of another length"));
    }
    let equal = toeplitz(bits, &seed, TAG_BITS).words()[0] == tag;
    talk.send(&Message::Verified { equal })?;
    Ok(equal)
}
