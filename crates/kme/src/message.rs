//! What the two nodes say to each other in the open, and how it is written: a byte for the kind,
//! then the fields, numbers in little endian, lists with their length before them.

use crate::bits::Bits;

/// Defines the messages, and how they are written and read.
macro_rules! messages {
    ($($(#[$doc:meta])* $kind:literal $name:ident { $($field:ident: $type:ty),* })*) => {
        /// A message of the classical channel. All of them are public.
        #[derive(Clone, PartialEq, Eq)]
        pub(crate) enum Message {
            $($(#[$doc])* $name { $($field: $type),* },)*
        }

        impl Message {
            pub(crate) fn to_bytes(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                match self {
                    $(Self::$name { $($field),* } => {
                        bytes.push($kind);
                        $($field.put(&mut bytes);)*
                    })*
                }
                bytes
            }

            /// Nothing if it is no message, or more than one.
            pub(crate) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
                let bytes = &mut bytes;
                let message = match u8::take(bytes)? {
                    $($kind => Self::$name { $($field: <$type>::take(bytes)?),* },)*
                    _ => return None,
                };
                bytes.is_empty().then_some(message)
            }
        }
    };
}

messages! {
    /// The first message of each end. `epoch` and `blocks` say which keys it still has, `settings`
    /// (JSON) what both must have alike.
    1 Hello { nonce: [u8; 32], epoch: [u8; 16], blocks: u64, settings: String }
    /// The second message of each end: its tag proves that the sender knows the secret.
    2 Proof {}
    /// Alice asks how many keys Bob has room for.
    3 Ask {}
    /// For each lane in which Bob hands out keys.
    4 Rooms { rooms: Vec<u32> }
    /// Alice sends the pulses of a block next; with `make` to make keys of them, else only to see how
    /// many errors there are.
    5 Begin { block: [u8; 16], make: bool }
    /// Which pulses Bob saw, and in which bases he measured those.
    6 Seen { seen: Bits, bases: Bits }
    /// Which of the seen ones Alice sent in the same basis, which of those are the sample, and
    /// Alice's bits of the sample.
    7 Sift { keep: Bits, sample: Bits, bits: Bits }
    /// Bob's bits of the sample.
    8 Sample { bits: Bits }
    /// Cascade: begin a pass.
    9 Pass { seed: [u8; 32], block: u32 }
    /// Cascade: parities of these ranges, please.
    10 Ranges { pass: u8, ranges: Vec<(u32, u32)> }
    /// Cascade: the answer.
    11 Parities { parities: Bits }
    /// Cascade: Bob has no further question.
    12 Corrected {}
    /// Alice's tag of the corrected bits, by the hash of this seed.
    13 Verify { seed: Bits, tag: u64 }
    /// Whether Bob's is the same.
    14 Verified { equal: bool }
    /// The seed of the last hash, and how many of the keys go to which lane.
    15 Amplify { seed: Bits, shares: Vec<u32> }
    /// Bob has put the keys into his pool.
    16 Committed {}
}

trait Field: Sized {
    fn put(&self, bytes: &mut Vec<u8>);
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn put(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_le_bytes(*number))
            }
        }
    )*};
}

number!(u8, u32, u64);

impl Field for bool {
    fn put(&self, bytes: &mut Vec<u8>) {
        u8::from(*self).put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match u8::take(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<const N: usize> Field for [u8; N] {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (array, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*array)
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.0.put(bytes);
        self.1.put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::take(bytes)?, B::take(bytes)?))
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, bytes: &mut Vec<u8>) {
        put_length(self.len(), bytes);
        self.iter().for_each(|item| item.put(bytes));
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let length = u32::take(bytes)?;
        // Grows as items are found: the length alone reserves nothing.
        (0..length).map(|_| T::take(bytes)).collect()
    }
}

impl Field for String {
    fn put(&self, bytes: &mut Vec<u8>) {
        put_length(self.len(), bytes);
        bytes.extend_from_slice(self.as_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let length = u32::take(bytes)? as usize;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Self::from_utf8(text.to_vec()).ok()
    }
}

impl Field for Bits {
    fn put(&self, bytes: &mut Vec<u8>) {
        put_length(self.len(), bytes);
        self.words().iter().for_each(|word| word.put(bytes));
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let length = u32::take(bytes)? as usize;
        let words = (0..length.div_ceil(64)).map(|_| u64::take(bytes));
        Self::from_words(words.collect::<Option<_>>()?, length)
    }
}

fn put_length(length: usize, bytes: &mut Vec<u8>) {
    // Nothing here comes near it: frames are limited to less.
    u32::try_from(length).unwrap_or(u32::MAX).put(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written_and_no_part_of_them_is() {
        let mut bits = Bits::zeros(70);
        bits.set(69);
        let messages = [
            Message::Hello {
                nonce: [1; 32],
                epoch: [2; 16],
                blocks: 3,
                settings: "{\"ä\":1}".to_owned(),
            },
            Message::Proof {},
            Message::Sift {
                keep: bits.clone(),
                sample: Bits::zeros(0),
                bits,
            },
            Message::Ranges {
                pass: 1,
                ranges: vec![(1, 2), (3, u32::MAX)],
            },
            Message::Verified { equal: true },
        ];
        for message in messages {
            let bytes = message.to_bytes();
            assert!(Message::from_bytes(&bytes) == Some(message));
            for end in 0..bytes.len() {
                assert!(Message::from_bytes(&bytes[..end]).is_none());
            }
            assert!(Message::from_bytes(&[&bytes[..], &[0]].concat()).is_none());
        }
        assert!(Message::from_bytes(&[4, 255, 255, 255, 255]).is_none());
        assert!(Message::from_bytes(&[255]).is_none());
    }
}
