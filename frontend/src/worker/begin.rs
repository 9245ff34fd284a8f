//! Jobs begin: for a request of the page, or because an earlier visit has left them.

use std::rc::Rc;

use darkroom_api::compute::{JOB_IMAGES_MAX, ModelCard};
use wasm_bindgen_futures::spawn_local;

use super::book::{ItemRecord, JobRecord, Record};
use super::context::Context;
use super::note::cut;
use super::run::{Asker, Run};
use super::stop::Stop;
use super::{scope, trouble};
use crate::protocol::{
    Analysis, Entry, EntryState, Grey, Source, Stage, Summary, Ticket, ToAnalyse, Trouble,
};

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
    let card = context.model(&analysis.model, stop).await?;
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
        large_key: card.evaluation_key.map(|key| key.parameters),
        again: None,
    };
    let run = Rc::new(Run::new(context, services, book, Some(asker), job, records));
    if let Err(trouble) = run.write_down().await {
        run.tear_up().await;
        return Err(trouble);
    }
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
    let fits = |p: &Grey| (p.width, p.height) == (card.input.width, card.input.height);
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
