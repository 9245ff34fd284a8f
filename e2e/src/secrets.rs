//! Looks for secrets in what was sent, in every form in which they could have left.

use std::collections::BTreeSet;
use std::fmt::Write;

use aho_corasick::AhoCorasick;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret in one form.
#[derive(Clone)]
pub struct Form {
    /// Which secret and how it is written.
    pub name: String,
    /// All of it as it would travel.
    pub bytes: Vec<u8>,
    /// How many bytes in a row already give it away: 96 bits of the secret, or four words.
    telling: usize,
}

/// Secrets to look for.
#[derive(Clone, Default)]
pub struct Secrets {
    forms: Vec<Form>,
}

impl Secrets {
    /// Adds a secret made of bytes, such as a master key.
    pub fn add_bytes(&mut self, name: &str, secret: &[u8]) {
        self.add_written(name, secret, 12);
        let reversed: Vec<u8> = secret.iter().rev().copied().collect();
        self.add_written(&format!("{name} reversed"), &reversed, 12);
    }

    /// Adds a secret made of bits, such as a binary LWE key.
    pub fn add_bits(&mut self, name: &str, bits: &[bool]) {
        let packed = |place: fn(usize) -> usize| -> Vec<u8> {
            let byte = |chunk: &[bool]| {
                let set = chunk.iter().enumerate().filter(|(_, bit)| **bit);
                set.fold(0, |byte, (index, _)| byte | 1 << place(index))
            };
            bits.chunks(8).map(byte).collect()
        };
        self.add_written(
            &format!("{name} packed from the low bit"),
            &packed(|i| i),
            12,
        );
        self.add_written(
            &format!("{name} packed from the high bit"),
            &packed(|i| 7 - i),
            12,
        );

        let each = |width: usize, at: usize| -> Vec<u8> {
            let byte = |i: usize| u8::from(bits[i / width] && i % width == at);
            (0..bits.len() * width).map(byte).collect()
        };
        self.add_written(&format!("{name} a byte a bit"), &each(1, 0), 96);
        self.add_written(&format!("{name} a u32 a bit"), &each(4, 0), 96 * 4);
        self.add_written(&format!("{name} a u64 a bit"), &each(8, 0), 96 * 8);
        self.add_written(
            &format!("{name} a big-endian u64 a bit"),
            &each(8, 7),
            96 * 8,
        );
        let text: String = bits
            .iter()
            .map(|bit| if *bit { '1' } else { '0' })
            .collect();
        self.add_form(format!("{name} as 0 and 1"), text.into_bytes(), 96);
    }

    /// Adds a secret made of words, such as a recovery phrase.
    pub fn add_words(&mut self, name: &str, words: &[&str]) {
        let separators = [
            " ", "%20", "+", ",", ", ", "\n", "%0A", "-", "\",\"", "\", \"", "",
        ];
        for separator in separators {
            let text = words.join(separator);
            let telling = text.len() / words.len().max(1) * 4;
            self.add_form(
                format!("{name} joined by {separator:?}"),
                text.clone().into(),
                telling,
            );
        }
        self.add_written(&format!("{name} as text"), words.join(" ").as_bytes(), 24);
    }

    /// All forms.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// Prepares the search for all of them.
    ///
    /// # Errors
    /// There is too much to look for.
    pub fn search(&self) -> Result<Search> {
        // Any run of twice the telling length holds one of these pieces whole.
        let pieces = self.forms.iter().flat_map(|form| {
            let whole = form.bytes.chunks_exact(form.telling.min(form.bytes.len()));
            whole.map(move |piece| (form.name.clone(), piece))
        });
        let (names, pieces): (Vec<String>, Vec<&[u8]>) = pieces.unzip();
        Ok(Search {
            automaton: AhoCorasick::new(pieces)?,
            names,
        })
    }

    /// The bytes, and every usual way to write them as text.
    fn add_written(&mut self, name: &str, secret: &[u8], telling: usize) {
        self.add_form(format!("{name}, raw"), secret.to_vec(), telling);
        let lower = hex::encode(secret);
        let upper = lower.to_uppercase();
        self.add_form(format!("{name}, hex"), lower.into_bytes(), telling * 2);
        self.add_form(
            format!("{name}, upper-case hex"),
            upper.into_bytes(),
            telling * 2,
        );
        for start in 0..3 {
            // Wherever it stands in a longer text, a group of three begins at one of these.
            let groups = &secret[start.min(secret.len())..];
            let groups = &groups[..groups.len() / 3 * 3];
            let plain = STANDARD_NO_PAD.encode(groups);
            let escaped = plain.replace('+', "%2B").replace('/', "%2F");
            let url = URL_SAFE_NO_PAD.encode(groups);
            let telling = telling / 3 * 4;
            self.add_form(
                format!("{name}, base64 from {start}"),
                plain.into_bytes(),
                telling,
            );
            self.add_form(
                format!("{name}, base64 from {start} in a URL"),
                escaped.into(),
                telling,
            );
            self.add_form(
                format!("{name}, base64url from {start}"),
                url.into_bytes(),
                telling,
            );
        }
        let list = |before: &str, after: &str| {
            let numbers = secret.iter().map(|byte| format!("{before}{byte}{after}"));
            numbers.collect::<String>().into_bytes()
        };
        self.add_form(format!("{name}, numbers"), list("", ","), telling * 2);
        self.add_form(
            format!("{name}, numbers and spaces"),
            list("", ", "),
            telling * 3,
        );
        let mut percent = String::new();
        for byte in secret {
            // Writing to a String cannot fail.
            let _ = write!(percent, "%{byte:02X}");
        }
        self.add_form(
            format!("{name}, per cent"),
            percent.into_bytes(),
            telling * 3,
        );
        let text: String = secret.iter().copied().map(char::from).collect();
        self.add_form(format!("{name}, characters"), text.into_bytes(), telling);
    }

    fn add_form(&mut self, name: String, bytes: Vec<u8>, telling: usize) {
        self.forms.push(Form {
            name,
            bytes,
            telling,
        });
    }
}

/// A search for secrets in every form at once.
pub struct Search {
    automaton: AhoCorasick,
    names: Vec<String>,
}

impl Search {
    /// The names of the forms of which a telling part was sent.
    pub fn found_in(&self, sent: &[Vec<u8>]) -> BTreeSet<String> {
        let hits = sent
            .iter()
            .flat_map(|stream| self.automaton.find_overlapping_iter(stream));
        hits.map(|hit| self.names[hit.pattern().as_usize()].clone())
            .collect()
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({}, {} bytes)", self.name, self.bytes.len())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} forms)", self.forms.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern, from a fixed seed.
    fn bytes(seed: u64, count: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        (0..count).map(|_| next()).collect()
    }

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add_bytes("master", &bytes(1, 32));
        let bits: Vec<bool> = bytes(2, 2048).iter().map(|byte| byte & 1 == 1).collect();
        secrets.add_bits("key", &bits);
        let words: Vec<String> = (0..24)
            .map(|i| format!("{}word", char::from(b'a' + i)))
            .collect();
        secrets.add_words(
            "words",
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        secrets
    }

    #[test]
    fn every_form_is_found_whole_and_by_its_half() {
        let secrets = secrets();
        assert!(secrets.forms().len() > 100);
        let search = secrets.search().unwrap();
        for form in secrets.forms() {
            let mut sent = bytes(3, 1000);
            sent.extend_from_slice(&form.bytes);
            sent.extend(bytes(4, 1000));
            assert!(
                search.found_in(&[sent]).contains(&form.name),
                "{}",
                form.name
            );
            let (length, telling) = (form.bytes.len(), form.telling);
            let part = length / 4..length.min(length * 3 / 4 + telling);
            let half = form.bytes[part].to_vec();
            assert!(
                search.found_in(&[half]).contains(&form.name),
                "half {}",
                form.name
            );
        }
    }

    #[test]
    fn base64_is_found_wherever_the_secret_stands_in_the_text() {
        let search = secrets().search().unwrap();
        for before in 0..7 {
            let mut message = bytes(5, before);
            message.extend(bytes(1, 32));
            message.extend(bytes(6, 20));
            let sent = STANDARD_NO_PAD.encode(&message).into_bytes();
            let found = search.found_in(&[sent]);
            assert!(
                found.iter().any(|name| name.starts_with("master, base64")),
                "{before}: {found:?}"
            );
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let noise = bytes(7, 1 << 20);
        let text = hex::encode(bytes(8, 1 << 16)).into_bytes();
        let zeros = vec![0; 1 << 16];
        let found = secrets().search().unwrap().found_in(&[noise, text, zeros]);
        assert_eq!(found, BTreeSet::new());
    }
}
