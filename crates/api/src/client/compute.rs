//! Compute, typed.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};

use super::{Carrier, ClientError, Endpoint, JobEvents};
use crate::compute::{Catalogue, Job, JobList, ModelCard, SubmitJob};
use crate::ids::{JobId, ModelId};
use crate::routes;
use crate::token::Token;

/// Compute at one base URL.
#[derive(Debug, Clone)]
pub struct Compute(Endpoint);

impl Compute {
    /// Compute at this base.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(base: &str) -> Result<Self, ClientError> {
        Endpoint::new(base).map(Self)
    }

    /// Compute at this base, over this client (see [`super::patient`]) or sealed link.
    pub fn over(base: &str, http: reqwest::Client, carrier: Arc<dyn Carrier>) -> Self {
        Self(Endpoint::over(base, http, carrier))
    }

    /// All models.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn catalogue(&self) -> Result<Catalogue, ClientError> {
        self.0
            .json(self.0.request(Method::GET, routes::MODELS, None))
            .await
    }

    /// One model's card.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn model(&self, model: &ModelId) -> Result<ModelCard, ClientError> {
        self.0
            .json(self.0.request(Method::GET, &routes::model(model), None))
            .await
    }

    /// Submits a job; the same idempotency key again finds the same job.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn submit(&self, owner: &Token, job: &SubmitJob) -> Result<Job, ClientError> {
        self.0
            .json(self.owned(Method::POST, routes::JOBS, owner).json(job))
            .await
    }

    /// The owner's jobs, newest first.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn jobs(&self, owner: &Token) -> Result<Vec<Job>, ClientError> {
        let list: JobList = self
            .0
            .json(self.owned(Method::GET, routes::JOBS, owner))
            .await?;
        Ok(list.jobs)
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn job(&self, owner: &Token, job: JobId) -> Result<Job, ClientError> {
        self.0
            .json(self.owned(Method::GET, &routes::job(job), owner))
            .await
    }

    /// Asks for the job to be cancelled and returns it as it stands.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn cancel(&self, owner: &Token, job: JobId) -> Result<Job, ClientError> {
        self.0
            .json(self.owned(Method::POST, &routes::job_cancel(job), owner))
            .await
    }

    /// Follows a job: its present state at once, then every change until it ended.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn events(&self, owner: &Token, job: JobId) -> Result<JobEvents, ClientError> {
        let request = self.owned(Method::GET, &routes::job_events(job), owner);
        self.0.send(request).await.map(JobEvents::new)
    }

    fn owned(&self, method: Method, path: &str, owner: &Token) -> RequestBuilder {
        self.0.request(method, path, Some(owner.authorization()))
    }
}
