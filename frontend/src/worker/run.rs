//! A job from its first pixel to its last result: begun, taken up again, stopped, undone. The stages
//! themselves are in `stages.rs`.
//!
//! A job is written down before anything is sent, and every step can be repeated: ids are drawn
//! once, objects that are there already are as good as sent, and compute knows a job again by its
//! idempotency key. So whatever ends the worker, the next one goes on. A lock keeps two tabs from
//! doing it both.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use darkroom_api::compute::{JOB_IMAGES_MAX, ModelCard};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use wasm_bindgen_futures::spawn_local;

use super::book::{Book, ItemRecord, JobRecord, Record, cut};
use super::context::Context;
use super::scope::Lock;
use super::services::Owned;
use super::stop::Stop;
use super::{scope, trouble};
use crate::protocol::{
    Analysis, AnalysisEvent, Entry, EntryState, Event, Source, Stage, Summary, Ticket, ToAnalyse,
    Trouble, TroubleKind,
};

/// How often, and how far apart, a cancelled job is asked whether it has stopped.
const WIND_DOWN_TRIES: u32 = 20;
const WIND_DOWN_MS: u32 = 500;

/// One job under way.
pub struct Run {
    pub(super) context: Rc<Context>,
    pub(super) services: Owned,
    pub(super) book: Book,
    /// Whom to tell; absent if it goes on from an earlier visit.
    pub(super) asker: Option<Asker>,
    pub(super) job: RefCell<JobRecord>,
    /// The entries, in the order of the job's items.
    pub(super) records: RefCell<Vec<Record>>,
    /// Whether, when stopped, everything without a result is deleted.
    undo: Cell<bool>,
    /// When it was submitted, if in this visit.
    pub(super) submitted_at_ms: Cell<Option<f64>>,
}

/// The request that a run answers.
pub struct Asker {
    pub(super) ticket: Ticket,
    /// The page's numbers of the pictures, in the order of the job's items.
    pub(super) pictures: Vec<u32>,
}

/// Runs a model on pictures, for a request of the page.
///
/// # Errors
/// It cannot begin, or it was stopped. A picture that fails is told by an event.
pub async fn analyse(
    context: &Rc<Context>,
    ticket: Ticket,
    analysis: Analysis,
    stop: Stop,
) -> Result<Summary, Trouble> {
    let services = context.owned(stop.clone())?;
    let book = context.book()?;
    if !(1..=JOB_IMAGES_MAX).contains(&analysis.pictures.len()) {
        return Err(trouble::too_many_pictures(JOB_IMAGES_MAX));
    }
    let card = context.public(stop).model(&analysis.model).await?;
    let known = book.entries().await?;
    let mut asker = Asker {
        ticket,
        pictures: Vec::new(),
    };
    let (mut items, mut records) = (Vec::new(), Vec::new());
    for picture in analysis.pictures {
        asker.pictures.push(picture.picture);
        let (item, record) = begin_item(&card, picture, &known)?;
        items.push(item);
        records.push(record);
    }
    let job = JobRecord {
        idempotency_key: scope::new_id()?,
        model: card.id.clone(),
        job: None,
        items,
        cancelled: false,
    };
    let run = Rc::new(Run::new(context, services, book, Some(asker), job, records));
    run.write_down().await?;
    run.go().await
}

fn begin_item(
    card: &ModelCard,
    picture: ToAnalyse,
    known: &[Record],
) -> Result<(ItemRecord, Record), Trouble> {
    let (image, fresh, pixels) = match picture.source {
        Source::Fresh(pixels) => (scope::new_id()?, true, Some(pixels)),
        Source::Stored(image) => {
            let known = known.iter().find(|record| record.entry.image == image);
            let known = known.ok_or_else(|| trouble::missing("The picture"))?;
            let shape = (known.entry.width, known.entry.height);
            if shape != (card.input.width, card.input.height) {
                return Err(trouble::frame(card.input.width, card.input.height));
            }
            (image, false, known.entry.thumbnail.clone())
        }
    };
    let fits =
        |p: &crate::protocol::Grey| (p.width, p.height) == (card.input.width, card.input.height);
    if pixels.as_ref().is_some_and(|pixels| !fits(pixels)) {
        return Err(trouble::frame(card.input.width, card.input.height));
    }
    let entry = Entry {
        id: scope::new_id()?,
        image,
        name: cut(&picture.name),
        model: card.id.clone(),
        model_title: cut(&card.title),
        width: card.input.width,
        height: card.input.height,
        created_ms: scope::now_ms(),
        state: EntryState::Pending(if fresh { Stage::Encrypt } else { Stage::Send }),
        thumbnail: pixels,
    };
    let item = ItemRecord {
        entry: entry.id,
        image,
        fresh,
        stored: false,
        over: false,
        dropped: false,
    };
    Ok((item, Record::new(entry)))
}

/// Goes on with the jobs that an earlier visit left.
pub async fn resume_all(context: Rc<Context>) {
    let Ok(book) = context.book() else { return };
    // A database that fails says so when something is asked of it.
    for job in book.jobs().await.unwrap_or_default() {
        resume(&context, job);
    }
}

/// Goes on with one job, unless this tab does already.
pub fn resume(context: &Rc<Context>, job: JobRecord) {
    let same = |run: &Rc<Run>| {
        let under_way = run.job.borrow();
        under_way.idempotency_key == job.idempotency_key
            || job.job.is_some() && under_way.job == job.job
    };
    if context.runs().iter().any(same) {
        return;
    }
    let (Ok(services), Ok(book)) = (context.owned(Stop::new()), context.book()) else {
        return;
    };
    let run = Rc::new(Run::new(context, services, book, None, job, Vec::new()));
    // Before anything is awaited, so that it is not taken up twice.
    context.began(run.clone());
    spawn_local(async move {
        // Whatever goes wrong stands in the entries.
        let _ = run.go().await;
    });
}

impl Run {
    fn new(
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

    async fn go(self: &Rc<Self>) -> Result<Summary, Trouble> {
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

    async fn write_down(&self) -> Result<(), Trouble> {
        self.write_job().await?;
        for record in self.records.borrow().clone() {
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

    pub(super) fn tell(&self, event: impl FnOnce(u32) -> AnalysisEvent, place: usize) {
        if let Some(asker) = &self.asker
            && let Some(picture) = asker.pictures.get(place)
        {
            self.context
                .event(asker.ticket, Event::Analysis(event(*picture)));
        }
    }

    /// Shows that a picture has entered a stage, unless nobody wants it any more.
    pub(super) fn enter(&self, place: usize, stage: Stage, bytes: Option<u64>) {
        let wanted = self.job.borrow().items.get(place).is_some_and(|i| !i.over && !i.dropped);
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
        let told = |picture| AnalysisEvent::Stage {
            picture,
            entry: entry.id,
            stage,
            bytes,
            times,
        };
        self.tell(told, place);
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
        let entry = Some(Box::new(record.entry));
        self.tell(
            |picture| AnalysisEvent::Failed {
                picture,
                entry,
                trouble,
            },
            place,
        );
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

    fn summary(&self) -> Summary {
        let records = self.records.borrow();
        let done = records
            .iter()
            .filter(|r| matches!(r.entry.state, EntryState::Done { .. }));
        let done = u32::try_from(done.count()).unwrap_or(u32::MAX);
        let all = u32::try_from(records.len()).unwrap_or(u32::MAX);
        Summary {
            done,
            failed: all - done,
        }
    }

    // ---- undoing ----

    fn undo_in_background(self: &Rc<Self>, lock: Option<Lock>) {
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
    async fn undo(self: &Rc<Self>, _lock: Lock) {
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

    async fn delete_dropped(&self) {
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
