//! Alice's part: she leads.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::amplify::{TAG_BITS, seed_bits, toeplitz};
use crate::bits::Bits;
use crate::cascade::{Answerer, Question};
use crate::core::Core;
use crate::discussion::Discussion;
use crate::line::{Block, Outcome};
use crate::message::Message;
use crate::pool::shares;
use crate::quantum::{Basis, Fibre, Photon, Pulses};
use crate::session::{Sifted, cut, keys_of};
use crate::{Error, random};

/// How often Bob is asked whether he has room again. It also shows that the connection lives.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Blocks are made again when this part of a lane is empty, one in so many.
const ENOUGH: u32 = 16;

/// Makes blocks while there is room for keys; counts errors now and then while there is none.
pub(crate) fn talk<S: Read + Write>(core: &Core, talk: &mut Discussion<S>) -> Result<(), Error> {
    let settings = &core.config.blocks;
    let watch = Duration::from_millis(settings.watch_ms);
    // A block gives many keys: none is made for a few, and what was begun goes on until all is full.
    let enough = core.config.pool.max_key_count.div_ceil(ENOUGH);
    let mut make = true;
    let mut last = Instant::now();
    while !core.is_stopped() {
        let rooms = rooms(core, talk)?;
        let least = if make { 1 } else { enough };
        make = rooms.iter().any(|&room| room >= least);
        core.line().full = !make;
        if !make && last.elapsed() < watch {
            core.sleep(ASK_EVERY);
            continue;
        }
        let report = block(core, talk, &rooms, make)?;
        last = Instant::now();
        let outcome = report.outcome;
        core.line().record(report);
        if !matches!(outcome, Outcome::Keys | Outcome::Watched) {
            tracing::warn!(?outcome, "a block gave no keys");
            core.sleep(Duration::from_millis(settings.retry_ms));
        }
    }
    Ok(())
}

/// For each lane how many keys its master's end may still take.
fn rooms<S: Read + Write>(core: &Core, talk: &mut Discussion<S>) -> Result<Vec<u32>, Error> {
    talk.send(&Message::Ask {})?;
    let Message::Rooms { rooms } = talk.receive()? else {
        return Err(Error::protocol("no answer about room"));
    };
    let mine = core.pool().rooms();
    if mine.len() != rooms.len() {
        return Err(Error::protocol("another number of lanes"));
    }
    let both = mine.iter().zip(&rooms);
    Ok(both.map(|(mine, theirs)| (*mine).max(*theirs)).collect())
}

fn block<S: Read + Write>(
    core: &Core,
    talk: &mut Discussion<S>,
    rooms: &[u32],
    make: bool,
) -> Result<Block, Error> {
    let id = random::bytes()?;
    talk.send(&Message::Begin { block: id, make })?;
    let mut sifted = exchange(core, talk)?;
    if let Some(outcome) = sifted.verdict(core, make) {
        return Ok(sifted.report(outcome));
    }
    let (bits, disclosed) = answer(talk, std::mem::take(&mut sifted.bits))?;
    sifted.measured.leaked = disclosed + TAG_BITS;
    if !verify(talk, &bits)? {
        return Ok(sifted.report(Outcome::Unequal));
    }
    let secret_bits = sifted.measured.secret_bits(core.config.blocks.epsilon);
    if keys_of(secret_bits) == 0 {
        return Ok(sifted.report(Outcome::TooShort));
    }
    let seed = random::bits(seed_bits(bits.len(), secret_bits))?;
    let shares = shares(rooms, keys_of(secret_bits));
    let secret = toeplitz(&bits, &seed, secret_bits);
    talk.send(&Message::Amplify {
        seed,
        shares: shares.clone(),
    })?;
    if talk.receive()? != (Message::Committed {}) {
        return Err(Error::protocol("a block that was not put away"));
    }
    core.pool().add(&shares, cut(&secret, &id));
    talk.refresh(&secret.bytes_at(0).ok_or(Error::Randomness)?);
    Ok(Block {
        secret_bits,
        keys: shares.iter().sum(),
        ..sifted.report(Outcome::Keys)
    })
}

/// Photons in random states, then sifting and the sample.
fn exchange<S: Read + Write>(core: &Core, talk: &mut Discussion<S>) -> Result<Sifted, Error> {
    let count = core.config.blocks.pulses;
    let (bits, bases) = (random::bits(count)?, random::bits(count)?);
    talk.send_pulses(&emit(core, &bits, &bases)?)?;
    let Message::Seen {
        seen,
        bases: theirs,
    } = talk.receive()?
    else {
        return Err(Error::protocol("nothing was seen"));
    };
    if seen.len() != count || theirs.len() != seen.ones() {
        return Err(Error::protocol("another number of pulses was seen"));
    }
    let (bits, bases) = (bits.pick(&seen, true), bases.pick(&seen, true));
    let mut keep = Bits::zeros(bases.len());
    for (index, (mine, theirs)) in bases.iter().zip(theirs.iter()).enumerate() {
        if mine == theirs {
            keep.set(index);
        }
    }
    let kept = bits.pick(&keep, true);
    let sample = choose_sample(kept.len(), core.config.blocks.sample)?;
    talk.send(&Message::Sift {
        keep,
        bits: kept.pick(&sample, true),
        sample: sample.clone(),
    })?;
    let Message::Sample { bits: theirs } = talk.receive()? else {
        return Err(Error::protocol("no sample"));
    };
    if theirs.len() != sample.ones() {
        return Err(Error::protocol("another number of bits in the sample"));
    }
    Ok(Sifted::new(&kept, &sample, &theirs))
}

/// What of the photons leaves this end of the fibre.
fn emit(core: &Core, bits: &Bits, bases: &Bits) -> Result<Pulses, Error> {
    let mut nature = random::nature()?;
    let channel = &core.config.channel;
    let fibre = Fibre::new(channel.loss, channel.noise);
    let photons = bits.iter().zip(bases.iter());
    let photons = photons.map(|(bit, basis)| Photon::prepare(Basis::from(basis), bit));
    let pulses: Pulses = match core.eavesdropper() {
        true => {
            let sent: Pulses = photons.map(Some).collect();
            sent.intercepted(&mut nature).carried(fibre, &mut nature)
        }
        false => photons
            .map(|photon| fibre.carry(photon, &mut nature))
            .collect(),
    };
    Ok(pulses)
}

/// A random part of the kept bits, chosen when the photons have been measured.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn choose_sample(kept: usize, part: f64) -> Result<Bits, Error> {
    let mut rng = ChaCha20Rng::from_seed(random::bytes()?);
    let size = (kept as f64 * part).floor() as usize;
    let mut sample = Bits::zeros(kept);
    for index in rand::seq::index::sample(&mut rng, kept, size.min(kept)) {
        sample.set(index);
    }
    Ok(sample)
}

/// Answers Bob's questions; the bits, and how many of them were given away.
fn answer<S: Read + Write>(talk: &mut Discussion<S>, bits: Bits) -> Result<(Bits, usize), Error> {
    let mut answerer = Answerer::new(bits);
    loop {
        let question = match talk.receive()? {
            Message::Pass { seed, block } => Question::Pass { seed, block },
            Message::Ranges { pass, ranges } => Question::Ranges { pass, ranges },
            Message::Corrected {} => {
                let disclosed = answerer.disclosed();
                return Ok((answerer.into_bits(), disclosed));
            }
            _ => return Err(Error::protocol("no question about parities")),
        };
        let parities = answerer.answer(&question);
        let parities = parities.ok_or(Error::protocol("a question without sense"))?;
        talk.send(&Message::Parities { parities })?;
    }
}

/// Whether Bob's bits are the same.
fn verify<S: Read + Write>(talk: &mut Discussion<S>, bits: &Bits) -> Result<bool, Error> {
    let seed = random::bits(seed_bits(bits.len(), TAG_BITS))?;
    let tag = toeplitz(bits, &seed, TAG_BITS).words()[0];
    talk.send(&Message::Verify { seed, tag })?;
    match talk.receive()? {
        Message::Verified { equal } => Ok(equal),
        _ => Err(Error::protocol("no comparison")),
    }
}
