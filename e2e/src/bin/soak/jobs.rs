//! Submitting jobs, following them to their end, and looking at what came of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use darkroom_api::client::ClientError;
use darkroom_api::compute::{EvaluationKeyRef, Job, State, SubmitJob};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_api::storage::GrantRequest;
use darkroom_fhe::eval::clear;
use e2e::evaluation_key::{key_ref, key_request};
use e2e::owner::{GRANT_MS, grant_request, pattern};
use e2e::twin::check_same;
use tokio::time::timeout;

use crate::customer::{Customer, digest};
use crate::fleet::Way;
use crate::ledger::Open;

/// A job is followed for so long before something else is done.
const FOLLOWED: Duration = Duration::from_secs(15);
/// What lasts longer after the last kill runs for ever.
const JOB_MAX: Duration = Duration::from_secs(180);
/// The most images in a job.
const IMAGES_MAX: usize = 4;

impl Customer {
    pub async fn submit(&mut self) -> Result<()> {
        let images = self.ledger.images.iter();
        let pictures: Vec<_> = images
            .filter_map(|(id, image)| Some((*id, image.seed?)))
            .collect();
        let count = 1 + self.dice.below(IMAGES_MAX);
        let chosen: Vec<(ObjectId, u32)> = (0..count)
            .filter_map(|_| self.dice.pick(&pictures).copied())
            .collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let (images, seeds): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
        let model = self.dice.below(self.usable);
        let items = self.owner.items(&images);
        let grant = self.grant(&grant_request(&items, GRANT_MS)).await?;
        let job = SubmitJob {
            evaluation_key: self.key_of(model).await?,
            ..self
                .owner
                .job(self.models[model].name, items.clone(), &grant)?
        };
        let taken = self.submit_this(&job).await?;
        let is_new = self.ledger.jobs.insert(taken.id, false).is_none();
        ensure!(is_new, "two requests have one job: {taken:?}");
        self.ledger.open.push_back(Open {
            job: taken.id,
            model,
            items,
            seeds,
            is_cancelled: false,
        });
        self.tally.act("jobs submitted", 1);
        Ok(())
    }

    /// Now and then twice at the same time: it must be one job.
    async fn submit_this(&self, job: &SubmitJob) -> Result<Job, ClientError> {
        let token = &self.owner.compute_token;
        let submit = |way: Way| async move { way.compute.submit(token, job).await };
        if !self.dice.percent(20) {
            return self.patiently(submit).await.outcome;
        }
        let (one, other) = tokio::join!(self.patiently(submit), self.patiently(submit));
        let (one, other) = (one.outcome?, other.outcome?);
        if one.id != other.id {
            let (one, other) = (one.id, other.id);
            self.tally
                .fault(format!("one request has two jobs: {one} and {other}"));
        }
        self.tally.act("of them twice at the same time", 1);
        Ok(one)
    }

    async fn grant(
        &self,
        request: &GrantRequest,
    ) -> Result<darkroom_api::storage::Grant, ClientError> {
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let grant = |way: Way| async move { way.storage.grant(vault, token, request).await };
        self.tally.act("grants minted", 1);
        self.patiently(grant).await.outcome
    }

    async fn key_of(&self, model: usize) -> Result<Option<EvaluationKeyRef>, ClientError> {
        if self.models[model].model.bootstraps() == 0 {
            return Ok(None);
        }
        let grant = self.grant(&key_request(&self.owner.key)).await?;
        Ok(Some(key_ref(&self.owner.key, grant.grant)))
    }

    pub async fn cancel(&mut self) -> Result<()> {
        let at = self.dice.below(self.ledger.open.len());
        let Some(open) = self.ledger.open.get_mut(at) else {
            return Ok(());
        };
        open.is_cancelled = true;
        let (id, token) = (open.job, &self.owner.compute_token);
        let cancel = |way: Way| async move { way.compute.cancel(token, id).await };
        self.patiently(cancel).await.outcome?;
        self.tally.act("jobs cancelled", 1);
        Ok(())
    }

    /// Waits for the oldest job and checks all that came of it. One that takes long, as compute is
    /// killed again and again, is left for later.
    pub async fn finish(&mut self) -> Result<()> {
        let Some(open) = self.ledger.open.pop_front() else {
            return Ok(());
        };
        let ended = self.end_of(&open).await;
        let Some(ended) = ended.with_context(|| format!("job {}", open.job))? else {
            self.ledger.open.push_back(open);
            return Ok(());
        };
        self.ledger.jobs.insert(open.job, true);
        self.tally.act("jobs ended", 1);
        let checked = self.check_end(&open, &ended).await;
        checked.with_context(|| format!("{ended:?}"))
    }

    /// When nothing is killed any more, every job ends.
    pub async fn finish_all(&mut self) -> Result<()> {
        let began = Instant::now();
        while !self.ledger.open.is_empty() {
            self.finish().await?;
            let Some(open) = self.ledger.open.front() else {
                break;
            };
            if began.elapsed() > JOB_MAX {
                let (id, token) = (open.job, &self.owner.compute_token);
                let look = |way: Way| async move { way.compute.job(token, id).await };
                let job = self.patiently(look).await.outcome?;
                bail!("it does not end: {job:?}");
            }
        }
        Ok(())
    }

    async fn end_of(&self, open: &Open) -> Result<Option<Job>, ClientError> {
        let (id, token) = (open.job, &self.owner.compute_token);
        // A service that stops ends the stream.
        let follow = |way: Way| async move {
            let mut events = way.compute.events(token, id).await?;
            while let Some(job) = events.next().await? {
                if job.state.is_final() {
                    return Ok(Some(job));
                }
            }
            Ok(None)
        };
        match timeout(FOLLOWED, self.patiently(follow)).await {
            Ok(answered) => answered.outcome,
            Err(_) => Ok(None),
        }
    }

    async fn check_end(&mut self, open: &Open, ended: &Job) -> Result<()> {
        let found = ended.items.iter().map(|item| (item.image, item.result));
        let asked = open.items.iter().map(|item| (item.image, item.result));
        ensure!(found.eq(asked), "its images are others");
        let may_stop = open.is_cancelled && ended.state == State::Cancelled;
        ensure!(
            ended.state == State::Done || may_stop,
            "it is {}",
            ended.state.name()
        );
        for (item, seed) in ended.items.iter().zip(&open.seeds) {
            if item.state != State::Done {
                ensure!(may_stop, "an image is {}", item.state.name());
                self.ledger.doubtful.insert(item.result, None);
                continue;
            }
            let object = self.fetch(ObjectKind::Result, item.result).await;
            let object = object.context("a result of a job that is done")?;
            let answer = self.owner.open_result(&object)?;
            let model = &self.models[open.model].model;
            check_same(
                model,
                &answer,
                &clear::evaluate(model, &pattern(*seed, 8, 8)?)?,
            )?;
            let known = (digest(&object), Instant::now());
            self.ledger.results.insert(item.result, known);
            self.tally.act("answers as the clear twin's", 1);
        }
        Ok(())
    }
}
