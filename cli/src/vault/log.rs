//! The log of a vault, checked and printed.

use std::io::{self, Write};
use std::path::Path;

use darkroom_api::audit::{Act, Checkpoint, LogEntry, Outcome, Past, What, Who, check_past};
use darkroom_api::ids::VaultId;
use serde::{Deserialize, Serialize};

use super::{Own, time};
use crate::args::owner::Log;
use crate::error::Error;
use crate::online::patiently;
use crate::{files, output};

const FILE_BYTES_MAX: u64 = 4096;

/// What a checkpoint file remembers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    vault: VaultId,
    last: Checkpoint,
}

/// `darkroom log`
pub async fn log(args: &Log) -> Result<(), Error> {
    let seen = match &args.checkpoint {
        Some(path) if path.exists() => Some(remembered(path)?),
        _ => None,
    };
    let own = Own::open(&args.owner).await?;
    let (vault, token) = (own.opened.id, &own.opened.token);
    let read = patiently(async || own.storage.log(vault, token, None).await).await;
    let (entries, end) = read.map_err(Error::service("reading the log"))?;
    for entry in &entries {
        if args.json {
            output::json(entry)?;
        } else {
            print(entry)?;
        }
    }
    tell(&entries);
    let Some(path) = &args.checkpoint else {
        eprintln!(
            "with --checkpoint FILE the next look also proves that this past was not rewritten"
        );
        return Ok(());
    };
    if let Some(seen) = seen {
        compare(path, vault, &entries, end, &seen)?;
    }
    let now = serde_json::to_vec(&Remembered { vault, last: end });
    files::write(path, &now.map_err(io::Error::from)?)
}

fn remembered(path: &Path) -> Result<Remembered, Error> {
    let bytes = files::read(path, "checkpoint of a log", FILE_BYTES_MAX)?;
    serde_json::from_slice(&bytes).map_err(|_| {
        let path = path.to_owned();
        Error::NotACheckpoint { path }
    })
}

fn tell(entries: &[LogEntry]) {
    match (entries.first(), entries.last()) {
        (Some(first), Some(last)) => {
            let (first, last) = (first.number, last.number);
            eprintln!("the chain holds: entries {first} to {last} follow each other unaltered");
            if first > 1 {
                eprintln!("entries before {first} were dropped: the server keeps only so many");
            }
        }
        _ => eprintln!("the log is empty"),
    }
}

/// Whether the log still holds what was seen before.
fn compare(
    path: &Path,
    vault: VaultId,
    entries: &[LogEntry],
    end: Checkpoint,
    seen: &Remembered,
) -> Result<(), Error> {
    if seen.vault != vault {
        return Err(Error::ForeignCheckpoint {
            path: path.to_owned(),
            found: seen.vault,
            own: vault,
        });
    }
    let number = seen.last.number;
    let past = check_past(entries, end, seen.last).map_err(|source| Error::PastRewritten {
        path: path.to_owned(),
        source,
    })?;
    match past {
        Past::Held => eprintln!(
            "it still holds entry {number}, which {} remembers",
            path.display()
        ),
        Past::Dropped => eprintln!(
            "entry {number}, which {} remembers, was dropped since: whether the past up to there is \
             the same cannot be told",
            path.display()
        ),
    }
    Ok(())
}

fn print(entry: &LogEntry) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let times = match entry.times {
        1 => String::new(),
        times => format!(", {times} times"),
    };
    writeln!(
        out,
        "{:>6}  {}  {}: {}{}{times}",
        entry.number,
        time::utc(entry.time_ms),
        who(&entry.deed.who),
        act(entry.deed.act, entry.deed.what.as_ref()),
        outcome(entry.deed.outcome),
    )
}

fn who(who: &Who) -> String {
    match who {
        Who::Owner => "you".to_owned(),
        Who::Storage => "storage itself".to_owned(),
        Who::FormerOwner => "a token that was yours before a rotation".to_owned(),
        Who::Token { id, label } => format!("token {id} {label:?}"),
        Who::Grant { id } => format!("grant {id}"),
    }
}

fn act(act: Act, what: Option<&What>) -> String {
    let verb = match act {
        Act::Open => "open the vault",
        Act::Describe => "describe the vault",
        Act::DeleteVault => "delete the vault",
        Act::List => "list",
        Act::Read => "read",
        Act::Put => "store",
        Act::Delete => "delete",
        Act::PutNote => "write the note of",
        Act::MintGrant => "make a grant",
        Act::RotateToken => "rotate the token",
        Act::ListTokens => "list the tokens",
        Act::MakeToken => "make token",
        Act::RevokeToken => "revoke token",
        Act::ReadLog => "read the log",
        Act::Expire => "delete, its time being over,",
        Act::Other => "something that this version does not know",
    };
    match what {
        None => verb.to_owned(),
        Some(What::Object { kind, id }) => format!("{verb} {} {id}", kind.segment()),
        Some(What::Collection(kind)) => format!("{verb} {}", kind.segment()),
        Some(What::Token(id)) => format!("{verb} {id}"),
        Some(What::Grant {
            id,
            reads,
            writes,
            not_after_ms,
        }) => format!(
            "{verb} {id} for {reads} to read and {writes} to write until {}",
            time::utc(*not_after_ms)
        ),
    }
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => String::new(),
        Outcome::Refused(problem) => format!(", refused ({})", problem.slug()),
        Outcome::BrokenOff => ", broken off".to_owned(),
    }
}
