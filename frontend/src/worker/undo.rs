//! Jobs are undone: what they have stored is deleted again.

use std::collections::HashSet;
use std::rc::Rc;

use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use wasm_bindgen_futures::spawn_local;

use super::book::{Book, ItemRecord, JobRecord};
use super::run::Run;
use super::scope::{self, Lock};
use super::services::Owned;
use crate::protocol::{Trouble, TroubleKind};

/// How often, and how far apart, a cancelled job is asked whether it has stopped.
const WIND_DOWN_TRIES: u32 = 20;
const WIND_DOWN_MS: u32 = 500;

impl Run {
    /// Removes what was written down of a job that cannot begin.
    pub(super) async fn tear_up(&self) {
        let job = self.job.borrow().clone();
        // The browser is full or its database broken; what cannot be removed now goes with the key.
        for item in &job.items {
            let _ = self.context.remove(&self.book, item.entry).await;
        }
        let _ = self.book.remove_job(job.idempotency_key).await;
    }

    /// Undoes it, unless the key or all entries are gone.
    pub(super) fn undo_in_background(self: &Rc<Self>, lock: Option<Lock>) {
        if !self.undo.get() {
            return;
        }
        let run = self.clone();
        spawn_local(async move {
            let lock = match lock {
                Some(lock) => lock,
                None => {
                    let key = run.job.borrow().idempotency_key;
                    scope::lock(&format!("darkroom-job-{key}")).await
                }
            };
            run.undo(lock).await;
        });
    }

    /// Deletes everything of this job that has no result, as soon as compute has let go of it. If
    /// this fails or is interrupted, the next visit does it.
    pub(super) async fn undo(self: &Rc<Self>, _lock: Lock) {
        self.job.borrow_mut().cancelled = true;
        let _ = self.write_job().await;
        let job = self.job.borrow().clone();
        for item in job.items.iter().filter(|item| !item.over) {
            let _ = self.context.remove(&self.book, item.entry).await;
        }
        let services = self.services.under(self.context.background());
        if self.delete_unfinished(&services, &job).await.is_ok() {
            let _ = self.book.remove_job(job.idempotency_key).await;
        }
    }

    async fn delete_unfinished(&self, services: &Owned, job: &JobRecord) -> Result<(), Trouble> {
        if let Some(id) = job.job {
            services.cancel_job(id).await?;
            for _ in 0..WIND_DOWN_TRIES {
                match services.job(id).await {
                    Ok(now) if !now.state.is_final() => services.stop.sleep(WIND_DOWN_MS).await?,
                    Ok(_) => break,
                    Err(trouble) if trouble.kind == TroubleKind::Missing => break,
                    Err(trouble) => return Err(trouble),
                }
            }
        }
        let unfinished: Vec<ItemRecord> = job
            .items
            .iter()
            .copied()
            .filter(|item| !item.over)
            .collect();
        delete_items(services, &self.book, &unfinished).await
    }

    /// Deletes what the person did not want any more while the others went on.
    pub(super) async fn delete_dropped(&self) {
        let job = self.job.borrow().clone();
        let dropped: Vec<ItemRecord> = job
            .items
            .iter()
            .copied()
            .filter(|item| item.dropped && !item.over)
            .collect();
        // What cannot be deleted now shows up again in the history and can be deleted there.
        let _ = delete_items(&self.services, &self.book, &dropped).await;
    }
}

/// Deletes results, and the images that were made for them and that no other entry needs.
pub(super) async fn delete_items(
    services: &Owned,
    book: &Book,
    items: &[ItemRecord],
) -> Result<(), Trouble> {
    if items.is_empty() {
        return Ok(());
    }
    let gone: HashSet<ObjectId> = items.iter().map(|item| item.entry).collect();
    let entries = book.entries().await?;
    let needed = |image| {
        entries
            .iter()
            .any(|r| r.entry.image == image && !gone.contains(&r.entry.id))
    };
    for item in items {
        services
            .delete_object(ObjectKind::Result, item.entry)
            .await?;
        if item.fresh && !needed(item.image) {
            services
                .delete_object(ObjectKind::Image, item.image)
                .await?;
        }
    }
    Ok(())
}
