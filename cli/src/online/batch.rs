//! One job's pictures the whole way: encrypt and send, submit, wait, fetch and decrypt.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use darkroom_api::compute::{ItemRef, Job, JobItem, State, SubmitJob};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{JobId, ObjectId};
use darkroom_api::storage::{GrantRequest, ObjectRef};
use futures_util::StreamExt;
use futures_util::stream;

use super::follow::{follow, stop};
use super::note::Note;
use super::report::{Done, Report, Times};
use super::session::{Session, draw, patiently};
use crate::error::Error;
use crate::{pictures, stages};

/// How many pictures are sent or fetched at a time.
const AT_A_TIME: usize = 4;
/// How long compute may need for a job.
const GRANT_MS: u64 = 24 * 60 * 60 * 1000;

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

    // ---- encrypt and send ----

    async fn send(&self, item: &Item) -> Result<(), Error> {
        let object = self.encrypt(item).await?;
        let begun = Instant::now();
        let (session, sending) = (self.session, "storing the encrypted picture");
        item.bytes_sent.set(object.len());
        let put = async || {
            let (image, object) = (item.image, object.clone());
            session
                .storage
                .put(
                    session.vault,
                    ObjectKind::Image,
                    image,
                    session.access(),
                    object,
                )
                .await
        };
        patiently(put).await.map_err(Error::service(sending))?;
        let note = Note::of_image(&item.path, &session.card);
        self.put_note(ObjectKind::Image, item.image, &note).await?;
        let note = note.of_result(item.image, &session.card);
        self.put_note(ObjectKind::Result, item.result, &note)
            .await?;
        item.time(|times| times.send_ms = since(begun));
        Ok(())
    }

    async fn encrypt(&self, item: &Item) -> Result<Bytes, Error> {
        let (key, path) = (self.session.key.clone(), item.path.clone());
        let frame = (
            self.session.card.input.width,
            self.session.card.input.height,
        );
        let work = move || {
            let begun = Instant::now();
            let pixels = pictures::load(&path, frame)?;
            let prepare_ms = since(begun);
            let begun = Instant::now();
            let object = stages::encrypt_pixels(&key, &pixels)?;
            Ok::<_, Error>((object, prepare_ms, since(begun)))
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (object, prepare_ms, encrypt_ms) = done.map_err(std::io::Error::other)??;
        item.time(|times| (times.prepare_ms, times.encrypt_ms) = (prepare_ms, encrypt_ms));
        Ok(object.into())
    }

    async fn put_note(&self, kind: ObjectKind, id: ObjectId, note: &Note) -> Result<(), Error> {
        let session = self.session;
        let sealed = Bytes::from(note.seal(&session.key, kind, id)?);
        let put = async || {
            let (owner, sealed) = (&session.vault_token, sealed.clone());
            session
                .storage
                .put_note(session.vault, kind, id, owner, sealed)
                .await
        };
        patiently(put)
            .await
            .map_err(Error::service("storing the sealed name"))
    }

    // ---- submit and wait ----

    async fn analyse(&self) -> Result<(), Error> {
        self.report.doing("waiting for the server");
        let submitted = Instant::now();
        let job = self.submit().await?;
        self.job.set(Some(job));
        let ended = follow(self.session, job, async |job| {
            self.look(job, submitted).await
        })
        .await;
        let ended = ended.map_err(Error::service("following the job"))?;
        // Told by `look` of each picture; what is left has no word of its own.
        if self.open().next().is_none() {
            return Ok(());
        }
        Err(match (ended.problem, ended.state) {
            (Some(problem), _) => problem.into(),
            (None, State::Cancelled) => Error::Cancelled,
            (None, _) => Error::NoResult,
        })
    }

    async fn submit(&self) -> Result<JobId, Error> {
        let session = self.session;
        let items = self.open().map(|item| ItemRef {
            image: item.image,
            result: item.result,
        });
        let items: Vec<ItemRef> = items.collect();
        let image = |item: &ItemRef| ObjectRef {
            kind: ObjectKind::Image,
            id: item.image,
        };
        let request = GrantRequest {
            reads: items.iter().map(image).collect(),
            writes: items.iter().map(|item| item.result).collect(),
            valid_ms: GRANT_MS,
        };
        let (vault, owner) = (session.vault, &session.vault_token);
        let grant = patiently(async || session.storage.grant(vault, owner, &request).await).await;
        let job = SubmitJob {
            model: session.card.id.clone(),
            vault,
            key: session.own(),
            items,
            grant: grant
                .map_err(Error::service("asking storage for a grant"))?
                .grant,
            idempotency_key: self.idempotency_key,
        };
        let owner = &session.compute_token;
        let submitted = patiently(async || session.compute.submit(owner, &job).await).await;
        Ok(submitted.map_err(Error::service("submitting the job"))?.id)
    }

    /// What a new state of the job means for its pictures.
    async fn look(&self, job: &Job, submitted: Instant) {
        let mut ready = Vec::new();
        for item in self.open() {
            let Some(state) = job.items.iter().find(|state| state.result == item.result) else {
                continue;
            };
            match state.state {
                State::Done => ready.push((item, state)),
                State::Failed => {
                    let problem = state.problem.as_ref().or(job.problem.as_ref()).cloned();
                    let error = problem.map_or(Error::NoResult, Error::from);
                    item.end(Err(error.into()));
                }
                State::Queued | State::Running | State::Cancelled => {}
            }
        }
        stream::iter(ready)
            .map(async |(item, state)| {
                item.note_server(state, since(submitted));
                item.end(self.fetch(item).await.map_err(Rc::new));
            })
            .buffer_unordered(AT_A_TIME)
            .for_each(|()| std::future::ready(()))
            .await;
        // What cannot be printed now fails again, and is told, when the batch ends.
        let _ = self.tell();
        self.report.doing(match job.state {
            State::Queued => "waiting for the server",
            _ => "the server computes",
        });
    }

    // ---- fetch and decrypt ----

    async fn fetch(&self, item: &Item) -> Result<Done, Error> {
        let session = self.session;
        let begun = Instant::now();
        let max_bytes = usize::try_from(session.card.result_bytes).unwrap_or(usize::MAX);
        let get = async || {
            let (vault, kind) = (session.vault, ObjectKind::Result);
            session
                .storage
                .object(vault, kind, item.result, session.access(), max_bytes)
                .await
        };
        let object = patiently(get)
            .await
            .map_err(Error::service("fetching the result"))?;
        item.time(|times| times.fetch_ms = since(begun));
        let begun = Instant::now();
        let what = "the result";
        let (answer, result) = stages::read_result(&session.key, what, &object)?;
        self.check(what, &result.reading().model, &answer.classes)?;
        item.time(|times| times.decrypt_ms = since(begun));
        Ok(Done {
            answer,
            bytes_sent: item.bytes_sent.get(),
            bytes_received: object.len(),
            times: item.times.get(),
        })
    }

    /// Whether the result is of the model that was asked for.
    fn check(&self, what: &str, model: &str, classes: &[String]) -> Result<(), Error> {
        let detail = if model != self.session.card.id.as_str() {
            ", which nobody asked for"
        } else if classes != self.session.card.classes {
            ", whose classes have changed since"
        } else {
            return Ok(());
        };
        Err(Error::ForeignModel {
            what: what.to_owned(),
            found: model.to_owned(),
            detail,
        })
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
