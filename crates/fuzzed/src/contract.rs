//! The contract between the services: objects, bodies, events, logs.

use std::fmt::Debug;

use darkroom_api::access::{TokenInfo, TokenList, TokenRequest, TokenRotation};
use darkroom_api::audit::{Checkpoint, LogEntry, LogPage, check_chain};
use darkroom_api::compute::{Catalogue, Job, JobList, ModelCard, SubmitJob};
use darkroom_api::events::{EVENT_MAX_BYTES, EventParser};
use darkroom_api::header::{HEADER_BYTES, Header, ObjectKind, open, seal};
use darkroom_api::problem::Problem;
use darkroom_api::protection::{Protection, Seen};
use darkroom_api::storage::{
    Grant, GrantRequest, ListQuery, ObjectInfo, ObjectList, ObjectRef, VaultInfo,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{SMALL_BYTES, within};

/// A stored object. What opens is the header and the payload that make it again; opening copies
/// nothing.
pub fn object(bytes: &[u8]) -> bool {
    let header = within(0, || Header::parse(bytes));
    if let Ok(header) = header {
        assert_eq!(header.to_bytes(), bytes[..HEADER_BYTES]);
    }
    let opened = ObjectKind::ALL.map(|kind| {
        within(0, || open(bytes, kind)).is_ok_and(|(header, payload)| {
            let again = seal(kind, header.parameters, header.key, payload);
            assert_eq!(again, bytes);
            true
        })
    });
    opened.contains(&true)
}

/// A body of JSON, as every type of the contract. What is read is read again from what it is
/// written as.
pub fn body(bytes: &[u8]) -> bool {
    let taken = [
        same::<TokenRotation>(bytes),
        same::<TokenRequest>(bytes),
        same::<TokenInfo>(bytes),
        same::<TokenList>(bytes),
        same::<LogPage>(bytes),
        same::<LogEntry>(bytes),
        same::<Checkpoint>(bytes),
        same::<SubmitJob>(bytes),
        same::<Problem>(bytes),
        same::<Protection>(bytes),
        same::<Seen>(bytes),
        same::<VaultInfo>(bytes),
        same::<ObjectInfo>(bytes),
        same::<ObjectList>(bytes),
        same::<ObjectRef>(bytes),
        same::<ListQuery>(bytes),
        same::<GrantRequest>(bytes),
        same::<Grant>(bytes),
        again::<Job>(bytes).is_some(),
        again::<JobList>(bytes).is_some(),
        again::<ModelCard>(bytes).is_some(),
        again::<Catalogue>(bytes).is_some(),
    ];
    taken.contains(&true)
}

fn same<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let pair = again::<T>(bytes);
    pair.is_some_and(|(first, second)| {
        assert_eq!(first, second);
        true
    })
}

/// What was read, and what is read of what that is written as. Decimal fractions may differ in their
/// last bit, so not everything is the same.
fn again<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<(T, T)> {
    // `[[],[],…` may be a list of structures that are much larger than the text of an empty one.
    let bytes_max = 64 * bytes.len() + SMALL_BYTES;
    let first = within(bytes_max, || serde_json::from_slice::<T>(bytes)).ok()?;
    let text = serde_json::to_vec(&first).unwrap_or_default();
    let second = serde_json::from_slice(&text);
    assert!(second.is_ok(), "what is written is not read");
    Some((first, second.ok()?))
}

/// A stream of events, in pieces of as many bytes as the first byte says. The pieces make no
/// difference.
pub fn events(bytes: &[u8]) -> bool {
    let Some((&size, stream)) = bytes.split_first() else {
        return false;
    };
    let bytes_max = 4 * stream.len() + SMALL_BYTES;
    let read = |size: usize| {
        let mut parser = EventParser::default();
        let pieces = stream.chunks(size).map(|piece| parser.push(piece));
        let events: Result<Vec<_>, _> = pieces.collect();
        events.map(|events| events.concat())
    };
    let whole = within(bytes_max, || read(stream.len().max(1)));
    // A list for each piece.
    let pieces = within(bytes_max + 64 * stream.len(), || {
        read(usize::from(size).max(1))
    });
    assert_eq!(whole, pieces);
    assert!(whole.is_ok() || stream.len() > EVENT_MAX_BYTES);
    whole.is_ok_and(|events| !events.is_empty())
}

/// The lines of a log from the beginning. Lines that are a chain are none without the first, nor with
/// the last twice.
pub fn log_chain(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().collect();
    let check = |lines: &[&str]| check_chain(Checkpoint::default(), lines.iter().copied());
    let bytes_max = 64 * bytes.len() + SMALL_BYTES;
    let Ok((entries, end)) = within(bytes_max, || check(&lines)) else {
        return false;
    };
    assert_eq!(entries.len(), lines.len());
    assert_eq!(end.number, entries.len() as u64);
    let Some(last) = lines.last() else {
        return false;
    };
    assert!(lines.len() == 1 || check(&lines[1..]).is_err());
    assert!(check(&[&lines[..], &[last]].concat()).is_err());
    true
}
