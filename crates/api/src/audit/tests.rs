use super::*;

fn deed(at: u64) -> Deed {
    Deed {
        who: match at % 3 {
            0 => Who::Owner,
            1 => Who::Grant {
                id: "ab".repeat(16),
            },
            _ => Who::Token {
                id: TokenId([1; 16]),
                label: "Dr \"x\"".into(),
            },
        },
        act: Act::Read,
        what: Some(What::Object {
            kind: ObjectKind::Image,
            id: ObjectId([2; 16]),
        }),
        outcome: match at % 2 {
            0 => Outcome::Done,
            _ => Outcome::Refused(ProblemType::TokenRefused),
        },
    }
}

fn chain(length: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut previous_sha256 = EntryHash::default();
    for number in 1..=length {
        let entry = LogEntry {
            number,
            time_ms: 1000 + number,
            deed: deed(number),
            times: 1 + number % 2,
            previous_sha256,
        };
        let line = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<LogEntry>(&line).unwrap(), entry);
        previous_sha256 = EntryHash::of(&line);
        lines.push(line);
    }
    lines
}

fn check(from: Checkpoint, lines: &[String]) -> Result<Checkpoint, ChainError> {
    check_chain(from, lines.iter().map(String::as_str)).map(|(entries, last)| {
        assert_eq!(entries.len(), lines.len());
        last
    })
}

#[test]
fn a_whole_chain_holds_at_once_and_in_pages() {
    let lines = chain(9);
    let all = check(Checkpoint::default(), &lines).unwrap();
    assert_eq!(all.number, 9);
    let half = check(Checkpoint::default(), &lines[..4]).unwrap();
    assert_eq!(check(half, &lines[4..]).unwrap(), all);
    assert_eq!(check(all, &[]).unwrap(), all);
}

#[test]
fn altered_entries_are_found() {
    let lines = chain(6);
    let end = check(Checkpoint::default(), &lines).unwrap();
    for at in 0..lines.len() {
        let mut altered = lines.clone();
        // Another time, a space that means nothing, another hash: every byte counts.
        for (from, to) in [
            ("\"time_ms\":100", "\"time_ms\":200"),
            ("{", "{ "),
            ("sha256\":\"", "sha256\":\"f"),
        ] {
            altered[at] = lines[at].replacen(from, to, 1);
            assert_ne!(altered[at], lines[at]);
            match check(Checkpoint::default(), &altered) {
                Err(_) => {}
                // Only the last line can be altered unseen, and not by whoever kept its checkpoint.
                Ok(last) => assert!(at == 5 && last != end),
            }
        }
    }
}

#[test]
fn left_out_and_moved_entries_are_found() {
    let lines = chain(6);
    for at in 0..5 {
        let mut left_out = lines.clone();
        left_out.remove(at);
        let expected = at as u64 + 1;
        let found = expected + 1;
        let error = check(Checkpoint::default(), &left_out).unwrap_err();
        assert_eq!(error, ChainError::Number { expected, found });
        let mut moved = lines.clone();
        moved.swap(at, at + 1);
        assert!(check(Checkpoint::default(), &moved).is_err());
        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        assert!(check(Checkpoint::default(), &twice).is_err());
        // Renumbered so that nothing seems to be missing.
        let mut renumbered = left_out.clone();
        for (number, line) in renumbered.iter_mut().enumerate() {
            let mut entry: LogEntry = serde_json::from_str(line).unwrap();
            entry.number = number as u64 + 1;
            *line = serde_json::to_string(&entry).unwrap();
        }
        assert!(matches!(
            check(Checkpoint::default(), &renumbered),
            Err(ChainError::Broken { .. })
        ));
    }
    // Cut off at the end: seen by whoever knows a later place.
    let end = check(Checkpoint::default(), &lines).unwrap();
    assert!(check(end, &lines[5..]).is_err());
}

#[test]
fn a_kept_checkpoint_finds_a_rewritten_past() {
    let lines = chain(6);
    let seen = check(Checkpoint::default(), &lines[..3]).unwrap();
    let other = {
        let mut all = lines[..2].to_vec();
        let mut previous_sha256 = EntryHash::of(&all[1]);
        for number in 3..=6 {
            let entry = LogEntry {
                number,
                time_ms: 0,
                deed: deed(0),
                times: 1,
                previous_sha256,
            };
            let line = serde_json::to_string(&entry).unwrap();
            previous_sha256 = EntryHash::of(&line);
            all.push(line);
        }
        all
    };
    // In itself it is a chain.
    assert!(check(Checkpoint::default(), &other).is_ok());
    assert_eq!(
        check(seen, &other[3..]),
        Err(ChainError::Broken { number: 4 })
    );
}

#[test]
fn a_place_that_was_seen_is_found_in_a_whole_log_or_missed() {
    let lines = chain(6);
    let read =
        |from, lines: &[String]| check_chain(from, lines.iter().map(String::as_str)).unwrap();
    let places: Vec<_> = (0..=6)
        .map(|length| read(Checkpoint::default(), &lines[..length]).1)
        .collect();
    let (entries, end) = read(Checkpoint::default(), &lines);
    // What is kept of it once the first three were dropped.
    let (kept, _) = read(places[3], &lines[3..]);
    for seen in &places {
        assert_eq!(check_past(&entries, end, *seen), Ok(Past::Held));
        let expected = if seen.number < 3 {
            Past::Dropped
        } else {
            Past::Held
        };
        assert_eq!(check_past(&kept, end, *seen), Ok(expected));
        if seen.number > 0 {
            let sha256 = EntryHash([7; 32]);
            let other = Checkpoint { sha256, ..*seen };
            let number = seen.number + 1;
            let error = Err(ChainError::Broken { number });
            assert_eq!(check_past(&entries, end, other), error);
        }
    }
    let (short, its_end) = read(Checkpoint::default(), &lines[..4]);
    let error = Err(ChainError::CutOff { number: 6 });
    assert_eq!(check_past(&short, its_end, end), error);
    assert_eq!(check_past(&[], Checkpoint::default(), end), error);
    assert_eq!(check_past(&[], end, end), Ok(Past::Held));
}

#[test]
fn what_a_later_version_writes_is_still_read() {
    let line = format!(
        r#"{{"number":1,"time_ms":5,"who":"owner","act":"sing","outcome":{{"refused":"urn-x"}},"more":[1],"previous_sha256":"{}"}}"#,
        EntryHash::default()
    );
    let (entries, _) = check_chain(Checkpoint::default(), [line.as_str()]).unwrap();
    assert_eq!(entries[0].deed.act, Act::Other);
    assert_eq!(
        entries[0].deed.outcome,
        Outcome::Refused(ProblemType::Unknown)
    );
    let error = check_chain(Checkpoint::default(), ["[]"]).unwrap_err();
    assert_eq!(error, ChainError::Malformed { number: 1 });
}
