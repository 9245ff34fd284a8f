//! The job is submitted and followed, its results are fetched and decrypted.

use std::rc::Rc;
use std::time::Instant;

use darkroom_api::compute::{ItemRef, Job, State, SubmitJob};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::JobId;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use futures_util::StreamExt;
use futures_util::stream;

use super::super::follow::follow;
use super::super::key_parts;
use super::super::report::Done;
use super::super::session::patiently;
use super::{AT_A_TIME, Batch, Item, since};
use crate::error::Error;
use crate::stages;

/// How long compute may need for a job.
const GRANT_MS: u64 = 24 * 60 * 60 * 1000;

impl Batch<'_> {
    pub(super) async fn analyse(&self) -> Result<(), Error> {
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
        let evaluation_key = match session.card.evaluation_key {
            Some(card) => Some(key_parts::reference(session, card, GRANT_MS).await?),
            None => None,
        };
        let job = SubmitJob {
            model: session.card.id.clone(),
            vault,
            key: session.own(),
            items,
            grant: grant
                .map_err(Error::service("asking storage for a grant"))?
                .grant,
            evaluation_key,
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
        if job.state == State::Queued {
            return self.report.doing("waiting for the server");
        }
        let done = job.items.iter().map(|state| state.bootstraps_done).sum();
        let all = self.session.card.bootstraps * job.items.len() as u64;
        self.report.bootstraps(done, all);
    }

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
