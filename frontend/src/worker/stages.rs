//! The stages of a job: encrypt and send, submit, wait and compute, fetch and decrypt.

use std::collections::VecDeque;

use darkroom_api::compute::{ItemRef, Job, JobItem, State, SubmitJob};
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt, StreamExt, select_biased};

use super::book::Record;
use super::follow::follow;
use super::note::Note;
use super::objects::{decrypt, encrypt};
use super::run::Run;
use super::scope::clock_ms;
use super::trouble;
use crate::protocol::{AnalysisEvent, Answer, EntryState, Stage, Trouble, TroubleKind};

/// How many pictures are sent or fetched at a time.
const AT_A_TIME: usize = 4;
/// How long compute may need for a job.
const GRANT_MS: u64 = 24 * 60 * 60 * 1000;

impl Run {
    /// Does whatever is left to do.
    ///
    /// # Errors
    /// Something that concerns all pictures, or it was stopped.
    pub(super) async fn work(&self) -> Result<(), Trouble> {
        if self.job.borrow().job.is_none() {
            self.send_all().await?;
            if self.open_places().is_empty() {
                return Ok(());
            }
            self.submit().await?;
        }
        self.follow_to_the_end().await
    }

    // ---- encrypt and send ----

    async fn send_all(&self) -> Result<(), Trouble> {
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
                .put_object(ObjectKind::Image, item.image, &object)
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

    fn set_time(&self, place: usize, stage: Stage, ms: f64) {
        if let Some(record) = self.records.borrow_mut().get_mut(place) {
            record.times.set(stage, ms);
        }
    }

    // ---- submit ----

    async fn submit(&self) -> Result<(), Trouble> {
        let items: Vec<ItemRef> = {
            let job = self.job.borrow();
            let open = self
                .open_places()
                .into_iter()
                .filter_map(|place| job.items.get(place));
            open.map(|item| ItemRef {
                image: item.image,
                result: item.entry,
            })
            .collect()
        };
        let mut reads: Vec<ObjectRef> = Vec::new();
        for item in &items {
            let read = ObjectRef {
                kind: ObjectKind::Image,
                id: item.image,
            };
            if !reads.contains(&read) {
                reads.push(read);
            }
        }
        let request = GrantRequest {
            reads,
            writes: items.iter().map(|item| item.result).collect(),
            valid_ms: GRANT_MS,
        };
        let grant = self.services.grant(&request).await?.grant;
        let submit = SubmitJob {
            model: self.job.borrow().model.clone(),
            vault: self.services.held.vault(),
            key: self.services.held.id(),
            items,
            grant,
            evaluation_key: None,
            idempotency_key: self.job.borrow().idempotency_key,
        };
        let job = match self.services.submit(&submit).await {
            // An earlier visit has submitted it, with another grant, and did not live to note it.
            Err(failure) if failure.is(ProblemType::JobExists) => self.find_job(&submit).await?,
            other => other?,
        };
        self.submitted_at_ms.set(Some(clock_ms()));
        self.job.borrow_mut().job = Some(job.id);
        self.write_job().await
    }

    async fn find_job(&self, submit: &SubmitJob) -> Result<Job, Trouble> {
        let ours = |job: &Job| {
            job.items
                .iter()
                .any(|a| submit.items.iter().any(|b| a.result == b.result))
        };
        let jobs = self.services.jobs().await?;
        jobs.into_iter()
            .find(ours)
            .ok_or_else(|| trouble::missing("The analysis"))
    }

    // ---- wait and compute ----

    async fn follow_to_the_end(&self) -> Result<(), Trouble> {
        let Some(id) = self.job.borrow().job else {
            return Ok(());
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
        self.settle(last.as_ref()).await
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
                continue;
            }
            match item.state {
                State::Queued => self.enter(place, Stage::Wait, None),
                State::Running => self.enter(place, Stage::Compute, None),
                State::Done => {
                    self.note_times(place, job, item);
                    ready.push_back(place);
                }
                State::Failed => {
                    let problem = item.problem.as_ref().or(job.problem.as_ref());
                    let trouble = problem.map_or_else(trouble::not_understood, trouble::problem);
                    self.fail(place, trouble).await;
                }
                State::Cancelled => {}
            }
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

    /// After the last state: pictures of which nothing came.
    async fn settle(&self, last: Option<&Job>) -> Result<(), Trouble> {
        let open = self.open_places();
        if open.is_empty() {
            return Ok(());
        }
        match last {
            // Cancelled by another device.
            Some(job) if job.state == State::Cancelled => Err(trouble::cancelled()),
            Some(Job {
                problem: Some(problem),
                ..
            }) => Err(trouble::problem(problem)),
            _ => Err(trouble::not_understood()),
        }
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
        self.tell(|picture| AnalysisEvent::Done { picture, entry }, place);
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
