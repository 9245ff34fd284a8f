//! Storage and compute, as one owner calls them.

use std::rc::Rc;

use darkroom_api::compute::{Catalogue, Job, JobList, ModelCard, SubmitJob};
use darkroom_api::header::{self, Header, ObjectKind};
use darkroom_api::ids::{JobId, ModelId, ObjectId};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{Grant, GrantRequest, ObjectInfo, ObjectList};
use web_sys::Response;

use super::door::Door;
use super::http::{self, Ask, Body, Failure, Reach};
use super::identity::Held;
use super::stop::Stop;
use super::trouble;
use crate::protocol::Trouble;

pub(super) const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const EVENTS: &str = "text/event-stream";

/// What needs no key: the models.
pub struct Public {
    pub(super) stop: Stop,
    pub(super) reach: Reach,
}

impl Public {
    /// All models.
    ///
    /// # Errors
    /// The server refuses, or it was stopped.
    pub async fn catalogue(&self) -> Result<Catalogue, Trouble> {
        http::from_json(&self.read(routes::MODELS).await?)
    }

    /// One model's card.
    ///
    /// # Errors
    /// There is no such model, the server refuses, or it was stopped.
    pub async fn model(&self, model: &ModelId) -> Result<ModelCard, Trouble> {
        http::from_json(&self.read(&routes::model(model)).await?)
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let ask = Ask {
            method: "GET",
            path: format!("{}{path}", routes::GATEWAY_COMPUTE),
            authorization: None,
            invitation: None,
            body: Body::Empty,
            accept: JSON,
        };
        http::exchange(&ask, &self.stop, &self.reach).await
    }
}

/// What belongs to one key. Clones share the switch that stops their requests.
#[derive(Clone)]
pub struct Owned {
    pub(super) held: Rc<Held>,
    pub(super) door: Rc<Door>,
    pub(super) stop: Stop,
    pub(super) reach: Reach,
}

impl Owned {
    /// The same, under another switch.
    pub fn under(&self, stop: Stop) -> Self {
        Self {
            stop,
            ..self.clone()
        }
    }

    // ---- storage ----

    /// Opens the vault once, if storage can be reached now; otherwise the first request does.
    pub async fn try_open_vault(&self) -> bool {
        http::send_if_reachable(&self.open_vault(), &self.stop).await
    }

    /// Stores an object. That it is there already is as good: ids are drawn at random, or stand for one
    /// part of one key, and objects never change, so an earlier try has come through.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn put_object(
        &self,
        kind: ObjectKind,
        id: ObjectId,
        object: Body<'_>,
    ) -> Result<(), Trouble> {
        let path = routes::object(self.held.vault(), kind, id);
        match self.storage("PUT", path, object, JSON).await {
            Err(failure) if failure.is(ProblemType::ObjectExists) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// Fetches an object and checks that it is whole, of this kind and of this key. Gives all of its
    /// bytes and its header.
    ///
    /// # Errors
    /// It is not there or not what it should be, storage refuses, or it was stopped.
    pub async fn object(
        &self,
        kind: ObjectKind,
        id: ObjectId,
    ) -> Result<(Header, Vec<u8>), Trouble> {
        let path = routes::object(self.held.vault(), kind, id);
        let object = self.storage("GET", path, Body::Empty, BYTES).await?;
        let (header, _) = header::open(&object, kind).map_err(|e| trouble::damaged_object(&e))?;
        if header.key != self.held.id() {
            return Err(trouble::foreign_object());
        }
        Ok((header, object))
    }

    /// Deletes an object and its note, if it is there.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn delete_object(&self, kind: ObjectKind, id: ObjectId) -> Result<(), Trouble> {
        let path = routes::object(self.held.vault(), kind, id);
        match self.storage("DELETE", path, Body::Empty, JSON).await {
            Err(failure) if failure.is(ProblemType::ObjectNotFound) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// Stores the sealed note of an object.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn put_note(
        &self,
        kind: ObjectKind,
        id: ObjectId,
        sealed: &[u8],
    ) -> Result<(), Trouble> {
        let path = routes::note(self.held.vault(), kind, id);
        self.storage("PUT", path, Body::Bytes(sealed), JSON).await?;
        Ok(())
    }

    /// All objects of a kind.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn list(&self, kind: ObjectKind) -> Result<Vec<ObjectInfo>, Trouble> {
        let path = routes::objects(self.held.vault(), kind);
        let mut all: Vec<ObjectInfo> = Vec::new();
        loop {
            let query = all
                .last()
                .map(|last| format!("?after={}", last.id))
                .unwrap_or_default();
            let page = self
                .storage("GET", format!("{path}{query}"), Body::Empty, JSON)
                .await?;
            let page: ObjectList = http::from_json(&page)?;
            let more = page.more && !page.objects.is_empty();
            all.extend(page.objects);
            if !more {
                return Ok(all);
            }
        }
    }

    /// Mints a grant.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn grant(&self, request: &GrantRequest) -> Result<Grant, Trouble> {
        let path = routes::grants(self.held.vault());
        http::from_json(
            &self
                .storage("POST", path, http::to_json(request)?, JSON)
                .await?,
        )
    }

    /// Deletes the vault and everything in it.
    ///
    /// # Errors
    /// Storage refuses, or it was stopped.
    pub async fn delete_vault(&self) -> Result<(), Trouble> {
        loop {
            let tried = self.held.generation();
            let path = routes::vault(self.held.vault());
            let ask = self.ask_storage("DELETE", path, Body::Empty, JSON);
            match http::exchange(&ask, &self.stop, &self.reach).await {
                // Rotated elsewhere; or never opened, or deleted by an earlier try.
                Err(failure) if failure.is(ProblemType::Unauthorized) => {
                    if !self.find_token(tried).await? {
                        return Ok(());
                    }
                }
                other => return Ok(other.map(drop)?),
            }
        }
    }

    /// Asks storage; finds the way into the vault and asks again if the token is refused.
    pub(super) async fn storage(
        &self,
        method: &'static str,
        path: String,
        body: Body<'_>,
        accept: &'static str,
    ) -> Result<Vec<u8>, Failure> {
        let tried = self.held.generation();
        let mut ask = self.ask_storage(method, path, body, accept);
        match http::exchange(&ask, &self.stop, &self.reach).await {
            Err(failure) if failure.is(ProblemType::Unauthorized) => {
                self.enter(tried).await?;
                ask.authorization = Some(self.authorization());
                http::exchange(&ask, &self.stop, &self.reach).await
            }
            other => other,
        }
    }

    fn authorization(&self) -> String {
        let generation = self.held.generation();
        self.held.vault_token_of(generation).authorization()
    }

    fn open_vault(&self) -> Ask<'static> {
        self.ask_storage("PUT", routes::vault(self.held.vault()), Body::Empty, JSON)
    }

    pub(super) fn ask_storage<'a>(
        &self,
        method: &'static str,
        path: String,
        body: Body<'a>,
        accept: &'static str,
    ) -> Ask<'a> {
        Ask {
            method,
            path: format!("{}{path}", routes::GATEWAY_STORAGE),
            authorization: Some(self.authorization()),
            invitation: None,
            body,
            accept,
        }
    }

    // ---- compute ----

    /// Submits a job, or finds it again by its idempotency key.
    ///
    /// # Errors
    /// Compute refuses, or it was stopped.
    pub async fn submit(&self, job: &SubmitJob) -> Result<Job, Failure> {
        let body = http::to_json(job)?;
        Ok(http::from_json(
            &self.compute("POST", routes::JOBS, body).await?,
        )?)
    }

    /// The owner's jobs, newest first.
    ///
    /// # Errors
    /// Compute refuses, or it was stopped.
    pub async fn jobs(&self) -> Result<Vec<Job>, Trouble> {
        let list = self.compute("GET", routes::JOBS, Body::Empty).await?;
        let list: JobList = http::from_json(&list)?;
        Ok(list.jobs)
    }

    /// One job.
    ///
    /// # Errors
    /// Compute refuses, or it was stopped.
    pub async fn job(&self, job: JobId) -> Result<Job, Trouble> {
        http::from_json(&self.compute("GET", &routes::job(job), Body::Empty).await?)
    }

    /// The stream of a job's events.
    ///
    /// # Errors
    /// Compute refuses, or it was stopped.
    pub async fn job_events(&self, job: JobId) -> Result<Response, Failure> {
        let ask = self.ask_compute("GET", &routes::job_events(job), Body::Empty, EVENTS);
        http::send(&ask, &self.stop, &self.reach).await
    }

    /// Cancels a job, if it is there and not over.
    ///
    /// # Errors
    /// Compute refuses, or it was stopped.
    pub async fn cancel_job(&self, job: JobId) -> Result<(), Trouble> {
        match self
            .compute("POST", &routes::job_cancel(job), Body::Empty)
            .await
        {
            Err(failure) if failure.is(ProblemType::JobNotFound) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    async fn compute(
        &self,
        method: &'static str,
        path: &str,
        body: Body<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let ask = self.ask_compute(method, path, body, JSON);
        http::exchange(&ask, &self.stop, &self.reach).await
    }

    fn ask_compute<'a>(
        &self,
        method: &'static str,
        path: &str,
        body: Body<'a>,
        accept: &'static str,
    ) -> Ask<'a> {
        Ask {
            method,
            path: format!("{}{path}", routes::GATEWAY_COMPUTE),
            authorization: Some(self.held.compute_token().authorization()),
            invitation: None,
            body,
            accept,
        }
    }
}
