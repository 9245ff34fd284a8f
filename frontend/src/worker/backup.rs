//! The key on paper and in a file: 24 words, or an age file under a passphrase.

use age::scrypt;
use age::secrecy::SecretString;
use bip39::{Language, Mnemonic};
use darkroom_fhe::keys::ClientKey;
use zeroize::{Zeroize, Zeroizing};

use super::trouble;
use crate::protocol::{Secret, Trouble};

/// The first line of the plaintext in a backup file; the second is the master, hexadecimal.
const FILE_MAGIC: &str = "darkroom key 1";
/// scrypt's work: 2^16 blocks of 1 KiB, so 64 MiB and a second or two in a browser.
const WORK_LOG2: u8 = 16;
/// The most work that a file may ask for: 256 MiB.
const WORK_LOG2_MAX: u8 = 18;
/// A backup file has a few hundred bytes.
const FILE_MAX_BYTES: usize = 64 * 1024;
const WORDS: usize = 24;

/// The 24 words of a key, BIP-39 in English.
pub(super) fn words(key: &ClientKey) -> Result<Vec<Secret>, Trouble> {
    let mnemonic = Mnemonic::from_entropy(key.danger_master())
        .map_err(|_| trouble::browser("The words could not be made."))?;
    Ok(mnemonic
        .words()
        .map(|word| Secret(word.to_owned()))
        .collect())
}

/// The key of 24 words, apart by anything but letters, in any case; four letters of each suffice.
pub(super) fn from_words(text: &Secret) -> Result<ClientKey, Trouble> {
    let mut whole = Zeroizing::new(String::with_capacity(text.0.len() + WORDS * 8));
    let typed = text
        .0
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty());
    let mut count = 0;
    for typed in typed {
        count += 1;
        let lower = Zeroizing::new(typed.to_lowercase());
        let word = full_word(&lower).ok_or_else(|| unknown_word(count))?;
        if count > 1 {
            whole.push(' ');
        }
        whole.push_str(word);
    }
    if count != WORDS {
        return Err(trouble::backup(
            format!("There are {count} words; a key has {WORDS}."),
            "Check that none is missing and none is there twice.",
        ));
    }
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &whole).map_err(|_| {
        trouble::backup(
            "These words do not belong together.",
            "Check their order, and compare each with your note: one is another word than it should be.",
        )
    })?;
    let mut entropy = Zeroizing::new(mnemonic.to_entropy());
    master(&mut entropy)
}

fn full_word(typed: &str) -> Option<&'static str> {
    let list = Language::English.word_list();
    if let Some(place) = Language::English.find_word(typed) {
        return list.get(usize::from(place)).copied();
    }
    let mut candidates = Language::English.words_by_prefix_iter(typed);
    let only = candidates.next().filter(|_| typed.len() >= 4);
    only.filter(|_| candidates.next().is_none())
}

fn unknown_word(place: usize) -> Trouble {
    trouble::backup(
        format!("Word {place} is not one of the words that keys are made of."),
        "Check how it is spelled.",
    )
}

/// The four words that name a key in public, from its id.
pub(super) fn fingerprint(id: [u8; 16]) -> Vec<String> {
    let bits = id
        .iter()
        .take(8)
        .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let list = Language::English.word_list();
    let word = |i: u32| list[(bits >> (64 - 11 * (i + 1)) & 0x7ff) as usize];
    (0..4).map(|i| word(i).to_owned()).collect()
}

/// An age file that holds the key under a passphrase.
pub(super) fn to_file(key: &ClientKey, passphrase: &Secret) -> Result<Vec<u8>, Trouble> {
    if passphrase.0.is_empty() {
        return Err(trouble::backup(
            "The passphrase is empty.",
            "Choose one, best of several words.",
        ));
    }
    let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.0.clone()));
    recipient.set_work_factor(WORK_LOG2);
    let hex = Zeroizing::new(hex::encode(key.danger_master()));
    let plain = Zeroizing::new(format!("{FILE_MAGIC}\n{}\n", *hex));
    age::encrypt(&recipient, plain.as_bytes())
        .map_err(|_| trouble::browser("The backup file could not be made."))
}

/// The key in a backup file.
pub(super) fn from_file(file: &[u8], passphrase: &Secret) -> Result<ClientKey, Trouble> {
    if file.len() > FILE_MAX_BYTES {
        return Err(not_a_backup());
    }
    let mut identity = scrypt::Identity::new(SecretString::from(passphrase.0.clone()));
    identity.set_max_work_factor(WORK_LOG2_MAX);
    let plain = Zeroizing::new(age::decrypt(&identity, file).map_err(|error| explain(&error))?);
    let text = std::str::from_utf8(&plain).map_err(|_| not_a_backup())?;
    let mut lines = text.lines();
    if lines.next() != Some(FILE_MAGIC) {
        return Err(not_a_backup());
    }
    let digits = lines.next().unwrap_or_default().trim_end();
    let mut bytes = Zeroizing::new(hex::decode(digits).map_err(|_| not_a_backup())?);
    master(&mut bytes)
}

fn explain(error: &age::DecryptError) -> Trouble {
    use age::DecryptError as E;
    match error {
        E::DecryptionFailed | E::KeyDecryptionFailed => trouble::backup(
            "The passphrase is not the one that this file was made with.",
            "Type it again; capital and small letters count.",
        ),
        E::ExcessiveWork { .. } => trouble::backup(
            "This file asks for more work than the page does for any of its own.",
            "Open it with the age program and make a new backup.",
        ),
        _ => not_a_backup(),
    }
}

fn not_a_backup() -> Trouble {
    trouble::backup(
        "This file is not a backup of a Darkroom key, or it is damaged.",
        "Choose the file that was saved when you backed up, or use the 24 words.",
    )
}

fn master(bytes: &mut [u8]) -> Result<ClientKey, Trouble> {
    let mut master: [u8; 32] = <[u8; 32]>::try_from(&*bytes).map_err(|_| not_a_backup())?;
    bytes.zeroize();
    let key = ClientKey::from_master(master);
    master.zeroize();
    Ok(key)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::protocol::TroubleKind;

    fn key() -> ClientKey {
        ClientKey::from_master(std::array::from_fn(|i| u8::try_from(i * 7 % 251).unwrap()))
    }

    fn spoken(words: &[Secret]) -> String {
        let words: Vec<&str> = words.iter().map(|word| word.0.as_str()).collect();
        words.join(" ")
    }

    fn refused(result: Result<ClientKey, Trouble>) -> String {
        let trouble = result.err().unwrap();
        assert_eq!(trouble.kind, TroubleKind::Backup);
        trouble.what
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn words_are_bip39_and_round_trip() {
        let zero = ClientKey::from_master([0; 32]);
        // The standard's own vector for 256 zero bits.
        assert_eq!(
            spoken(&words(&zero).unwrap()),
            format!("{}art", "abandon ".repeat(23))
        );
        let text = spoken(&words(&key()).unwrap());
        let again = from_words(&Secret(text)).unwrap();
        assert_eq!(again.danger_master(), key().danger_master());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn words_are_read_as_people_write_them() {
        let words = words(&key()).unwrap();
        let numbered = words.iter().enumerate();
        let short: String = numbered
            .map(|(i, word)| {
                let letters: String = word.0.chars().take(4).collect();
                format!("{}. {}\n", i + 1, letters.to_uppercase())
            })
            .collect();
        let again = from_words(&Secret(short)).unwrap();
        assert_eq!(again.danger_master(), key().danger_master());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn wrong_words_are_refused_with_their_place() {
        let text = spoken(&words(&key()).unwrap());
        let mut list: Vec<&str> = text.split(' ').collect();
        assert!(refused(from_words(&Secret(list[1..].join(" ")))).contains("23 words"));
        list.swap(0, 5);
        assert!(refused(from_words(&Secret(list.join(" ")))).contains("belong together"));
        list[6] = "darkroom";
        assert!(refused(from_words(&Secret(list.join(" ")))).starts_with("Word 7 "));
        assert!(refused(from_words(&Secret(String::new()))).contains("0 words"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn files_round_trip_and_keep_their_secret() {
        let pass = Secret("correct horse battery staple".into());
        let file = to_file(&key(), &pass).unwrap();
        assert!(file.starts_with(b"age-encryption.org/v1\n"));
        assert_eq!(
            from_file(&file, &pass).unwrap().danger_master(),
            key().danger_master()
        );
        assert!(refused(from_file(&file, &Secret("Correct".into()))).contains("passphrase"));
        assert!(refused(from_file(&file[..file.len() - 1], &pass)).contains("not a backup"));
        let mut damaged = file;
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert!(refused(from_file(&damaged, &pass)).contains("not a backup"));
        assert!(refused(from_file(b"PNG", &pass)).contains("not a backup"));
        assert_eq!(
            to_file(&key(), &Secret(String::new())).err().unwrap().kind,
            TroubleKind::Backup
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn files_that_ask_for_too_much_work_are_refused() {
        let pass = Secret("p".into());
        let file = to_file(&key(), &pass).unwrap();
        let text = String::from_utf8_lossy(&file[..120]).into_owned();
        let place = text.find(" 16\n").unwrap();
        let mut greedy = file;
        greedy[place + 1..place + 3].copy_from_slice(b"22");
        assert!(refused(from_file(&greedy, &pass)).contains("more work"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn other_age_files_are_not_keys() {
        let pass = Secret("p".into());
        let mut recipient = scrypt::Recipient::new(SecretString::from("p".to_owned()));
        recipient.set_work_factor(2);
        for plain in [
            "",
            "hello",
            "darkroom key 2\n00\n",
            "darkroom key 1\nzz\n",
            "darkroom key 1\n00\n",
        ] {
            let file = age::encrypt(&recipient, plain.as_bytes()).unwrap();
            assert!(
                refused(from_file(&file, &pass)).contains("not a backup"),
                "{plain:?}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn fingerprints_are_four_words_of_the_id() {
        assert_eq!(fingerprint([0; 16]), ["abandon"; 4]);
        assert_eq!(fingerprint([0xff; 16]), ["zoo"; 4]);
        let mut id = [0; 16];
        id[1] = 0b0010_0000;
        assert_eq!(
            fingerprint(id),
            ["ability", "abandon", "abandon", "abandon"]
        );
    }
}
