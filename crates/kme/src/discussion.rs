//! The classical channel between the two nodes: public, but nobody can alter it unnoticed.
//!
//! Below it is mutual TLS. On top, each message carries HMAC-SHA256 of all messages of the session
//! so far, under a key made of a secret that both nodes were given in a file and of a random number
//! from each; after every block the key is made anew with 256 bits of that block. So whoever breaks
//! TLS or has a certificate, but not the secret, can neither alter, repeat nor leave out a message.
//! This rests on HMAC-SHA256, unlike a Wegman-Carter code, which would rest on nothing. The file is
//! never written, so the two ends cannot get out of step: a new session begins with the secret of the
//! file again.
//!
//! Pulses go over the same connection but are not part of this: a quantum channel has no tags, and
//! what is done to it shows as errors.

use std::io::{Read, Write};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use crate::Error;
use crate::config::Role;
use crate::message::Message;
use crate::quantum::Pulses;

/// The longest frame: more than the pulses of the largest block, or the seed of its last hash.
const FRAME_BYTES: usize = 8 << 20;
const TAG_BYTES: usize = 32;

/// Whether a frame is a message or pulses.
const CLASSICAL: u8 = 0;
const QUANTUM: u8 = 1;

/// One end of a session.
pub(crate) struct Discussion<S> {
    stream: S,
    role: Role,
    transcript: [u8; 32],
    key: Option<Zeroizing<[u8; 32]>>,
}

impl<S: Read + Write> Discussion<S> {
    pub(crate) fn new(stream: S, role: Role) -> Self {
        Self {
            stream,
            role,
            transcript: [0; 32],
            key: None,
        }
    }

    /// From here on messages carry tags. To be called once both nonces are in the transcript.
    pub(crate) fn authenticate(&mut self, secret: &[u8]) {
        let text: [&[u8]; 2] = [b"darkroom kme session", &self.transcript];
        self.key = Some(Zeroizing::new(mac(secret, &text)));
    }

    /// Takes 256 bits that only both ends know into the key.
    pub(crate) fn refresh(&mut self, fresh: &[u8; 32]) {
        if let Some(key) = &mut self.key {
            let text: [&[u8]; 2] = [b"darkroom kme refresh", fresh];
            *key = Zeroizing::new(mac(&key[..], &text));
        }
    }

    pub(crate) fn send(&mut self, message: &Message) -> Result<(), Error> {
        let mut body = message.to_bytes();
        self.remember(self.role, &body);
        if let Some(tag) = self.tag() {
            body.extend_from_slice(&tag);
        }
        self.send_frame(CLASSICAL, &body)
    }

    pub(crate) fn receive(&mut self) -> Result<Message, Error> {
        let mut body = self.receive_frame(CLASSICAL)?;
        let tag = match self.key {
            Some(_) => {
                let start = body.len().checked_sub(TAG_BYTES).ok_or(Error::Forged)?;
                body.split_off(start)
            }
            None => Vec::new(),
        };
        self.remember(self.role.other(), &body);
        if let Some(expected) = self.tag() {
            verify_slices_are_equal(&expected, &tag).map_err(|_| Error::Forged)?;
        }
        Message::from_bytes(&body).ok_or(Error::protocol("no message of this protocol"))
    }

    pub(crate) fn send_pulses(&mut self, pulses: &Pulses) -> Result<(), Error> {
        self.send_frame(QUANTUM, &pulses.to_bytes())
    }

    pub(crate) fn receive_pulses(&mut self, count: usize) -> Result<Pulses, Error> {
        let body = self.receive_frame(QUANTUM)?;
        Pulses::from_bytes(&body, count).ok_or(Error::protocol("not the pulses of a block"))
    }

    fn remember(&mut self, sender: Role, body: &[u8]) {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.transcript);
        context.update(&[u8::from(sender == Role::Alice)]);
        context.update(body);
        self.transcript.copy_from_slice(context.finish().as_ref());
    }

    fn tag(&self) -> Option<[u8; TAG_BYTES]> {
        let key = self.key.as_ref()?;
        Some(mac(&key[..], &[&self.transcript]))
    }

    fn send_frame(&mut self, kind: u8, body: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut frame = Vec::with_capacity(5 + body.len());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.push(kind);
        frame.extend_from_slice(body);
        self.stream.write_all(&frame)?;
        Ok(self.stream.flush()?)
    }

    fn receive_frame(&mut self, kind: u8) -> Result<Vec<u8>, Error> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [length @ .., found] = head;
        let length = u32::from_le_bytes(length) as usize;
        if length > FRAME_BYTES {
            return Err(Error::protocol("a frame that is too long"));
        }
        if found != kind {
            return Err(Error::protocol("pulses and messages out of turn"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }
}

fn mac(key: &[u8], text: &[&[u8]]) -> [u8; TAG_BYTES] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    text.iter().for_each(|part| context.update(part));
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}
