//! Payloads of objects, as compute and the page read them.

use darkroom_fhe::wire::{EncryptedImage, EncryptedResult, KeyPart, evaluation_key};

use crate::{SMALL_BYTES, within};

/// An encrypted image: what is read is written as it was.
pub fn image_payload(bytes: &[u8]) -> bool {
    let taken = SETS.map(|set| {
        // Bodies of 40 bits become 64, while they are turned twice of them.
        let image = within(4 * bytes.len() + SMALL_BYTES, || {
            EncryptedImage::from_payload(set, bytes)
        });
        image.is_ok_and(|image| {
            assert_eq!(image.to_payload(), bytes);
            let announced = EncryptedImage::payload_bytes(image.width(), image.height());
            assert_eq!(announced, bytes.len() as u64);
            true
        })
    });
    taken.contains(&true)
}

/// An encrypted result: what is read is read again as the same.
pub fn result_payload(bytes: &[u8]) -> bool {
    let taken = SETS.map(|set| {
        // Elements of 20 bits become 64; classes and scores of the reading are larger than their text.
        let result = within(16 * bytes.len() + SMALL_BYTES, || {
            EncryptedResult::from_payload(set, bytes)
        });
        result.is_ok_and(|result| {
            let again = EncryptedResult::from_payload(set, &result.to_payload());
            assert!(again.is_ok_and(|again| {
                again.reading().scores.len() == result.reading().scores.len()
            }));
            true
        })
    });
    taken.contains(&true)
}

/// A part of an evaluation key. Whole ones have megabytes: the first byte says whether the rest is
/// one as it stands (0), or its beginning, which is repeated up to the length of such a part (1), or
/// to a byte more or less (2, 3).
pub fn key_part(bytes: &[u8]) -> bool {
    let Some((&form, beginning)) = bytes.split_first() else {
        return false;
    };
    let taken = SETS.map(|set| {
        let part = filled(set, form, beginning);
        let part = part.as_deref().unwrap_or(beginning);
        // Bodies of 18 bits become 64, while they are turned twice of them.
        let read = within(8 * part.len() + SMALL_BYTES, || {
            KeyPart::from_payload(set, part)
        });
        read.is_ok_and(|read| {
            let announced = evaluation_key::part_payload_bytes(set, read.index());
            assert_eq!(announced.ok(), Some(part.len() as u64));
            true
        })
    });
    taken.contains(&true)
}

/// The parameter sets, and numbers on both sides of them.
const SETS: [u32; 4] = [0, 1, 2, 3];

fn filled(set: u32, form: u8, beginning: &[u8]) -> Option<Vec<u8>> {
    let (head, pattern) = beginning.split_at_checked(40)?;
    let index = u16::from_le_bytes([head[2], head[3]]);
    let whole = evaluation_key::part_payload_bytes(set, index).ok()?;
    let whole = usize::try_from(whole).ok()?;
    let bytes = match form {
        1 => whole,
        2 => whole - 1,
        3 => whole + 1,
        _ => return None,
    };
    let zero = [0];
    let pattern = if pattern.is_empty() {
        &zero[..]
    } else {
        pattern
    };
    let mut part = head.to_vec();
    part.extend(pattern.iter().cycle().take(bytes - head.len()));
    Some(part)
}
