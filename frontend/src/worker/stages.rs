//! The stages of a job before and after `submit.rs`: encrypt and send, wait and compute, fetch and
//! decrypt.

use std::collections::VecDeque;

use darkroom_api::compute::{Job, JobItem, State};
use darkroom_api::header::ObjectKind;
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt, StreamExt, select_biased};

use super::book::Record;
use super::follow::follow;
use super::http::Body;
use super::note::Note;
use super::objects::{decrypt, encrypt};
use super::run::Run;
use super::scope::clock_ms;
use super::trouble;
use crate::protocol::{AnalysisEvent, Answer, EntryState, Stage, Trouble, TroubleKind};

/// How many pictures are sent or fetched at a time.
const AT_A_TIME: usize = 4;

impl Run {
    // ---- encrypt and send ----

    /// Encrypts and sends all pictures; one that fails is told apart.
    ///
    /// # Errors
    /// It was stopped, or the browser's database fails.
    pub(super) async fn send_all(&self) -> Result<(), Trouble> {
        let send = |place| async move { (place, self.send(place).await) };
        let mut sent = stream::iter(self.open_places())
            .map(send)
            .buffer_unordered(AT_A_TIME);
        while let Some((place, outcome)) = sent.next().await {
            match outcome {
                Ok(()) => {}
                Err(trouble) if trouble.kind == TroubleKind::Cancelled => return Err(trouble),
                Err(trouble) => self.fail(place, trouble).await,
            }
        }
        self.write_job().await
    }

    async fn send(&self, place: usize) -> Result<(), Trouble> {
        let Some(item) = self.job.borrow().items.get(place).copied() else {
            return Ok(());
        };
        if item.stored || item.dropped {
            return Ok(());
        }
        if item.fresh {
            let object = self.encrypt(place).await?;
            self.enter(place, Stage::Send, Some(object.len() as u64));
            let begun_at = clock_ms();
            self.services
                .put_object(ObjectKind::Image, item.image, Body::Bytes(&object))
                .await?;
            self.set_time(place, Stage::Send, clock_ms() - begun_at);
            self.put_note(place, ObjectKind::Image).await?;
        }
        self.put_note(place, ObjectKind::Result).await?;
        if let Some(item) = self.job.borrow_mut().items.get_mut(place) {
            item.stored = true;
        }
        self.enter(place, Stage::Wait, None);
        Ok(())
    }

    async fn encrypt(&self, place: usize) -> Result<Vec<u8>, Trouble> {
        self.enter(place, Stage::Encrypt, None);
        // Lets what the page has said meanwhile come in, a cancellation above all.
        self.services.stop.sleep(0).await?;
        let thumbnail = self
            .records
            .borrow()
            .get(place)
            .and_then(|r| r.entry.thumbnail.clone());
        let thumbnail = thumbnail.ok_or_else(|| trouble::missing("The picture"))?;
        let begun_at = clock_ms();
        let object = encrypt(&self.services.held, &thumbnail)?;
        self.set_time(place, Stage::Encrypt, clock_ms() - begun_at);
        Ok(object)
    }

    async fn put_note(&self, place: usize, kind: ObjectKind) -> Result<(), Trouble> {
        let Some(entry) = self.records.borrow().get(place).map(|r| r.entry.clone()) else {
            return Ok(());
        };
        let (id, note) = match kind {
            ObjectKind::Image => (entry.image, Note::of_image(&entry)),
            _ => (entry.id, Note::of_result(&entry)),
        };
        let sealed = note.seal(&self.services.held, kind, id)?;
        self.services.put_note(kind, id, &sealed).await
    }

    pub(super) fn set_time(&self, place: usize, stage: Stage, ms: f64) {
        if let Some(record) = self.records.borrow_mut().get_mut(place) {
            record.times.set(stage, ms);
        }
    }

    // ---- wait and compute ----

    /// Follows the job and fetches its results. Gives its last state if pictures are left of which
    /// nothing came.
    ///
    /// # Errors
    /// Something that concerns all pictures, or it was stopped.
    pub(super) async fn follow_to_the_end(&self) -> Result<Option<Job>, Trouble> {
        let Some(id) = self.job.borrow().job else {
            return Ok(None);
        };
        let mut snapshots = follow(&self.services, id);
        let mut ended = false;
        let mut last: Option<Job> = None;
        let mut seen: Vec<Option<State>> = vec![None; self.job.borrow().items.len()];
        let mut ready = VecDeque::new();
        let mut fetches = FuturesUnordered::new();
        loop {
            while fetches.len() < AT_A_TIME
                && let Some(place) = ready.pop_front()
            {
                fetches.push(self.fetch(place).map(move |outcome| (place, outcome)));
            }
            if ended && fetches.is_empty() {
                break;
            }
            select_biased! {
                snapshot = snapshots.next() => match snapshot {
                    Some(snapshot) => {
                        let job = snapshot?;
                        self.look(&job, &mut seen, &mut ready).await;
                        last = Some(job);
                    }
                    None => ended = true,
                },
                fetched = fetches.next() => match fetched {
                    Some((_, Ok(()))) | None => {}
                    Some((_, Err(trouble))) if trouble.kind == TroubleKind::Cancelled => {
                        return Err(trouble);
                    }
                    Some((place, Err(trouble))) => self.fail(place, trouble).await,
                },
            }
        }
        Ok(last.filter(|_| !self.open_places().is_empty()))
    }

    /// What a new state of the job means for its pictures.
    async fn look(&self, job: &Job, seen: &mut [Option<State>], ready: &mut VecDeque<usize>) {
        for place in self.open_places() {
            let entry = self.job.borrow().items.get(place).map(|item| item.entry);
            let Some(item) = job.items.iter().find(|item| Some(item.result) == entry) else {
                continue;
            };
            let Some(before) = seen.get_mut(place) else {
                continue;
            };
            if before.replace(item.state) == Some(item.state) {
                self.note_bootstraps(place, item.bootstraps_done);
                continue;
            }
            match item.state {
                State::Queued => self.enter(place, Stage::Wait, None),
                State::Running => {
                    self.enter(place, Stage::Compute, None);
                    // A stage begins with none; some are done already where the job is met at work.
                    self.note_bootstraps(place, item.bootstraps_done);
                }
                State::Done => {
                    self.note_times(place, job, item);
                    ready.push_back(place);
                }
                State::Failed => {
                    let problem = item.problem.as_ref().or(job.problem.as_ref());
                    if problem.is_some_and(|problem| self.can_mend(problem.kind)) {
                        // Left open, for another submission.
                        continue;
                    }
                    let trouble = problem.map_or_else(trouble::not_understood, trouble::problem);
                    self.fail(place, trouble).await;
                }
                State::Cancelled => {}
            }
        }
    }

    fn note_bootstraps(&self, place: usize, done: u64) {
        let before = self.bootstraps_done.borrow_mut().insert(place, done);
        if done > 0 && before != Some(done) {
            self.tell(place, AnalysisEvent::Bootstraps { done });
        }
    }

    /// Splits the time since the submission into waiting and computing.
    fn note_times(&self, place: usize, job: &Job, item: &JobItem) {
        let Some(timings) = item.timings else { return };
        let compute_ms = timings.fetch_ms + timings.compute_ms + timings.store_ms;
        let wait_ms = match self.submitted_at_ms.get() {
            Some(submitted_at_ms) => clock_ms() - submitted_at_ms - compute_ms,
            None => {
                let started_ms = job.started_ms.unwrap_or(job.created_ms);
                // Milliseconds between two moments: far below 2^53.
                #[expect(clippy::cast_precision_loss)]
                let waited_ms = started_ms.saturating_sub(job.created_ms) as f64;
                waited_ms
            }
        };
        self.set_time(place, Stage::Wait, wait_ms.max(0.0));
        self.set_time(place, Stage::Compute, compute_ms);
    }

    // ---- fetch and decrypt ----

    async fn fetch(&self, place: usize) -> Result<(), Trouble> {
        let Some(item) = self.job.borrow().items.get(place).copied() else {
            return Ok(());
        };
        self.enter(place, Stage::Fetch, None);
        let begun_at = clock_ms();
        let (header, object) = self.services.object(ObjectKind::Result, item.entry).await?;
        self.set_time(place, Stage::Fetch, clock_ms() - begun_at);
        self.enter(place, Stage::Decrypt, Some(object.len() as u64));
        let begun_at = clock_ms();
        let read = decrypt(&self.services.held, header.parameters, &object)?;
        if read.model != self.job.borrow().model.as_str() {
            return Err(trouble::damaged(
                "The result is of another model than was asked for.",
            ));
        }
        self.set_time(place, Stage::Decrypt, clock_ms() - begun_at);
        let Some(record) = self.end(place) else {
            return Ok(());
        };
        let record = finished(record, read.answer);
        if let Some(slot) = self.records.borrow_mut().get_mut(place) {
            *slot = record.clone();
        }
        // If it cannot be kept in this browser, it is at least shown.
        if self.context.save(&self.book, &record).await.is_err() {
            self.context.show(&record.entry);
        }
        let _ = self.write_job().await;
        let entry = Box::new(record.entry);
        self.tell(place, AnalysisEvent::Done { entry });
        Ok(())
    }
}

/// The record of an entry whose answer is known now.
pub(super) fn finished(mut record: Record, answer: Answer) -> Record {
    record.entry.state = EntryState::Done {
        label: answer.label.clone(),
        probability: answer
            .probabilities
            .get(answer.class)
            .copied()
            .unwrap_or(0.0),
    };
    record.answer = Some(answer);
    record
}
