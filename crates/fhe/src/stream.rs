//! ChaCha20 streams: the masks and the noise of evaluation keys.
//!
//! Not the AES generator of the images: without AES instructions, as in a browser, it runs at 22 MB/s.

use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20::{ChaCha20, Key, Nonce};

/// What a stream is drawn for: streams of one seed and different purposes have nothing in common.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Masks of GGSWs.
    Bootstrap = 1,
    /// Masks of the keyswitch key from the image key.
    KeyswitchOfImages = 2,
    /// Masks of the keyswitch key from the network set's own GLWE key.
    KeyswitchOfLayers = 3,
    /// Noise. Its seed is secret.
    #[cfg(feature = "client")]
    Noise = 4,
}

/// Uniform numbers of 32 and 64 bits, little endian from the key stream of ChaCha20 (RFC 8439), whose
/// key is the seed and whose nonce is: parameter set u32, part u16, purpose u16, zero u32, little
/// endian.
pub(crate) struct Stream {
    cipher: ChaCha20,
}

const CHUNK_BYTES: usize = 4096;

impl Stream {
    pub(crate) fn new(seed: &[u8; 32], parameters: u32, part: u16, purpose: Purpose) -> Self {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&parameters.to_le_bytes());
        nonce[4..6].copy_from_slice(&part.to_le_bytes());
        nonce[6] = purpose as u8;
        let cipher = ChaCha20::new(&Key::from(*seed), &Nonce::from(nonce));
        Self { cipher }
    }

    /// Goes on from this byte of the stream.
    pub(crate) fn seek(&mut self, byte: u64) {
        // Within 2^32 blocks it cannot fail, and no key comes near.
        let _ = self.cipher.try_seek(byte);
    }

    /// The next numbers.
    pub(crate) fn fill_u64(&mut self, out: &mut [u64]) {
        let mut bytes = [0; CHUNK_BYTES];
        for out in out.chunks_mut(CHUNK_BYTES / 8) {
            let bytes = &mut bytes[..out.len() * 8];
            self.cipher.write_keystream(bytes);
            for (number, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *number = u64::from_le_bytes(*bytes);
            }
        }
    }

    /// The next numbers.
    pub(crate) fn fill_u32(&mut self, out: &mut [u32]) {
        let mut bytes = [0; CHUNK_BYTES];
        for out in out.chunks_mut(CHUNK_BYTES / 4) {
            let bytes = &mut bytes[..out.len() * 4];
            self.cipher.write_keystream(bytes);
            for (number, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *number = u32::from_le_bytes(*bytes);
            }
        }
    }
}
