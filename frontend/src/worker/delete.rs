//! Deletion, here and in storage.

use std::pin::pin;
use std::rc::Rc;

use darkroom_api::ids::ObjectId;
use futures_util::future::select;
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_futures::spawn_local;

use super::book::ItemRecord;
use super::context::{Context, News};
use super::large_key;
use super::log;
use super::services::Owned;
use super::stop::Stop;
use super::undo::delete_items;
use crate::protocol::Trouble;

/// How long compute has to cancel the jobs of a vault that is deleted.
const COMPUTE_WAIT_MS: u32 = 5_000;
/// How long storage has to delete the large key of a key that is forgotten.
const STORAGE_WAIT_MS: u32 = 3_000;

/// Stops an entry that is under way and deletes it; deletes one that is not.
///
/// # Errors
/// Storage refuses, or it was stopped.
pub async fn delete(context: &Rc<Context>, entry: ObjectId, stop: Stop) -> Result<(), Trouble> {
    let (services, book) = (context.owned(stop)?, context.book()?);
    if let Some(run) = context.runs().into_iter().find(|run| run.has(entry)) {
        context.remove(&book, entry).await?;
        run.drop_entry(entry);
        return Ok(());
    }
    let Some(record) = book.entry(entry).await? else {
        return Ok(());
    };
    let item = ItemRecord {
        entry,
        image: record.entry.image,
        fresh: true,
        stored: true,
        over: true,
        dropped: true,
    };
    delete_items(&services, &book, &[item]).await?;
    context.remove(&book, entry).await
}

/// Deletes all entries and the vault.
///
/// # Errors
/// Storage refuses, or it was stopped.
pub async fn delete_all(context: &Rc<Context>, stop: Stop) -> Result<(), Trouble> {
    let (services, book) = (context.owned(stop.clone())?, context.book()?);
    context.leave_all();
    context.tell(&News::Cleared);
    // Jobs that go on find no images any more; stopping them is a courtesy, so it may fail.
    let courtesy = Stop::new();
    let cancel = services.under(courtesy.clone());
    spawn_local(async move {
        let _ = cancel_jobs(&cancel).await;
    });
    spawn_local(async move {
        TimeoutFuture::new(COMPUTE_WAIT_MS).await;
        courtesy.stop();
    });
    services.delete_vault().await?;
    // Its log goes with it, and the next one begins anew.
    log::forget(context).await?;
    context.remove_all(&book).await
}

/// Deletes the large key before the key is forgotten, if storage can be reached now and no job needs it
/// any more: it is of no use without the key, and made again in seconds with it.
pub async fn forget_large_key(context: &Rc<Context>) {
    let needed = context.runs().iter().any(|run| run.is_submitted());
    context.leave_all();
    let stop = Stop::new();
    let Ok(services) = context.owned(stop.clone()) else {
        return;
    };
    if needed {
        return;
    }
    let waited = TimeoutFuture::new(STORAGE_WAIT_MS);
    // What cannot be deleted now opens nothing, and goes with the vault.
    let _ = select(pin!(large_key::delete(&services)), waited).await;
    stop.stop();
}

async fn cancel_jobs(services: &Owned) -> Result<(), Trouble> {
    for job in services.jobs().await? {
        if !job.state.is_final() {
            services.cancel_job(job.id).await?;
        }
    }
    Ok(())
}
