//! One job's pictures the whole way: encrypt and send, submit, wait, fetch and decrypt.

mod receive;
mod send;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use darkroom_api::compute::JobItem;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{JobId, ObjectId};
use futures_util::StreamExt;
use futures_util::stream;

use super::follow::stop;
use super::report::{Done, Report, Times};
use super::session::{Session, draw};
use crate::error::Error;

/// How many pictures are sent or fetched at a time.
const AT_A_TIME: usize = 4;

/// The pictures of one job.
pub struct Batch<'a> {
    session: &'a Session,
    report: &'a Report,
    items: Vec<Item>,
    idempotency_key: ObjectId,
    job: Cell<Option<JobId>>,
    /// How many outcomes were told.
    told: Cell<usize>,
}

struct Item {
    path: PathBuf,
    image: ObjectId,
    result: ObjectId,
    bytes_sent: Cell<usize>,
    times: Cell<Times>,
    outcome: RefCell<Option<Result<Done, Rc<Error>>>>,
}

impl<'a> Batch<'a> {
    /// Draws the ids.
    pub fn new(session: &'a Session, report: &'a Report, paths: &[PathBuf]) -> Result<Self, Error> {
        let item = |path: &PathBuf| {
            Ok(Item {
                path: path.clone(),
                image: draw()?,
                result: draw()?,
                bytes_sent: Cell::default(),
                times: Cell::default(),
                outcome: RefCell::default(),
            })
        };
        Ok(Self {
            session,
            report,
            items: paths.iter().map(item).collect::<Result<_, Error>>()?,
            idempotency_key: draw()?,
            job: Cell::new(None),
            told: Cell::new(0),
        })
    }

    /// Goes the whole way. A picture that fails is told, and the others go on.
    ///
    /// # Errors
    /// Nothing can be printed any more.
    pub async fn run(&self) -> Result<(), Error> {
        self.report.doing("encrypting and sending");
        let mut sent = stream::iter(&self.items)
            .map(async |item| (item, self.send(item).await))
            .buffer_unordered(AT_A_TIME);
        while let Some((item, outcome)) = sent.next().await {
            if let Err(error) = outcome {
                item.end(Err(error.into()));
                self.tell()?;
            }
            self.report.doing("encrypting and sending");
        }
        if self.open().next().is_some()
            && let Err(error) = self.analyse().await
        {
            let error = Rc::new(error);
            self.open().for_each(|item| item.end(Err(error.clone())));
        }
        self.tell()
    }

    /// Deletes what is of no use any more: the pictures that failed, and all if they are to be
    /// forgotten.
    pub async fn tidy(&self, forget: bool) {
        let of_no_use = |item: &&Item| forget || !item.succeeded();
        let sent = self.items.iter().filter(|item| item.bytes_sent.get() > 0);
        stream::iter(sent.filter(of_no_use))
            .for_each_concurrent(AT_A_TIME, |item| self.delete(item))
            .await;
    }

    /// Cancels the job and deletes everything that has no result.
    pub async fn undo(&self) {
        if let Some(job) = self.job.get() {
            stop(self.session, job).await;
        }
        let unfinished = self.items.iter().filter(|item| !item.succeeded());
        stream::iter(unfinished)
            .for_each_concurrent(AT_A_TIME, |item| self.delete(item))
            .await;
    }

    async fn delete(&self, item: &Item) {
        self.session.delete(ObjectKind::Image, item.image).await;
        self.session.delete(ObjectKind::Result, item.result).await;
    }

    fn open(&self) -> impl Iterator<Item = &Item> {
        self.items
            .iter()
            .filter(|item| item.outcome.borrow().is_none())
    }

    /// Tells the outcomes that are there, in order.
    fn tell(&self) -> Result<(), Error> {
        for item in &self.items[self.told.get()..] {
            match &*item.outcome.borrow() {
                Some(outcome) => self.report.tell(&item.path, outcome)?,
                None => break,
            }
            self.told.update(|told| told + 1);
        }
        Ok(())
    }
}

impl Item {
    fn end(&self, outcome: Result<Done, Rc<Error>>) {
        self.outcome.replace(Some(outcome));
    }

    fn succeeded(&self) -> bool {
        matches!(&*self.outcome.borrow(), Some(Ok(_)))
    }

    fn time(&self, change: impl FnOnce(&mut Times)) {
        let mut times = self.times.get();
        change(&mut times);
        self.times.set(times);
    }

    /// Splits the time since the submission into waiting and computing.
    fn note_server(&self, state: &JobItem, passed_ms: f64) {
        let Some(timings) = state.timings else { return };
        let compute_ms = timings.fetch_ms + timings.compute_ms + timings.store_ms;
        self.time(|times| {
            times.wait_ms = (passed_ms - compute_ms).max(0.0);
            times.compute_ms = compute_ms;
            times.evaluate_ms = timings.compute_ms;
        });
    }
}

fn since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
