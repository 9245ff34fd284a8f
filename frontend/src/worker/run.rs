//! A job from its first pixel to its last result. It begins in `begin.rs`, its stages are in
//! `submit.rs` and `stages.rs`, and `undo.rs` undoes it.
//!
//! A job is written down before anything is sent, and every step can be repeated: ids are drawn
//! once, objects that are there already are as good as sent, and compute knows a job again by its
//! idempotency key. So whatever ends the worker, the next one goes on. A lock keeps two tabs from
//! doing it both.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use darkroom_api::ids::ObjectId;

use super::book::{Book, ItemRecord, JobRecord, Record};
use super::context::Context;
use super::services::Owned;
use super::{scope, trouble};
use crate::protocol::{
    AnalysisEvent, EntryState, Event, Notice, Stage, Summary, Ticket, Trouble, TroubleKind,
};

/// One job under way.
pub struct Run {
    pub(super) context: Rc<Context>,
    pub(super) services: Owned,
    pub(super) book: Book,
    /// Who asked; absent if it goes on from an earlier visit.
    pub(super) asker: Option<Asker>,
    pub(super) job: RefCell<JobRecord>,
    /// The entries, in the order of the job's items.
    pub(super) records: RefCell<Vec<Record>>,
    /// Whether, when stopped, everything without a result is deleted.
    pub(super) undo: Cell<bool>,
    /// Bootstraps done, by place, as far as they were told.
    pub(super) bootstraps_done: RefCell<HashMap<usize, u64>>,
    /// When it was submitted, if in this visit.
    pub(super) submitted_at_ms: Cell<Option<f64>>,
}

/// The request that a run answers.
pub struct Asker {
    pub(super) ticket: Ticket,
    /// The page's numbers of the pictures, in the order of the job's items.
    pub(super) pictures: Vec<u32>,
}

impl Run {
    pub(super) fn new(
        context: &Rc<Context>,
        services: Owned,
        book: Book,
        asker: Option<Asker>,
        job: JobRecord,
        records: Vec<Record>,
    ) -> Self {
        Self {
            context: context.clone(),
            services,
            book,
            asker,
            job: RefCell::new(job),
            records: RefCell::new(records),
            undo: Cell::new(true),
            bootstraps_done: RefCell::default(),
            submitted_at_ms: Cell::new(None),
        }
    }

    /// Stops it and deletes what has no result.
    pub fn cancel(&self) {
        self.services.stop.stop();
    }

    /// Stops it and touches nothing: the key or all entries are gone.
    pub fn leave(&self) {
        self.undo.set(false);
        self.services.stop.stop();
    }

    /// Whether compute has it.
    pub fn is_submitted(&self) -> bool {
        self.job.borrow().job.is_some()
    }

    /// Whether an entry is under way here.
    pub fn has(&self, entry: ObjectId) -> bool {
        self.job
            .borrow()
            .items
            .iter()
            .any(|item| item.entry == entry && !item.over)
    }

    /// Takes one entry out; the last one stops it.
    pub fn drop_entry(&self, entry: ObjectId) {
        let mut job = self.job.borrow_mut();
        let mut found = false;
        for item in job
            .items
            .iter_mut()
            .filter(|item| item.entry == entry && !item.over)
        {
            item.dropped = true;
            found = true;
        }
        let none_left = job.items.iter().all(|item| item.over || item.dropped);
        drop(job);
        if found && none_left {
            self.cancel();
        }
    }

    /// Does all of it.
    ///
    /// # Errors
    /// It was stopped, or the browser's database fails. Pictures that fail are told apart.
    pub(super) async fn go(self: &Rc<Self>) -> Result<Summary, Trouble> {
        if !self.context.runs().iter().any(|run| Rc::ptr_eq(run, self)) {
            self.context.began(self.clone());
        }
        let ended = self.locked().await;
        self.context.ended(self);
        ended
    }

    async fn locked(self: &Rc<Self>) -> Result<Summary, Trouble> {
        let key = self.job.borrow().idempotency_key;
        let stop = self.services.stop.clone();
        let locked = stop
            .unless(scope::lock(&format!("darkroom-job-{key}")))
            .await;
        let lock = match locked {
            Ok(lock) => lock,
            Err(stopped) => {
                self.undo_in_background(None);
                return Err(stopped);
            }
        };
        if self.asker.is_none() && !self.read_again(key).await? {
            return Ok(self.summary());
        }
        if self.job.borrow().cancelled {
            self.undo(lock).await;
            return Err(trouble::cancelled());
        }
        match self.work().await {
            Ok(()) => {
                self.delete_dropped().await;
                self.book.remove_job(key).await?;
                Ok(self.summary())
            }
            Err(trouble) if trouble.kind == TroubleKind::Cancelled => {
                self.undo_in_background(Some(lock));
                Err(trouble)
            }
            Err(trouble) => {
                for place in self.open_places() {
                    self.fail(place, trouble.clone()).await;
                }
                self.book.remove_job(key).await?;
                Ok(self.summary())
            }
        }
    }

    /// Reads what another tab may have changed meanwhile. Says whether there is anything to do.
    async fn read_again(&self, key: ObjectId) -> Result<bool, Trouble> {
        let Some(job) = self.book.job(key).await? else {
            return Ok(false);
        };
        let mut records = Vec::new();
        let mut kept = Vec::new();
        for item in job.items.iter().filter(|item| !item.over) {
            if let Some(record) = self.book.entry(item.entry).await? {
                kept.push(*item);
                records.push(record);
            }
        }
        let any = !kept.is_empty() || job.cancelled;
        let dropped: Vec<ObjectId> = self.dropped();
        if !job.cancelled {
            for item in &mut kept {
                item.dropped |= dropped.contains(&item.entry);
            }
            *self.job.borrow_mut() = JobRecord { items: kept, ..job };
        } else {
            *self.job.borrow_mut() = job;
        }
        *self.records.borrow_mut() = records;
        if !any {
            self.book.remove_job(key).await?;
        }
        Ok(any)
    }

    fn dropped(&self) -> Vec<ObjectId> {
        let job = self.job.borrow();
        job.items
            .iter()
            .filter(|item| item.dropped)
            .map(|item| item.entry)
            .collect()
    }

    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// The browser's database fails, or is full.
    pub(super) async fn write_down(&self) -> Result<(), Trouble> {
        self.write_job().await?;
        let records = self.records.borrow().clone();
        for record in records {
            self.context.save(&self.book, &record).await?;
        }
        Ok(())
    }

    pub(super) async fn write_job(&self) -> Result<(), Trouble> {
        let job = self.job.borrow().clone();
        self.book.put_job(&job).await
    }

    // ---- what becomes of the pictures ----

    /// The places of the pictures that are neither over nor dropped.
    pub(super) fn open_places(&self) -> Vec<usize> {
        let job = self.job.borrow();
        let open =
            |(place, item): (usize, &ItemRecord)| (!item.over && !item.dropped).then_some(place);
        job.items.iter().enumerate().filter_map(open).collect()
    }

    /// Tells the page what happens to a picture: whoever asked for it, or, where that was in an
    /// earlier visit, whoever is there.
    pub(super) fn tell(&self, place: usize, event: AnalysisEvent) {
        match &self.asker {
            Some(asker) => {
                if let Some(picture) = asker.pictures.get(place) {
                    let event = Event::Analysis(*picture, event);
                    self.context.event(asker.ticket, event);
                }
            }
            None => {
                let entry = self.job.borrow().items.get(place).map(|item| item.entry);
                if let Some(entry) = entry {
                    self.context.notify(Notice::Resumed(entry, event));
                }
            }
        }
    }

    /// Shows that a picture has entered a stage, unless nobody wants it any more.
    pub(super) fn enter(&self, place: usize, stage: Stage, bytes: Option<u64>) {
        let wanted = self
            .job
            .borrow()
            .items
            .get(place)
            .is_some_and(|i| !i.over && !i.dropped);
        if !wanted || self.services.stop.is_stopped() {
            return;
        }
        let mut records = self.records.borrow_mut();
        let Some(record) = records.get_mut(place) else {
            return;
        };
        record.entry.state = EntryState::Pending(stage);
        let (entry, times) = (record.entry.clone(), record.times);
        drop(records);
        self.context.show(&entry);
        let told = AnalysisEvent::Stage {
            entry: entry.id,
            stage,
            bytes,
            times,
        };
        self.tell(place, told);
    }

    /// Ends a picture without a result.
    pub(super) async fn fail(&self, place: usize, trouble: Trouble) {
        let Some(mut record) = self.end(place) else {
            return;
        };
        record.entry.state = EntryState::Failed(trouble.clone());
        // If it cannot be written, it is at least shown.
        if self.context.save(&self.book, &record).await.is_err() {
            self.context.show(&record.entry);
        }
        let _ = self.write_job().await;
        self.tell(place, AnalysisEvent::Failed { trouble });
    }

    /// Marks a picture as over, unless it is, or is not wanted any more.
    pub(super) fn end(&self, place: usize) -> Option<Record> {
        let mut job = self.job.borrow_mut();
        let item = job.items.get_mut(place)?;
        if item.over || item.dropped {
            return None;
        }
        item.over = true;
        self.records.borrow().get(place).cloned()
    }

    /// How many pictures have a result and how many have failed; dropped ones are neither.
    fn summary(&self) -> Summary {
        let (job, records) = (self.job.borrow(), self.records.borrow());
        let mut summary = Summary { done: 0, failed: 0 };
        for (item, record) in job.items.iter().zip(records.iter()) {
            if matches!(record.entry.state, EntryState::Done { .. }) {
                summary.done += 1;
            } else if item.over {
                summary.failed += 1;
            }
        }
        summary
    }
}
