//! The vault's log, read and checked: against itself, and against what this browser saw before.

use std::collections::BTreeMap;

use darkroom_api::audit::{
    ChainError, Checkpoint, LogEntry, LogPage, Past, Who, check_chain, check_past,
};
use darkroom_api::ids::TokenId;
use darkroom_api::routes;

use super::context::Context;
use super::http::{self, Body};
use super::services::{JSON, Owned};
use super::stop::Stop;
use crate::protocol::{Chain, LogView, Remembered, Trouble};

/// How many entries the page is given at a time.
const PAGE: usize = 25;

/// What was read of a log, and checked.
#[derive(Default)]
pub struct Log {
    entries: Vec<LogEntry>,
    /// The place behind the last entry; absent until it was read.
    end: Option<Checkpoint>,
}

/// Reads what is new in the log and checks all of it.
///
/// # Errors
/// Storage refuses, the browser's database fails, or it was stopped. A broken chain is no error.
pub async fn read(context: &Context, stop: Stop) -> Result<LogView, Trouble> {
    let (services, book) = (context.owned(stop)?, context.book()?);
    let seen = book.checkpoint().await?;
    let log = fetch(&services, context.log.take()).await?;
    let (log, end) = match log {
        Ok(found) => found,
        Err(broken) => return Ok(LogView::broken(&broken)),
    };
    let past = match seen.map(|seen| (seen.number, check_past(&log.entries, end, seen))) {
        None => Remembered::Nothing,
        Some((number, Ok(Past::Held))) => Remembered::Held(number),
        Some((number, Ok(Past::Dropped))) => Remembered::Dropped(number),
        Some((_, Err(broken))) => return Ok(LogView::broken(&broken)),
    };
    book.put_checkpoint(end).await?;
    let (first, last) = (log.entries.first(), log.entries.last());
    let number = |entry: Option<&LogEntry>| entry.map_or(0, |entry| entry.number);
    let view = LogView {
        chain: Chain::Holds {
            first: number(first),
            last: number(last),
            past,
        },
        newest: log.before(u64::MAX),
        last_used: log.last_used(),
    };
    context.log.replace(log);
    Ok(view)
}

/// Entries of a log that was read, newest first, from before this one on.
pub fn before(context: &Context, number: u64) -> Vec<String> {
    context.log.borrow().before(number)
}

/// Forgets what was seen, because the vault and its log were deleted.
///
/// # Errors
/// The browser's database fails.
pub async fn forget(context: &Context) -> Result<(), Trouble> {
    context.log.take();
    context.book()?.remove_checkpoint().await
}

async fn fetch(
    services: &Owned,
    mut log: Log,
) -> Result<Result<(Log, Checkpoint), ChainError>, Trouble> {
    loop {
        let page = services
            .log_page(log.end.map_or(0, |end| end.number))
            .await?;
        let from = log.end.unwrap_or(page.from);
        let checked = match page.lines.as_slice() {
            // What was read before has to be where the log ends.
            [] => check_past(&[], page.from, from).map(|_| (Vec::new(), from)),
            lines => check_chain(from, lines.iter().map(String::as_str)),
        };
        let (more, end) = match checked {
            Ok(checked) => checked,
            Err(broken) => return Ok(Err(broken)),
        };
        let is_last = !page.more || more.is_empty();
        log.entries.extend(more);
        log.end = Some(end);
        if is_last {
            return Ok(Ok((log, end)));
        }
    }
}

impl Owned {
    async fn log_page(&self, after: u64) -> Result<LogPage, Trouble> {
        let path = format!("{}?after={after}", routes::log(self.held.vault()));
        http::from_json(&self.storage("GET", path, Body::Empty, JSON).await?)
    }
}

impl Log {
    fn before(&self, number: u64) -> Vec<String> {
        let end = self.entries.partition_point(|entry| entry.number < number);
        let newest = self.entries[..end].iter().rev().take(PAGE);
        newest
            .filter_map(|entry| serde_json::to_string(entry).ok())
            .collect()
    }

    fn last_used(&self) -> Vec<(TokenId, u64)> {
        let mut used = BTreeMap::new();
        for entry in &self.entries {
            if let Who::Token { id, .. } = &entry.deed.who {
                let last = used.entry(*id).or_insert(0);
                *last = entry.time_ms.max(*last);
            }
        }
        used.into_iter().collect()
    }
}

impl LogView {
    fn broken(error: &ChainError) -> Self {
        Self {
            chain: Chain::Broken {
                what: error.to_string(),
            },
            newest: Vec::new(),
            last_used: Vec::new(),
        }
    }
}
