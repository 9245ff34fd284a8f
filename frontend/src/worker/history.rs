//! Entries: what this browser remembers, brought together with what storage and compute know.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use darkroom_api::compute::{Job, JobItem, ModelCard};
use darkroom_api::header::{HEADER_BYTES, ObjectKind};
use darkroom_api::ids::ObjectId;
use darkroom_api::storage::ObjectInfo;
use futures_util::join;
use wasm_bindgen_futures::spawn_local;

use super::book::{Book, ItemRecord, JobRecord, Record};
use super::context::Context;
use super::note::{Note, cut};
use super::services::Owned;
use super::stages::finished;
use super::stop::Stop;
use super::{begin, objects, scope, trouble};
use crate::protocol::{Entry, EntryState, Event, Opened, Seen, Stage, Ticket, Trouble};

/// How many entries are fetched unasked when they are new to this browser; older ones when opened.
const FETCH_UNASKED: usize = 24;
/// Bytes of a ciphertext that the page may show.
const SAMPLE_BYTES: usize = 64 * 1024;

/// All entries, newest first; those that are known here are told at once.
///
/// # Errors
/// Storage refuses, or it was stopped.
pub async fn history(
    context: &Rc<Context>,
    ticket: Ticket,
    stop: Stop,
) -> Result<Vec<Entry>, Trouble> {
    if context.identity.status().key.is_none() {
        return Ok(Vec::new());
    }
    let book = context.book()?;
    let known = book.entries().await?;
    context.event(ticket, Event::History(shown(known.clone())));
    let services = context.owned(stop)?;
    let results = services.list(ObjectKind::Result).await?;
    forget_deleted(context, &book, &known, &results).await?;
    remember_new(context, &services, &book, &known, &results).await?;
    spawn_local(catch_up(context.clone()));
    Ok(shown(book.entries().await?))
}

fn shown(records: Vec<Record>) -> Vec<Entry> {
    records.into_iter().map(|record| record.entry).collect()
}

/// Removes entries whose results were deleted, by another device.
async fn forget_deleted(
    context: &Context,
    book: &Book,
    known: &[Record],
    results: &[ObjectInfo],
) -> Result<(), Trouble> {
    let stored: HashSet<ObjectId> = results.iter().map(|result| result.id).collect();
    for record in known {
        let has_result = matches!(
            record.entry.state,
            EntryState::Done { .. } | EntryState::Unread
        );
        if has_result && !stored.contains(&record.entry.id) {
            context.remove(book, record.entry.id).await?;
        }
    }
    Ok(())
}

/// Adds entries for results that this browser does not know, by their notes.
async fn remember_new(
    context: &Context,
    services: &Owned,
    book: &Book,
    known: &[Record],
    results: &[ObjectInfo],
) -> Result<(), Trouble> {
    let known: HashSet<ObjectId> = known.iter().map(|record| record.entry.id).collect();
    for result in results.iter().filter(|result| !known.contains(&result.id)) {
        // Without its note a result cannot be told from others; deleting everything deletes it.
        let Some(entry) = noted(services, result) else {
            continue;
        };
        // Meanwhile a run may have written it.
        if book.entry(entry.id).await?.is_none() {
            context.save(book, &Record::new(entry)).await?;
        }
    }
    Ok(())
}

fn noted(services: &Owned, result: &ObjectInfo) -> Option<Entry> {
    let sealed = result.note.as_ref()?;
    let note = Note::open(&services.held, ObjectKind::Result, result.id, &sealed.0)?;
    let run = note.run?;
    Some(Entry {
        id: result.id,
        image: run.image,
        name: cut(&note.name),
        model: run.model,
        model_title: cut(&run.title),
        width: note.width,
        height: note.height,
        created_ms: note.created_ms,
        state: EntryState::Unread,
        thumbnail: None,
    })
}

// ---- catching up, unasked ----

/// Takes up jobs that another device has begun, and reads the newest results that are new here.
async fn catch_up(context: Rc<Context>) {
    let stop = context.background();
    if !context.begin_catching_up() {
        return;
    }
    // What cannot be had now is had next time.
    let _ = join!(
        read_newest(&context, stop.clone()),
        adopt_jobs(&context, stop)
    );
    context.end_catching_up();
}

async fn read_newest(context: &Rc<Context>, stop: Stop) -> Result<(), Trouble> {
    let (services, book) = (context.owned(stop)?, context.book()?);
    let entries = book.entries().await?;
    let unread = entries
        .into_iter()
        .filter(|r| r.entry.state == EntryState::Unread);
    for record in unread.take(FETCH_UNASKED) {
        services.stop.check()?;
        // One that is damaged or gone says so when it is opened.
        let _ = fetch(context, &services, &book, record).await;
    }
    Ok(())
}

async fn adopt_jobs(context: &Rc<Context>, stop: Stop) -> Result<(), Trouble> {
    let (services, book) = (context.owned(stop)?, context.book()?);
    let jobs = services.jobs().await?;
    let ours: HashSet<_> = book
        .jobs()
        .await?
        .into_iter()
        .filter_map(|job| job.job)
        .collect();
    let known: HashSet<ObjectId> = book.entries().await?.iter().map(|r| r.entry.id).collect();
    let foreign = |job: &&Job| {
        !job.state.is_final()
            && !ours.contains(&job.id)
            && job.items.iter().any(|item| !known.contains(&item.result))
    };
    let foreign: Vec<&Job> = jobs.iter().filter(foreign).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let images = services.list(ObjectKind::Image).await?;
    let notes: HashMap<ObjectId, Note> = images
        .iter()
        .filter_map(|image| Some((image.id, image_note(&services, image)?)))
        .collect();
    for job in foreign {
        let card = context.model(&job.model, services.stop.clone()).await.ok();
        adopt(context, &book, job, card.as_ref(), &notes, &known).await?;
    }
    Ok(())
}

fn image_note(services: &Owned, image: &ObjectInfo) -> Option<Note> {
    Note::open(
        &services.held,
        ObjectKind::Image,
        image.id,
        &image.note.as_ref()?.0,
    )
}

async fn adopt(
    context: &Rc<Context>,
    book: &Book,
    job: &Job,
    card: Option<&ModelCard>,
    notes: &HashMap<ObjectId, Note>,
    known: &HashSet<ObjectId>,
) -> Result<(), Trouble> {
    let mut items = Vec::new();
    for item in job
        .items
        .iter()
        .filter(|item| !known.contains(&item.result))
    {
        let Some(note) = notes.get(&item.image) else {
            continue;
        };
        let entry = pending(job, item, card, note);
        context.save(book, &Record::new(entry)).await?;
        items.push(ItemRecord {
            entry: item.result,
            image: item.image,
            fresh: true,
            stored: true,
            over: false,
            dropped: false,
        });
    }
    if items.is_empty() {
        return Ok(());
    }
    let record = JobRecord {
        idempotency_key: scope::new_id()?,
        model: job.model.clone(),
        job: Some(job.id),
        items,
        cancelled: false,
        large_key: card
            .and_then(|card| card.evaluation_key)
            .map(|key| key.parameters),
        again: None,
    };
    book.put_job(&record).await?;
    begin::resume(context, record);
    Ok(())
}

fn pending(job: &Job, item: &JobItem, card: Option<&ModelCard>, note: &Note) -> Entry {
    Entry {
        id: item.result,
        image: item.image,
        name: cut(&note.name),
        model: job.model.clone(),
        model_title: cut(card.map_or(job.model.as_str(), |card| &card.title)),
        width: note.width,
        height: note.height,
        created_ms: job.created_ms,
        state: EntryState::Pending(Stage::Wait),
        thumbnail: None,
    }
}

// ---- one entry ----

/// Everything about an entry, fetched and decrypted anew.
///
/// # Errors
/// It is not there or not readable any more, storage refuses, or it was stopped.
pub async fn open(context: &Rc<Context>, entry: ObjectId, stop: Stop) -> Result<Opened, Trouble> {
    let (services, book) = (context.owned(stop)?, context.book()?);
    let record = book
        .entry(entry)
        .await?
        .ok_or_else(|| trouble::missing("This entry"))?;
    fetch(context, &services, &book, record).await
}

async fn fetch(
    context: &Context,
    services: &Owned,
    book: &Book,
    record: Record,
) -> Result<Opened, Trouble> {
    let (image, result) = join!(
        services.object(ObjectKind::Image, record.entry.image),
        services.object(ObjectKind::Result, record.entry.id)
    );
    let ((image_header, image), (header, result)) = (image?, result?);
    let picture = objects::decrypt_image(&services.held, image_header.parameters, &image)?;
    let read = objects::decrypt(&services.held, header.parameters, &result)?;
    let before = record.entry.clone();
    let mut record = finished(record, read.answer.clone());
    record.entry.thumbnail = Some(picture.clone());
    if record.entry != before {
        // What it says is known either way.
        let _ = context.save(book, &record).await;
    }
    let payload = image.get(HEADER_BYTES..).unwrap_or_default();
    let seen = Seen {
        sample: payload.iter().copied().take(SAMPLE_BYTES).collect(),
        image_bytes: image.len() as u64,
        result_bytes: result.len() as u64,
        parameters: header.parameters,
    };
    Ok(Opened {
        entry: record.entry,
        answer: read.answer,
        picture,
        seen,
        times: record.times,
        notice: read.notice,
    })
}
