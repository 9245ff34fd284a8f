//! A job reaches compute: the large key first where the model needs one, then the pictures, then the
//! job itself; and once more if the large key has got lost on the way.

use darkroom_api::compute::{EvaluationKeyRef, ItemRef, Job, State, SubmitJob};
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::storage::{GrantRequest, ObjectRef};

use super::http::Failure;
use super::run::Run;
use super::scope::{self, clock_ms};
use super::{large_key, trouble};
use crate::protocol::{Cause, LargeKeyState, Stage, Trouble};

/// How long compute may need for a job.
const GRANT_MS: u64 = 24 * 60 * 60 * 1000;

impl Run {
    /// Does whatever is left to do.
    ///
    /// # Errors
    /// Something that concerns all pictures, or it was stopped.
    pub(super) async fn work(&self) -> Result<(), Trouble> {
        if !self.is_submitted() {
            self.make_large_key(Cause::Missing).await?;
            self.send_all().await?;
        }
        loop {
            if self.open_places().is_empty() {
                return Ok(());
            }
            match self.compute().await? {
                None => return Ok(()),
                Some(kind) => self.mend(kind).await?,
            }
        }
    }

    /// Submits the job unless it is, and follows it to its end; or says what can be mended.
    async fn compute(&self) -> Result<Option<ProblemType>, Trouble> {
        if !self.is_submitted() {
            match self.submit().await {
                Ok(()) => {}
                Err(Failure::Problem(problem)) if self.can_mend(problem.kind) => {
                    return Ok(Some(problem.kind));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        let Some(last) = self.follow_to_the_end().await? else {
            return Ok(None);
        };
        match problems(&last).find(|problem| self.can_mend(problem.kind)) {
            Some(problem) => Ok(Some(problem.kind)),
            // Cancelled by another device.
            None if last.state == State::Cancelled => Err(trouble::cancelled()),
            None => {
                let problem = last.problem.as_ref();
                Err(problem.map_or_else(trouble::not_understood, trouble::problem))
            }
        }
    }

    // ---- the large key ----

    /// Makes and sends the large key if the model needs one that is not there, or not whole.
    async fn make_large_key(&self, cause: Cause) -> Result<(), Trouble> {
        let Some(parameters) = self.job.borrow().large_key else {
            return Ok(());
        };
        let missing = cause == Cause::Missing;
        if missing && large_key::is_stored(&self.services, parameters).await? {
            return Ok(());
        }
        for place in self.open_places() {
            self.enter(place, Stage::LargeKey, None);
        }
        let key = large_key::ensure(&self.context, &self.services, parameters, cause).await?;
        if let LargeKeyState::Ready(Some(times)) = key.state {
            for place in self.open_places() {
                self.set_time(place, Stage::LargeKey, times.stored_ms);
            }
        }
        Ok(())
    }

    /// Whether another submission can mend it: once, where the large key was at fault.
    pub(super) fn can_mend(&self, kind: ProblemType) -> bool {
        use ProblemType::{EvaluationKeyDamaged, EvaluationKeyMissing};
        let job = self.job.borrow();
        let at_fault = matches!(kind, EvaluationKeyMissing | EvaluationKeyDamaged);
        at_fault && job.again.is_none() && job.large_key.is_some()
    }

    /// Sees to it that the large key is there again, and gets ready for another submission.
    async fn mend(&self, kind: ProblemType) -> Result<(), Trouble> {
        let cause = match kind {
            ProblemType::EvaluationKeyDamaged => Cause::Damaged,
            _ => Cause::Missing,
        };
        self.make_large_key(cause).await?;
        {
            let mut job = self.job.borrow_mut();
            job.again = Some(scope::new_id()?);
            job.job = None;
        }
        self.write_job().await
    }

    // ---- submit ----

    async fn submit(&self) -> Result<(), Failure> {
        let items = self.items();
        let grant = self.services.grant(&to_read_and_write(&items)).await?;
        let evaluation_key = self.large_key_ref().await?;
        let submit = SubmitJob {
            model: self.job.borrow().model.clone(),
            vault: self.services.held.vault(),
            key: self.services.held.id(),
            items,
            grant: grant.grant,
            evaluation_key,
            idempotency_key: self.idempotency_key(),
        };
        let job = match self.services.submit(&submit).await {
            // An earlier visit has submitted it, with another grant, and did not live to note it.
            Err(failure) if failure.is(ProblemType::JobExists) => self.find_job(&submit).await?,
            other => other?,
        };
        self.submitted_at_ms.set(Some(clock_ms()));
        self.job.borrow_mut().job = Some(job.id);
        self.write_job().await?;
        Ok(self.write_times().await?)
    }

    /// Writes down what the stages so far took, for a visit that goes on from here.
    async fn write_times(&self) -> Result<(), Trouble> {
        for place in self.open_places() {
            let record = self.records.borrow().get(place).cloned();
            if let Some(record) = record {
                self.book.put_entry(&record).await?;
            }
        }
        Ok(())
    }

    fn items(&self) -> Vec<ItemRef> {
        let job = self.job.borrow();
        let open = self.open_places();
        let open = open.into_iter().filter_map(|place| job.items.get(place));
        open.map(|item| ItemRef {
            image: item.image,
            result: item.entry,
        })
        .collect()
    }

    fn idempotency_key(&self) -> darkroom_api::ids::ObjectId {
        let job = self.job.borrow();
        job.again.unwrap_or(job.idempotency_key)
    }

    async fn large_key_ref(&self) -> Result<Option<EvaluationKeyRef>, Trouble> {
        let parameters = self.job.borrow().large_key;
        match parameters {
            None => Ok(None),
            Some(parameters) => large_key::reference(&self.services, parameters, GRANT_MS)
                .await
                .map(Some),
        }
    }

    async fn find_job(&self, submit: &SubmitJob) -> Result<Job, Trouble> {
        let ours = |job: &Job| {
            job.items
                .iter()
                .any(|a| submit.items.iter().any(|b| a.result == b.result))
        };
        // Newest first: a second submission comes before the first.
        let jobs = self.services.jobs().await?;
        jobs.into_iter()
            .find(ours)
            .ok_or_else(|| trouble::missing("The analysis"))
    }
}

/// A grant to read the images and write the results.
fn to_read_and_write(items: &[ItemRef]) -> GrantRequest {
    let mut reads: Vec<ObjectRef> = Vec::new();
    for item in items {
        let read = ObjectRef {
            kind: ObjectKind::Image,
            id: item.image,
        };
        if !reads.contains(&read) {
            reads.push(read);
        }
    }
    GrantRequest {
        reads,
        writes: items.iter().map(|item| item.result).collect(),
        valid_ms: GRANT_MS,
    }
}

/// What a job and its images say went wrong.
fn problems(job: &Job) -> impl Iterator<Item = &Problem> {
    let items = job.items.iter().filter_map(|item| item.problem.as_ref());
    job.problem.iter().chain(items)
}
