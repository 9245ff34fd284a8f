//! Tries, before a bucket is used, whether it keeps creations apart.
//!
//! All that is promised of several processes on one bucket rests on this: what is created where
//! something is, or comes at the same time, fails. A store that does not know `If-None-Match` on writes
//! ignores it, and then the last one would silently win.

use futures_util::future::try_join_all;
use object_store::PutMode;
use object_store::path::Path;

use crate::error::Error;
use crate::keys::probe_key;
use crate::store::{Staged, Store};

/// How many create one key at the same time.
const RACERS: u8 = 8;

/// Refuses a store that lets a second creation of a key pass. What it writes it deletes; what a crash
/// or an outage leaves of it is swept.
pub(crate) async fn try_create_only(store: &Store) -> Result<(), Error> {
    let mut keys = Vec::new();
    let outcome = try_all(store, &mut keys).await;
    if matches!(outcome, Err(Error::Store(_))) {
        return outcome;
    }
    for key in keys {
        if let Err(error) = store.delete(&key).await {
            tracing::warn!(error = crate::error::causes(&error), "a probe stays behind");
        }
    }
    outcome
}

async fn try_all(store: &Store, keys: &mut Vec<Path>) -> Result<(), Error> {
    let mut by_put = Vec::new();
    for racer in 0..RACERS {
        by_put.push(Staged::Whole {
            object: vec![racer].into(),
            _room: None,
        });
    }
    try_one(store, "objects", &by_put, keys).await?;
    if store.whole_bytes_max() == u64::MAX {
        return Ok(());
    }
    let mut by_copy = Vec::new();
    for racer in 0..RACERS {
        let key = probe_key()?;
        keys.push(key.clone());
        store.put(&key, vec![racer], PutMode::Overwrite).await?;
        by_copy.push(Staged::At(key));
    }
    try_one(store, "objects in parts", &by_copy, keys).await
}

async fn try_one(
    store: &Store,
    what: &'static str,
    racers: &[Staged],
    keys: &mut Vec<Path>,
) -> Result<(), Error> {
    let (one_by_one, at_once) = (probe_key()?, probe_key()?);
    keys.extend([one_by_one.clone(), at_once.clone()]);
    let mut is_second = false;
    for staged in racers.iter().take(2) {
        // Of the first one the answer may be lost, and then it is told that something is there.
        is_second = store.publish(staged, &one_by_one).await?;
    }
    let first = store.read(&one_by_one).await?;
    let races = racers.iter().map(|staged| store.publish(staged, &at_once));
    let winners = try_join_all(races).await?;
    let winners = winners.into_iter().filter(|is_winner| *is_winner).count();
    if is_second || first.as_deref() != Some(&[0]) || winners > 1 {
        return Err(Error::NotCreateOnly { what });
    }
    Ok(())
}
