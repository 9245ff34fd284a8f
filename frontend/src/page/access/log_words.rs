//! Entries of the log, in words.

use darkroom_api::audit::{Act, LogEntry, Outcome, What, Who};
use darkroom_api::header::ObjectKind;

/// What was done, by whom: a sentence.
pub fn sentence(entry: &LogEntry) -> String {
    let deed = &entry.deed;
    let who = match &deed.who {
        Who::Owner => "You".to_owned(),
        Who::Storage => "The server".to_owned(),
        Who::FormerOwner => "Someone with an old token of yours".to_owned(),
        Who::Token { label, .. } => format!("“{label}”"),
        Who::Grant { .. } => "Compute, with a permission".to_owned(),
    };
    let what = act(deed.act, deed.what.as_ref());
    let times = match entry.times {
        1 => String::new(),
        times => format!(", {times} times"),
    };
    match deed.outcome {
        Outcome::Done => format!("{who} {what}{times}."),
        Outcome::Refused(_) => format!("{who} was refused: {what}{times}."),
        Outcome::BrokenOff => format!("{who} {what}{times}, and broke off."),
    }
}

/// Whether somebody was refused.
pub fn is_refusal(entry: &LogEntry) -> bool {
    matches!(entry.deed.outcome, Outcome::Refused(_))
}

fn act(act: Act, what: Option<&What>) -> String {
    let kind = match what {
        Some(What::Object { kind, .. } | What::Collection(kind)) => Some(*kind),
        _ => None,
    };
    let one = match kind {
        Some(ObjectKind::Image) => "a picture",
        Some(ObjectKind::EvaluationKey) => "a part of the large key",
        Some(ObjectKind::Result) => "a result",
        None => "something",
    };
    let all = match kind {
        Some(ObjectKind::Image) => "the pictures",
        Some(ObjectKind::EvaluationKey) => "the parts of the large key",
        Some(ObjectKind::Result) => "the results",
        None => "what there is",
    };
    match act {
        Act::Open => "opened this place".into(),
        Act::Describe => "asked how full it is".into(),
        Act::DeleteVault => "tried to delete everything".into(),
        Act::List => format!("listed {all}"),
        Act::Read => format!("read {one}"),
        Act::Put => format!("stored {one}"),
        Act::Delete => format!("deleted {one}"),
        Act::PutNote => format!("wrote the sealed name of {one}"),
        Act::MintGrant => "gave compute a permission".into(),
        Act::RotateToken => "rotated the token".into(),
        Act::ListTokens => "listed the tokens for others".into(),
        Act::MakeToken => "made a token for others".into(),
        Act::RevokeToken => "revoked a token".into(),
        Act::ReadLog => "read this log".into(),
        Act::Expire => format!("deleted {one}, whose time was over"),
        Act::Other => "did something that this page does not know yet".into(),
    }
}

#[cfg(test)]
mod tests {
    use darkroom_api::audit::{Deed, EntryHash};
    use darkroom_api::ids::ObjectId;
    use darkroom_api::problem::ProblemType;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn entries_read_as_sentences() {
        let mut entry = LogEntry {
            number: 1,
            time_ms: 0,
            deed: Deed {
                who: Who::Owner,
                act: Act::Put,
                what: Some(What::Object {
                    kind: ObjectKind::Image,
                    id: ObjectId([1; 16]),
                }),
                outcome: Outcome::Done,
            },
            times: 3,
            previous_sha256: EntryHash::default(),
        };
        assert_eq!(sentence(&entry), "You stored a picture, 3 times.");
        entry.deed.outcome = Outcome::Refused(ProblemType::TokenRefused);
        entry.deed.who = Who::FormerOwner;
        let text = sentence(&entry);
        assert!(
            text.starts_with("Someone with an old token of yours was refused: "),
            "{text}"
        );
        assert!(is_refusal(&entry));
    }
}
