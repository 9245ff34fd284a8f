//! Storage, typed.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;

use super::{Access, Carrier, ClientError, Endpoint, read};
use crate::header::ObjectKind;
use crate::ids::{ObjectId, VaultId};
use crate::routes;
use crate::storage::{Grant, GrantRequest, ObjectInfo, ObjectList, VaultInfo};
use crate::token::Token;

/// Storage at one base URL.
#[derive(Debug, Clone)]
pub struct Storage(pub(super) Endpoint);

impl Storage {
    /// Storage at this base.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(base: &str) -> Result<Self, ClientError> {
        Endpoint::new(base).map(Self)
    }

    /// Storage at this base, over this client (see [`super::patient`]) or sealed link.
    pub fn over(base: &str, http: reqwest::Client, carrier: Arc<dyn Carrier>) -> Self {
        Self(Endpoint::over(base, http, carrier))
    }

    /// Opens the vault, or finds it open.
    ///
    /// # Errors
    /// Unreachable, or a problem: another token opened it.
    pub async fn open_vault(
        &self,
        vault: VaultId,
        owner: &Token,
    ) -> Result<VaultInfo, ClientError> {
        self.0
            .json(self.owned(Method::PUT, &routes::vault(vault), owner))
            .await
    }

    /// Describes the vault.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn vault(&self, vault: VaultId, owner: &Token) -> Result<VaultInfo, ClientError> {
        self.0
            .json(self.owned(Method::GET, &routes::vault(vault), owner))
            .await
    }

    /// Deletes the vault and all that is in it.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn delete_vault(&self, vault: VaultId, owner: &Token) -> Result<(), ClientError> {
        self.0
            .send(self.owned(Method::DELETE, &routes::vault(vault), owner))
            .await
            .map(drop)
    }

    /// Stores an object, header included. The same object twice is no error.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn put(
        &self,
        vault: VaultId,
        kind: ObjectKind,
        id: ObjectId,
        access: Access<'_>,
        object: impl Into<Bytes>,
    ) -> Result<ObjectInfo, ClientError> {
        let path = routes::object(vault, kind, id);
        let request = self
            .0
            .request(Method::PUT, &path, Some(access.authorization()));
        self.0.json(request.body(object.into())).await
    }

    /// Reads an object of at most `max_bytes`, header included. It is not checked: see
    /// [`crate::header::open`].
    ///
    /// # Errors
    /// Unreachable, too large, or a problem.
    pub async fn object(
        &self,
        vault: VaultId,
        kind: ObjectKind,
        id: ObjectId,
        access: Access<'_>,
        max_bytes: usize,
    ) -> Result<Bytes, ClientError> {
        let path = routes::object(vault, kind, id);
        let request = self
            .0
            .request(Method::GET, &path, Some(access.authorization()));
        read(self.0.send(request).await?, max_bytes).await
    }

    /// Deletes an object and its note.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn delete(
        &self,
        vault: VaultId,
        kind: ObjectKind,
        id: ObjectId,
        owner: &Token,
    ) -> Result<(), ClientError> {
        let path = routes::object(vault, kind, id);
        self.0
            .send(self.owned(Method::DELETE, &path, owner))
            .await
            .map(drop)
    }

    /// Puts a sealed note beside an object, which need not exist yet.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn put_note(
        &self,
        vault: VaultId,
        kind: ObjectKind,
        id: ObjectId,
        owner: &Token,
        sealed: impl Into<Bytes>,
    ) -> Result<(), ClientError> {
        let path = routes::note(vault, kind, id);
        let request = self.owned(Method::PUT, &path, owner).body(sealed.into());
        self.0.send(request).await.map(drop)
    }

    /// Lists all objects of a kind.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn list(
        &self,
        vault: VaultId,
        kind: ObjectKind,
        owner: &Token,
    ) -> Result<Vec<ObjectInfo>, ClientError> {
        let mut objects: Vec<ObjectInfo> = Vec::new();
        loop {
            let mut path = routes::objects(vault, kind);
            if let Some(last) = objects.last() {
                path = format!("{path}?after={}", last.id);
            }
            let page: ObjectList = self.0.json(self.owned(Method::GET, &path, owner)).await?;
            let more = page.more && !page.objects.is_empty();
            objects.extend(page.objects);
            if !more {
                return Ok(objects);
            }
        }
    }

    /// Mints a grant.
    ///
    /// # Errors
    /// Unreachable, or a problem.
    pub async fn grant(
        &self,
        vault: VaultId,
        owner: &Token,
        request: &GrantRequest,
    ) -> Result<Grant, ClientError> {
        let path = routes::grants(vault);
        self.0
            .json(self.owned(Method::POST, &path, owner).json(request))
            .await
    }

    pub(super) fn owned(
        &self,
        method: Method,
        path: &str,
        owner: &Token,
    ) -> reqwest::RequestBuilder {
        self.0.request(method, path, Some(owner.authorization()))
    }
}
