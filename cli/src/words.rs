//! The key as 24 words (BIP-39, English), the same as on the page.

use std::io::Read;
use std::path::Path;

use bip39::{Language, Mnemonic};
use darkroom_fhe::keys::ClientKey;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::key_file;

const WORDS: usize = 24;
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Prints the words of a key.
pub fn print(path: &Path) -> Result<(), Error> {
    let key = key_file::read(path)?;
    let words = Mnemonic::from_entropy(key.danger_master());
    let words = words.map_err(|error| Error::Backup(error.to_string()))?;
    let text = Zeroizing::new(words.words().collect::<Vec<_>>().join(" "));
    println!("{}", *text);
    Ok(())
}

/// Makes a key file of words on standard input.
pub fn restore(path: &Path, from_terminal: bool) -> Result<(), Error> {
    if from_terminal {
        eprintln!("Type the 24 words, then end with Ctrl-D on an empty line:");
    }
    let mut text = Zeroizing::new(String::new());
    let stdin = std::io::stdin().lock();
    let read = stdin.take(TEXT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|source| Error::Read {
        path: "standard input".into(),
        source,
    })?;
    let key = parse(&text)?;
    key_file::write(path, &key)?;
    key_file::announce(path, &key);
    Ok(())
}

/// The key of 24 words, apart by anything but letters, in any case; four letters of each suffice.
pub fn parse(text: &str) -> Result<ClientKey, Error> {
    let typed = text.split(|c: char| !c.is_alphabetic());
    let typed: Vec<&str> = typed.filter(|word| !word.is_empty()).collect();
    let mut whole = Zeroizing::new(String::with_capacity(WORDS * 10));
    for (place, word) in typed.iter().enumerate() {
        let lower = Zeroizing::new(word.to_lowercase());
        let word = full_word(&lower).ok_or_else(|| {
            let place = place + 1;
            Error::Backup(format!(
                "word {place} is not one of the words that keys are made of; check how it is spelled"
            ))
        })?;
        whole.push_str(word);
        whole.push(' ');
    }
    if typed.len() != WORDS {
        let count = typed.len();
        return Err(Error::Backup(format!(
            "there are {count} words, and a key has {WORDS}; check that none is missing or there twice"
        )));
    }
    let words =
        Mnemonic::parse_in_normalized(Language::English, whole.trim_end()).map_err(|_| {
            Error::Backup(
                "these words do not belong together; check their order and each of them".into(),
            )
        })?;
    let entropy = Zeroizing::new(words.to_entropy());
    let master = <[u8; 32]>::try_from(entropy.as_slice());
    let mut master = master.map_err(|_| Error::Backup("these words are not a key".into()))?;
    let key = ClientKey::from_master(master);
    master.zeroize();
    Ok(key)
}

fn full_word(typed: &str) -> Option<&'static str> {
    if let Some(place) = Language::English.find_word(typed) {
        return Language::English
            .word_list()
            .get(usize::from(place))
            .copied();
    }
    let mut fitting = Language::English.words_by_prefix_iter(typed);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) if typed.len() >= 4 => Some(only),
        _ => None,
    }
}

/// The four words that name a key in public, from its id; the page shows the same.
pub fn fingerprint(id: [u8; 16]) -> [&'static str; 4] {
    let list = Language::English.word_list();
    let bits = u128::from_be_bytes(id);
    // Eleven bits each, and the list has 2^11 words.
    [117, 106, 95, 84].map(|shift| list[(bits >> shift & 0x7ff) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_the_page() {
        assert_eq!(fingerprint([0; 16]), ["abandon"; 4]);
        assert_eq!(fingerprint([0xff; 16]), ["zoo"; 4]);
        let mut id = [0; 16];
        id[1] = 0b0010_0000;
        assert_eq!(
            fingerprint(id),
            ["ability", "abandon", "abandon", "abandon"]
        );
    }

    #[test]
    fn words_are_read_as_people_write_them() {
        // The standard's own vector for 256 zero bits.
        let zero = format!("{}art", "abandon ".repeat(23));
        assert_eq!(parse(&zero).unwrap().danger_master(), &[0; 32]);
        let numbered: String = (1..24).map(|i| format!("{i}. ABAN\n")).collect();
        let key = parse(&format!("{numbered}24. Art.")).unwrap();
        assert_eq!(key.danger_master(), &[0; 32]);
    }

    #[test]
    fn wrong_words_are_refused_with_their_place() {
        let refused = |text: String| parse(&text).err().unwrap().to_string();
        assert!(refused("abandon ".repeat(23)).contains("23 words"));
        assert!(refused("abandon ".repeat(24)).contains("belong together"));
        assert!(refused("abandon darkroom".into()).starts_with("word 2 "));
        assert!(refused(String::new()).contains("0 words"));
    }
}
