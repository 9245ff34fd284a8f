//! Whole sessions between two ends in one process, without TLS.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::*;
use crate::config::{Blocks, Channel, Config, Link, PoolLimits};

fn config(role: Role, noise: f64) -> Config {
    let (local, remote) = match role {
        Role::Alice => ("gateway", "storage"),
        Role::Bob => ("storage", "gateway"),
    };
    Config {
        role,
        channel: Channel {
            loss: 0.3,
            noise,
            eavesdropper: false,
        },
        blocks: Blocks {
            pulses: 1 << 16,
            watch_ms: 50,
            retry_ms: 10,
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

fn core(role: Role, noise: f64) -> Arc<Core> {
    with_config(config(role, noise))
}

fn with_config(config: Config) -> Arc<Core> {
    let secret = Zeroizing::new(b"a secret that only the two of us know".to_vec());
    Arc::new(Core::with_secret(config, secret))
}

struct Results(Result<(), Error>, Result<(), Error>);

/// Talks over `streams` until `done`, then stops both.
fn talk(
    alice: &Arc<Core>,
    bob: &Arc<Core>,
    streams: (UnixStream, UnixStream),
    done: impl Fn() -> bool,
) -> Results {
    let run = |core: &Arc<Core>, stream: UnixStream| {
        let core = Arc::clone(core);
        // Dropped at the end, so that the other end ends too.
        thread::spawn(move || run(&core, stream))
    };
    let threads = (run(alice, streams.0), run(bob, streams.1));
    let began = Instant::now();
    while !(done() || threads.0.is_finished() || threads.1.is_finished()) {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing came");
        thread::sleep(Duration::from_millis(2));
    }
    alice.stop();
    bob.stop();
    Results(threads.0.join().unwrap(), threads.1.join().unwrap())
}

fn stored(core: &Core) -> usize {
    let pool = core.pool();
    pool.stored(0) + pool.stored(1)
}

fn full(core: &Core) -> bool {
    let lanes = [0, 1];
    lanes.iter().all(|&lane| core.pool().stored(lane) >= 60)
}

fn newest(core: &Core, outcome: Outcome) -> Option<Block> {
    let blocks = core.line().newest();
    blocks.into_iter().find(|block| block.outcome == outcome)
}

/// Alice gives the keys of one lane and Bob finds the same by name, and the other way round.
fn assert_same_keys(alice: &Core, bob: &Core) {
    for (lane, master, slave) in [(0, alice, bob), (1, bob, alice)] {
        let given = master.pool().take(lane, 60).unwrap();
        let ids: Vec<_> = given.iter().map(|key| key.id).collect();
        let found = slave.pool().take_named(lane, &ids).unwrap();
        for (given, found) in given.iter().zip(&found) {
            assert_eq!((given.id, *given.secret), (found.id, *found.secret));
        }
        let mut secrets: Vec<_> = given.iter().map(|key| *key.secret).collect();
        secrets.sort_unstable();
        secrets.dedup();
        assert_eq!(secrets.len(), 60);
    }
}

#[test]
fn both_ends_make_the_same_keys_and_as_many_as_the_formula_gives() {
    for noise in [0.0, 0.03] {
        let (alice, bob) = (core(Role::Alice, noise), core(Role::Bob, noise));
        let streams = UnixStream::pair().unwrap();
        talk(&alice, &bob, streams, || full(&alice) && full(&bob));
        let made = newest(&alice, Outcome::Keys).unwrap();
        for mine in alice.line().newest() {
            if mine.outcome != Outcome::Keys {
                continue;
            }
            let measured = Measured {
                kept: mine.sifted_bits - mine.sample_bits,
                sample: mine.sample_bits,
                errors: mine.errors,
                leaked: mine.leaked_bits,
            };
            assert_eq!(mine.secret_bits, measured.secret_bits(1e-10));
        }
        assert!(made.keys <= keys_of(made.secret_bits));
        if noise == 0.0 {
            assert_eq!(made.errors, 0);
        } else {
            let sigma = (noise * (1.0 - noise) / made.sample_bits as f64).sqrt();
            assert!((made.error_rate - noise).abs() < 5.0 * sigma, "{made:?}");
        }
        assert_same_keys(&alice, &bob);
    }
}

#[test]
fn who_intercepts_is_seen_and_no_keys_are_made_until_they_stop() {
    for end in [Role::Alice, Role::Bob] {
        let (alice, bob) = (core(Role::Alice, 0.0), core(Role::Bob, 0.0));
        let there = if end == Role::Alice { &alice } else { &bob };
        there.set_eavesdropper(true);
        let streams = UnixStream::pair().unwrap();
        talk(&alice, &bob, streams, || {
            if alice.line().newest().len() >= 10 && there.eavesdropper() {
                assert!(alice.line().suspected());
                assert_eq!(stored(&alice) + stored(&bob), 0);
                let blocks = alice.line().newest();
                let errors: usize = blocks.iter().map(|block| block.errors).sum();
                let sample: usize = blocks.iter().map(|block| block.sample_bits).sum();
                let sigma = (sample as f64 * 0.25 * 0.75).sqrt();
                assert!((errors as f64 - sample as f64 / 4.0).abs() < 5.0 * sigma);
                there.set_eavesdropper(false);
            }
            full(&alice) && full(&bob)
        });
        assert!(!alice.line().suspected() && !bob.line().suspected());
        assert_same_keys(&alice, &bob);
    }
}

#[test]
fn a_full_pool_is_watched_and_takes_no_more() {
    let (alice, bob) = (core(Role::Alice, 0.0), core(Role::Bob, 0.0));
    let watched = || newest(&alice, Outcome::Watched).is_some();
    talk(&alice, &bob, UnixStream::pair().unwrap(), || {
        full(&alice) && full(&bob) && watched()
    });
    assert!(watched());
    assert_eq!(alice.pool().stored(0), 60);
    assert_eq!(bob.pool().stored(1), 60);
}

/// Carries frames from one stream to the other and flips a bit of the last byte of one of them.
fn carry(mut from: UnixStream, mut to: UnixStream, tamper: Option<usize>) {
    for number in 0.. {
        let mut head = [0; 5];
        if from.read_exact(&mut head).is_err() {
            break;
        }
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let mut body = vec![0; length as usize];
        if from.read_exact(&mut body).is_err() {
            break;
        }
        if tamper == Some(number) {
            let place = body.len() / 2;
            body[place] ^= 1;
        }
        if to.write_all(&[&head[..], &body].concat()).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn tampered(from_alice: Option<usize>, from_bob: Option<usize>) -> (UnixStream, UnixStream) {
    let (alice, near) = UnixStream::pair().unwrap();
    let (bob, far) = UnixStream::pair().unwrap();
    let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
    thread::spawn(move || carry(near, far, from_alice));
    thread::spawn(move || carry(back.0, back.1, from_bob));
    (alice, bob)
}

#[test]
fn an_altered_message_ends_the_session_without_keys() {
    // From Alice: greeting, proof, asking, begin, pulses, sifting, parities...; from Bob: greeting,
    // proof, room, seen, sample, passes...
    for frame in [0, 1, 2, 3, 5, 6, 9] {
        for (from_alice, from_bob) in [(Some(frame), None), (None, Some(frame))] {
            let (alice, bob) = (core(Role::Alice, 0.01), core(Role::Bob, 0.01));
            let streams = tampered(from_alice, from_bob);
            let results = talk(&alice, &bob, streams, || false);
            let (receiver, sender) = match from_alice {
                Some(_) => (results.1, results.0),
                None => (results.0, results.1),
            };
            // Greetings carry no tag yet: the proof after them covers both, and fails.
            let seen = match frame {
                0 => receiver.is_err() && sender.is_err(),
                _ => matches!(receiver, Err(Error::Forged)),
            };
            assert!(seen, "{frame}: {receiver:?} {sender:?}");
            for core in [&alice, &bob] {
                assert_eq!(stored(core), 0);
            }
        }
    }
}

#[test]
fn altered_pulses_are_noise_and_no_forgery() {
    let (alice, bob) = (core(Role::Alice, 0.0), core(Role::Bob, 0.0));
    talk(&alice, &bob, tampered(Some(4), None), || {
        full(&alice) && full(&bob)
    });
    assert_same_keys(&alice, &bob);
}

#[test]
fn who_has_another_secret_or_other_settings_is_no_peer() {
    let alice = core(Role::Alice, 0.0);
    let other = Zeroizing::new(b"another secret of the same length....".to_vec());
    let bob = Arc::new(Core::with_secret(config(Role::Bob, 0.0), other));
    let Results(_, refused) = talk(&alice, &bob, UnixStream::pair().unwrap(), || false);
    assert!(matches!(refused, Err(Error::Forged)), "{refused:?}");

    let mut differing = config(Role::Bob, 0.0);
    differing.blocks.epsilon = 1e-9;
    differing.links[0].remote = "another".to_owned();
    let (alice, bob) = (core(Role::Alice, 0.0), with_config(differing));
    let Results(_, refused) = talk(&alice, &bob, UnixStream::pair().unwrap(), || false);
    let message = refused.unwrap_err().to_string();
    assert!(message.ends_with("links, blocks"), "{message}");
}

#[test]
fn keys_outlive_a_connection_but_not_a_node() {
    let first = (core(Role::Alice, 0.0), core(Role::Bob, 0.0));
    talk(&first.0, &first.1, UnixStream::pair().unwrap(), || {
        full(&first.0) && full(&first.1)
    });
    // The same two again: what they have in common, if anything, is kept.
    let epochs = (first.0.pool().epoch(), first.1.pool().epoch());
    greet_both(&first.0, &first.1);
    assert_eq!(epochs.0 == epochs.1, full(&first.0) && full(&first.1));
    // One of them anew: both begin with nothing.
    let anew = core(Role::Bob, 0.0);
    greet_both(&first.0, &anew);
    assert_eq!(stored(&first.0), 0);
    assert_eq!(first.0.pool().epoch(), anew.pool().epoch());
}

fn greet_both(alice: &Arc<Core>, bob: &Arc<Core>) {
    let (a, b) = UnixStream::pair().unwrap();
    let there = Arc::clone(bob);
    let other = thread::spawn(move || greet(&there, b).map(drop));
    greet(alice, a).map(drop).unwrap();
    other.join().unwrap().unwrap();
}
