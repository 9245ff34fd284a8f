//! Removes what crashes left behind: unfinished uploads, and the content of deleted vaults.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use object_store::path::Path;

use crate::app::State;
use crate::chain::{LOGS, prune};
use crate::error::{Error, causes};
use crate::retention::expire;
use crate::store::{DATA, STAGING, blocking};
use crate::vaults::OpenVault;

/// Sweeps now and then every so often, as long as the service lives.
pub(crate) async fn run(state: Weak<State>, every: Duration) {
    while let Some(state) = state.upgrade() {
        sweep(&state).await;
        drop(state);
        tokio::time::sleep(every).await;
    }
}

/// One sweep. What fails is tried again by the next one.
pub(crate) async fn sweep(state: &Arc<State>) {
    let age = Duration::from_millis(state.config.sweep.older_than_ms);
    let Some(before) = SystemTime::now().checked_sub(age) else {
        return;
    };
    report("uploads", uploads(state, before).await);
    report("half-written files", half_written(state, before).await);
    report("content of deleted vaults", dead_vaults(state).await);
    report("invitations", state.invitations.sweep().await);
    report("objects kept long enough", expired(state).await);
    report("parts of logs", old_logs(state).await);
    state.journal.forget_idle();
    state.objects.forget_idle();
}

fn report(what: &str, outcome: Result<u64, Error>) {
    match outcome {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, what, "swept"),
        Err(error) => tracing::warn!(error = causes(&error), what, "sweep failed"),
    }
}

/// Uploads that were written to their end and not published.
async fn uploads(state: &State, before: SystemTime) -> Result<u64, Error> {
    let mut listed = state.store.list(&Path::from(STAGING));
    let mut count = 0;
    while let Some(meta) = listed.try_next().await? {
        if SystemTime::from(meta.last_modified) < before {
            count += u64::from(state.store.delete(&meta.location).await?);
        }
    }
    Ok(count)
}

/// Files `name#1` of uploads that were not written to their end: the store hides them, and on a disk
/// only we can delete them.
async fn half_written(state: &State, before: SystemTime) -> Result<u64, Error> {
    let root = state.store.root().to_owned();
    blocking(move || {
        let mut count = 0;
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            // A folder may go while we look.
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if is_half_written(&entry.file_name()) && is_older(&entry, before) {
                    std::fs::remove_file(entry.path())?;
                    count += 1;
                }
            }
        }
        Ok(count)
    })
    .await
}

fn is_half_written(name: &std::ffi::OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.rsplit_once('#'));
    number.is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_older(entry: &std::fs::DirEntry, before: SystemTime) -> bool {
    let modified = entry.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|modified| modified < before)
}

/// Content whose vault is not open any more; an epoch never comes back.
async fn dead_vaults(state: &State) -> Result<u64, Error> {
    let mut count = 0;
    for folder in [DATA, LOGS] {
        for vault in vaults_in(state, folder).await? {
            if !state.vaults.is_open(vault).await? {
                state.vaults.erase(vault).await?;
                count += 1;
            }
        }
    }
    Ok(count)
}

/// Objects whose time is over.
async fn expired(state: &Arc<State>) -> Result<u64, Error> {
    let mut count = 0;
    for vault in vaults_in(state, DATA).await? {
        count += expire(state, vault).await?;
    }
    Ok(count)
}

/// Entries of logs that are too old or too many.
async fn old_logs(state: &State) -> Result<u64, Error> {
    let audit = &state.config.audit;
    let age = (audit.keep_ms > 0).then(|| Duration::from_millis(audit.keep_ms));
    let mut count = 0;
    for vault in vaults_in(state, LOGS).await? {
        count += prune(&state.store, vault, audit.entries, age).await?;
    }
    Ok(count)
}

async fn vaults_in(state: &State, folder: &str) -> Result<Vec<OpenVault>, Error> {
    let listed = state.store.list_folder(&Path::from(folder)).await?;
    let names = listed.common_prefixes.iter().filter_map(Path::filename);
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}
