//! The log of one vault in the store: a chain of entries in segments.
//!
//! `logs/{vault}-{epoch}/{number}` holds one or more lines, the first of which has that number (16
//! hexadecimal digits). A segment is made create-only under the number after the last entry, so
//! several processes append to one chain: of two at once one wins, the other reads what won and goes
//! on behind it. Nothing is ever written again; the oldest segments are deleted, never the last.
//!
//! A process that knows the end of the chain from long ago could write into a place that was deleted
//! since. So it looks whether its last segment is still there before it relies on it, and segments are
//! not deleted until they are much older than anything relied on without looking.

use std::time::{Duration, Instant, SystemTime};

use darkroom_api::audit::{Checkpoint, Deed, EntryHash, LogEntry, LogPage};
use futures_util::TryStreamExt;
use object_store::PutMode;
use object_store::path::Path;

use crate::error::Error;
use crate::store::Store;
use crate::vaults::OpenVault;

/// The folder of all logs.
pub(crate) const LOGS: &str = "logs";
/// How long the end of a chain is relied on without looking.
const TRUST: Duration = Duration::from_secs(60);
/// The age from which segments may be deleted.
const DELETE_AGE: Duration = Duration::from_secs(600);
/// How often somebody else may be first.
const TRIES_MAX: u32 = 256;

/// Something that goes into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) time_ms: u64,
    pub(crate) deed: Deed,
    pub(crate) times: u64,
}

/// Where the chain ended when this process last saw it.
#[derive(Debug, Clone, Copy)]
struct Head {
    last: Checkpoint,
    /// The number of the last segment; 0 where there is none.
    segment: u64,
    seen: Instant,
}

/// The end of a vault's chain.
#[derive(Debug)]
pub(crate) struct Chain {
    store: Store,
    vault: OpenVault,
    head: Option<Head>,
}

impl Chain {
    pub(crate) fn new(store: Store, vault: OpenVault) -> Self {
        Self {
            store,
            vault,
            head: None,
        }
    }

    /// Appends these, in this order; they are in the store when it returns.
    pub(crate) async fn append(&mut self, items: &[Item]) -> Result<(), Error> {
        for _ in 0..TRIES_MAX {
            let head = self.head().await?;
            // Until it is known how this ends, so is not where the chain ends.
            self.head = None;
            let number = head.last.number.saturating_add(1);
            let (text, last) = write(head.last, items)?;
            let key = segment_key(self.vault, number);
            let mode = PutMode::Create;
            let is_new = self.store.put(&key, text.clone(), mode).await?;
            let ours = text.lines().last();
            let there = match is_new {
                true => None,
                false => read(&self.store, self.vault, number).await?,
            };
            // A store that answered too late was asked twice: then what is there is this.
            let there = there.filter(|lines| lines.last().map(String::as_str) != ours);
            if let Some(end_there) = there.as_deref().and_then(<[String]>::last) {
                self.head = Some(Head {
                    last: end(end_there)?,
                    segment: number,
                    seen: head.seen,
                });
                continue;
            }
            if head.seen.elapsed() > DELETE_AGE && !self.is_there(head.segment).await? {
                // This process stood still for so long that the chain went on elsewhere.
                self.store.delete(&key).await?;
                continue;
            }
            self.head = Some(Head {
                last,
                segment: number,
                seen: Instant::now(),
            });
            return Ok(());
        }
        Err(Error::LogBusy)
    }

    async fn head(&mut self) -> Result<Head, Error> {
        if let Some(head) = self.head {
            let is_fresh = head.seen.elapsed() < TRUST;
            if is_fresh || (head.segment > 0 && self.is_there(head.segment).await?) {
                return Ok(Head {
                    seen: if is_fresh { head.seen } else { Instant::now() },
                    ..head
                });
            }
        }
        let seen = Instant::now();
        let segments = segments(&self.store, self.vault).await?;
        let Some(&(segment, _)) = segments.last() else {
            return Ok(Head {
                last: Checkpoint::default(),
                segment: 0,
                seen,
            });
        };
        let lines = read(&self.store, self.vault, segment).await?;
        let last = lines.as_deref().and_then(<[String]>::last);
        let last = last.ok_or(Error::LogBusy)?;
        Ok(Head {
            last: end(last)?,
            segment,
            seen,
        })
    }

    async fn is_there(&self, segment: u64) -> Result<bool, Error> {
        let key = segment_key(self.vault, segment);
        Ok(self.store.size(&key).await?.is_some())
    }
}

/// The lines of some items behind a place, and the place behind them.
fn write(from: Checkpoint, items: &[Item]) -> Result<(String, Checkpoint), Error> {
    let mut text = String::new();
    let mut last = from;
    for item in items {
        let entry = LogEntry {
            number: last.number.saturating_add(1),
            time_ms: item.time_ms,
            deed: item.deed.clone(),
            times: item.times,
            previous_sha256: last.sha256,
        };
        let line = serde_json::to_string(&entry).map_err(|_| Error::Task)?;
        last = Checkpoint {
            number: entry.number,
            sha256: EntryHash::of(&line),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Ok((text, last))
}

/// A page of a vault's log: entries after that one, or the oldest that are there.
pub(crate) async fn page(
    store: &Store,
    vault: OpenVault,
    after: u64,
    limit: usize,
) -> Result<LogPage, Error> {
    let segments = segments(store, vault).await?;
    let begin = segments.partition_point(|(number, _)| *number <= after.saturating_add(1));
    let mut page = LogPage {
        from: Checkpoint::default(),
        lines: Vec::new(),
        more: false,
    };
    for (number, _) in &segments[begin.saturating_sub(1)..] {
        // One that is gone was deleted since it was listed, and so were all before it.
        for line in read(store, vault, *number).await?.unwrap_or_default() {
            let entry = parse(&line)?;
            if entry.number <= after {
                page.from = end(&line)?;
                continue;
            }
            if page.lines.len() == limit {
                page.more = true;
                return Ok(page);
            }
            if page.lines.is_empty() {
                page.from = Checkpoint {
                    number: entry.number.saturating_sub(1),
                    sha256: entry.previous_sha256,
                };
            }
            page.lines.push(line);
        }
    }
    Ok(page)
}

/// Deletes the oldest segments beyond so many entries or, where set, beyond an age. How many.
pub(crate) async fn prune(
    store: &Store,
    vault: OpenVault,
    entries_max: u64,
    age: Option<Duration>,
    now: SystemTime,
) -> Result<u64, Error> {
    let segments = segments(store, vault).await?;
    let Some(&(end, _)) = segments.last() else {
        return Ok(0);
    };
    let mut deleted = 0;
    // From the oldest on, so that what is left is always one chain.
    for pair in segments.windows(2) {
        let &[(number, written), (next, _)] = pair else {
            break;
        };
        let old = now.duration_since(written).unwrap_or_default();
        let is_beyond = end - next >= entries_max || age.is_some_and(|age| old > age);
        if !is_beyond || old < DELETE_AGE {
            break;
        }
        let key = segment_key(vault, number);
        store.delete_durably(&key).await?;
        deleted += 1;
    }
    Ok(deleted)
}

/// The numbers of the segments and when each was written, ascending.
async fn segments(store: &Store, vault: OpenVault) -> Result<Vec<(u64, SystemTime)>, Error> {
    let listed = store.list(&log_key(vault));
    let mut segments: Vec<_> = listed
        .try_filter_map(|meta| async move {
            let name = meta.location.filename().unwrap_or_default();
            let number = u64::from_str_radix(name, 16).ok();
            Ok(number.map(|number| (number, SystemTime::from(meta.last_modified))))
        })
        .try_collect()
        .await?;
    segments.sort_unstable();
    Ok(segments)
}

async fn read(store: &Store, vault: OpenVault, number: u64) -> Result<Option<Vec<String>>, Error> {
    let Some(bytes) = store.read(&segment_key(vault, number)).await? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| DAMAGED)?;
    Ok(Some(text.lines().map(str::to_owned).collect()))
}

const DAMAGED: Error = Error::Damaged { what: "a log" };

fn parse(line: &str) -> Result<LogEntry, Error> {
    serde_json::from_str(line).map_err(|_| DAMAGED)
}

fn end(line: &str) -> Result<Checkpoint, Error> {
    Ok(Checkpoint {
        number: parse(line)?.number,
        sha256: EntryHash::of(line),
    })
}

/// The prefix of a vault's log.
pub(crate) fn log_key(vault: OpenVault) -> Path {
    Path::from(format!("{LOGS}/{vault}"))
}

fn segment_key(vault: OpenVault, number: u64) -> Path {
    Path::from(format!("{LOGS}/{vault}/{number:016x}"))
}
