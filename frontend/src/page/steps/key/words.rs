//! Hints while recovery words are typed.

use bip39::{Language, Mnemonic};

/// How many words a key has.
pub const COUNT: usize = 24;

/// What can be said of the words so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// How many words there are.
    pub count: usize,
    /// Sentences about what is wrong.
    pub faults: Vec<String>,
    /// Whether they are a key.
    pub complete: bool,
}

/// Reads the words so far; the one still being typed is given the benefit of the doubt.
pub fn read(text: &str) -> Hints {
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .collect();
    let typing = text.chars().next_back().is_some_and(char::is_alphabetic);
    let mut faults = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let last = i + 1 == words.len();
        let begun = last
            && typing
            && Language::English
                .words_by_prefix_iter(word)
                .next()
                .is_some();
        if !begun && Language::English.find_word(word).is_none() {
            faults.push(unknown(i + 1, word));
        }
    }
    let mut complete = false;
    if words.len() > COUNT {
        faults.push(format!(
            "These are {} words, and a key has {COUNT}.",
            words.len()
        ));
    } else if words.len() == COUNT && faults.is_empty() {
        complete = Mnemonic::parse_in_normalized(Language::English, &words.join(" ")).is_ok();
        let all_known = words
            .iter()
            .all(|word| Language::English.find_word(word).is_some());
        if !complete && all_known {
            let fault = "All words are known, but together they are no key: one is another word, or two have changed places.";
            faults.push(fault.into());
        }
    }
    Hints {
        count: words.len(),
        faults,
        complete,
    }
}

fn unknown(place: usize, word: &str) -> String {
    let like = nearest(word);
    like.map_or_else(
        || format!("Word {place}, “{word}”, is not one of the words."),
        |like| format!("Word {place}, “{word}”, is not one of the words. Is it “{like}”?"),
    )
}

/// The word that a misspelt one is most like, if there is one.
fn nearest(word: &str) -> Option<&'static str> {
    let all = Language::English.word_list().iter().copied();
    let (steps, best) = all.map(|known| (distance(word, known), known)).min()?;
    (steps <= 2).then_some(best)
}

/// Letters to change, add or leave out to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_being_typed_is_not_a_fault_yet() {
        assert_eq!(read("abandon aba").faults, Vec::<String>::new());
        assert_eq!(read("abandon aba ").faults.len(), 1);
        assert_eq!(read("abandon xyzz").faults.len(), 1);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_slip_is_recognised() {
        let hints = read("1. Abandon, 2. abillity ");
        assert_eq!(hints.count, 2);
        assert_eq!(
            hints.faults,
            ["Word 2, “abillity”, is not one of the words. Is it “ability”?"]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn all_words_together_must_be_a_key() {
        let key = format!("{}art", "abandon ".repeat(23));
        assert!(read(&key).complete);
        let swapped = format!("art {}", "abandon ".repeat(23));
        let hints = read(&swapped);
        assert!(!hints.complete && hints.faults.len() == 1);
        assert_eq!(read(&format!("{key} zoo")).faults.len(), 1);
        assert!(!read(&"abandon ".repeat(24)).complete);
    }
}
