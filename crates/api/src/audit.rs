//! The log of a vault: what was done in it, by whom, chained so that its owner sees if entries were
//! altered, left out or moved.
//!
//! Entries are numbered from 1. An entry is a line of JSON, a [`LogEntry`], and travels and is hashed
//! as that text. Each holds the SHA-256 of the line before it; the first one that of nothing, 32 zero
//! bytes. Where old entries were dropped, the rest is checked from a [`Checkpoint`].
//!
//! What this shows: a storage that shows two owners, or one owner at two times, different pasts is
//! found out by whoever kept a checkpoint. A storage that never wrote an entry, or that rewrites the
//! whole chain for an owner who kept none, is not.

use std::fmt;

use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};

use crate::header::ObjectKind;
use crate::ids::{ObjectId, TokenId};
use crate::problem::ProblemType;

/// The most entries in one page of a log.
pub const LOG_PAGE_MAX: usize = 500;

/// SHA-256 of an entry's line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-fA-F]{64}$"))]
pub struct EntryHash(pub [u8; 32]);

impl EntryHash {
    /// The hash of a line.
    pub fn of(line: &str) -> Self {
        Self(Sha256::digest(line).into())
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryHash({self})")
    }
}

impl Serialize for EntryHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(String::deserialize(d)?, &mut bytes).map_err(de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The owner.
    Owner,
    /// Storage itself, by its settings.
    Storage,
    /// Whoever holds a token that was the owner's before it was rotated.
    FormerOwner,
    /// Whoever holds a limited token.
    Token {
        /// The token.
        id: TokenId,
        /// Its label at the time.
        label: String,
    },
    /// Whoever holds a grant: compute, as a rule.
    Grant {
        /// The first half of the SHA-256 of the grant, hexadecimal.
        id: String,
    },
}

/// What can be done in a vault, save deleting it, which its log does not outlive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Opened it.
    Open,
    /// Described it, or found it open.
    Describe,
    /// Tried to delete it.
    DeleteVault,
    /// Listed a collection.
    List,
    /// Read an object.
    Read,
    /// Stored an object.
    Put,
    /// Deleted an object and its note.
    Delete,
    /// Wrote a note.
    PutNote,
    /// Minted a grant.
    MintGrant,
    /// Rotated the owner's token.
    RotateToken,
    /// Listed the limited tokens.
    ListTokens,
    /// Made a limited token.
    MakeToken,
    /// Revoked a limited token.
    RevokeToken,
    /// Read the log.
    ReadLog,
    /// Storage deleted an object because its time was over.
    Expire,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// To what something was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// An object, or the note beside it.
    Object {
        /// What it is.
        kind: ObjectKind,
        /// Its id.
        id: ObjectId,
    },
    /// A collection.
    Collection(ObjectKind),
    /// A limited token.
    Token(TokenId),
    /// A grant.
    Grant {
        /// As in [`Who::Grant`].
        id: String,
        /// How many objects may be read with it.
        reads: usize,
        /// How many results may be written with it.
        writes: usize,
        /// When it ends, Unix time.
        not_after_ms: u64,
    },
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done; of a reading: it began.
    Done,
    /// It was not, and this is what was answered.
    Refused(ProblemType),
    /// Whoever asked went away before it was over; it may have been done.
    BrokenOff,
}

/// One thing that was done or refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deed {
    /// Who did it.
    pub who: Who,
    /// What was done.
    pub act: Act,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<What>,
    /// How it went.
    pub outcome: Outcome,
}

/// An entry of the log, as it is in its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogEntry {
    /// Its number.
    pub number: u64,
    /// When it was done, Unix time on the clock of the process that did it; with `times`, the first
    /// time. Entries are in the order in which they were written, not of this.
    pub time_ms: u64,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
    /// How often in a short while; 1 where absent.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u64,
    /// The hash of the line before.
    pub previous_sha256: EntryHash,
}

fn once() -> u64 {
    1
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_once(times: &u64) -> bool {
    *times == 1
}

/// A place in the log from which the rest is checked: the last entry that was seen, or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checkpoint {
    /// The entry's number; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub sha256: EntryHash,
}

/// `GET` of a log: entries after the one that was asked for, or the oldest that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogPage {
    /// What is before the first line of this page.
    pub from: Checkpoint,
    /// The lines.
    pub lines: Vec<String>,
    /// Whether there are more.
    pub more: bool,
}

/// The query of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
pub struct LogQuery {
    /// Only entries after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many; [`LOG_PAGE_MAX`] where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1))]
    pub limit: Option<usize>,
}

/// Where a log is not one chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A line is not an entry.
    #[error("what stands in the place of entry {number} is not an entry")]
    Malformed {
        /// The number that it should have.
        number: u64,
    },
    /// An entry is missing, or in another place.
    #[error("entry {expected} is missing; entry {found} is in its place")]
    Number {
        /// The number that is due.
        expected: u64,
        /// The number in the line.
        found: u64,
    },
    /// An entry that was seen before is not there any more.
    #[error(
        "entry {number}, which was seen before, is not in it any more: its end was cut off, or the \
         vault was deleted and opened anew"
    )]
    CutOff {
        /// The entry that was seen.
        number: u64,
    },
    /// An entry before this one was altered.
    #[error("entry {number} does not follow from the one before: that one was altered")]
    Broken {
        /// The entry whose hash of the one before is not its hash.
        number: u64,
    },
}

/// Checks that these lines follow each other and the checkpoint. Gives the entries and the checkpoint
/// for what comes next: keep it, and the next look at the log proves that this past is still its past.
///
/// # Errors
/// The first place at which the chain is broken. The last line is held by nothing yet: that it was
/// altered is found when the next one comes, or against a checkpoint that was kept.
pub fn check_chain<'a>(
    from: Checkpoint,
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<(Vec<LogEntry>, Checkpoint), ChainError> {
    let mut entries = Vec::new();
    let mut last = from;
    for line in lines {
        let number = last.number.saturating_add(1);
        let entry: LogEntry =
            serde_json::from_str(line).map_err(|_| ChainError::Malformed { number })?;
        if entry.number != number {
            return Err(ChainError::Number {
                expected: number,
                found: entry.number,
            });
        }
        if entry.previous_sha256 != last.sha256 {
            return Err(ChainError::Broken { number });
        }
        last = Checkpoint {
            number,
            sha256: EntryHash::of(line),
        };
        entries.push(entry);
    }
    Ok((entries, last))
}

/// What a log that was read from its oldest kept entry on says of a place that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// It still holds it: nothing up to there was altered.
    Held,
    /// It begins later: so many entries were dropped since that nothing can be said.
    Dropped,
}

/// Whether a checked log still holds a place that was seen before; `end` is its own last place.
///
/// # Errors
/// It does not: the past was rewritten, or cut off.
pub fn check_past(
    entries: &[LogEntry],
    end: Checkpoint,
    seen: Checkpoint,
) -> Result<Past, ChainError> {
    let first = entries.first().map_or(end.number, |entry| entry.number - 1);
    if seen.number < first {
        return Ok(Past::Dropped);
    }
    if seen.number > end.number {
        let number = seen.number;
        return Err(ChainError::CutOff { number });
    }
    // Its hash is in the entry behind it.
    let behind = usize::try_from(seen.number - first).ok();
    let behind = behind.and_then(|place| entries.get(place));
    let found = behind.map_or(end.sha256, |entry| entry.previous_sha256);
    if found == seen.sha256 {
        Ok(Past::Held)
    } else {
        let number = seen.number.saturating_add(1);
        Err(ChainError::Broken { number })
    }
}

#[cfg(test)]
mod tests;
