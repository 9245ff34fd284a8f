//! Removes what crashes left behind: unfinished uploads, and the content of deleted vaults.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;

use crate::app::State;
use crate::chain::{LOGS, prune};
use crate::clock::now_ms;
use crate::error::{Error, causes};
use crate::keys::{DATA, STAGING};
use crate::retention::expire;
use crate::vaults::OpenVault;

/// How many vaults are asked for at the same time.
const CHECK_PARALLEL: usize = 8;

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
    let now = state.clock.now();
    let Some(before) = now.checked_sub(age) else {
        return;
    };
    report(state, "uploads", uploads(state, before).await);
    report(
        state,
        "half-written files",
        state.store.sweep_half_written(before).await,
    );
    report(state, "content of deleted vaults", dead_vaults(state).await);
    report(state, "invitations", state.invitations.sweep(now).await);
    report(state, "objects kept long enough", expired(state, now).await);
    report(state, "parts of logs", old_logs(state, now).await);
    state.journal.forget_idle();
    state.objects.forget_idle();
    if let Ok(now_ms) = now_ms() {
        state.metrics.sweep_ended(now_ms);
    }
}

fn report(state: &State, what: &str, outcome: Result<u64, Error>) {
    state.metrics.swept(what, outcome.as_ref().ok().copied());
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

/// Content whose vault is not open any more; an epoch never comes back.
async fn dead_vaults(state: &State) -> Result<u64, Error> {
    // Owned: a closure over borrowed folders makes a future that cannot be spawned.
    let mut vaults = vaults_in(state, DATA).await?;
    vaults.extend(vaults_in(state, LOGS).await?);
    let mut checked = stream::iter(vaults)
        .map(|vault| async move { Ok::<_, Error>((vault, state.vaults.is_open(vault).await?)) })
        .buffer_unordered(CHECK_PARALLEL);
    let mut count = 0;
    while let Some((vault, is_open)) = checked.try_next().await? {
        if !is_open {
            state.vaults.erase(vault).await?;
            count += 1;
        }
    }
    Ok(count)
}

/// Objects whose time is over.
async fn expired(state: &Arc<State>, now: SystemTime) -> Result<u64, Error> {
    let mut count = 0;
    for vault in vaults_in(state, DATA).await? {
        count += expire(state, vault, now).await?;
    }
    Ok(count)
}

/// Entries of logs that are too old or too many.
async fn old_logs(state: &State, now: SystemTime) -> Result<u64, Error> {
    let audit = &state.config.audit;
    let age = (audit.keep_ms > 0).then(|| Duration::from_millis(audit.keep_ms));
    let mut count = 0;
    for vault in vaults_in(state, LOGS).await? {
        count += prune(&state.store, vault, audit.entries, age, now).await?;
    }
    Ok(count)
}

async fn vaults_in(state: &State, folder: &str) -> Result<Vec<OpenVault>, Error> {
    let listed = state.store.list_folder(&Path::from(folder)).await?;
    let names = listed.common_prefixes.iter().filter_map(Path::filename);
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}
