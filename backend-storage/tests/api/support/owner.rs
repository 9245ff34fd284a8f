//! An owner of a vault, by plain HTTP.

use std::collections::BTreeMap;

use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, VaultId};
use darkroom_api::routes;
use darkroom_api::storage::{Grant, GrantRequest, ObjectInfo, ObjectList, VaultInfo};
use darkroom_api::token::Token;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};

use super::{image, new_id, random};

/// Takes no connection up again that the service, after 5 idle seconds, may be closing just now.
fn client() -> Client {
    let idle = std::time::Duration::from_secs(2);
    let builder = Client::builder().no_proxy().pool_idle_timeout(idle);
    builder.build().unwrap()
}

/// A vault and its token.
#[derive(Clone)]
pub struct Owner {
    pub vault: VaultId,
    pub token: Token,
    pub address: String,
    pub http: Client,
}

impl Owner {
    pub fn new(address: &str) -> Self {
        let http = client();
        let vault = VaultId(random());
        Self {
            vault,
            token: Token::new(random()),
            address: address.to_owned(),
            http,
        }
    }

    pub async fn open(address: &str) -> Self {
        let owner = Self::new(address);
        assert_eq!(owner.put_vault().await.status(), StatusCode::CREATED);
        owner
    }

    /// The same vault with another token.
    pub fn stranger(&self) -> Self {
        Self {
            token: Token::new(random()),
            ..self.clone()
        }
    }

    /// The same owner after the service has started anew.
    pub fn at(&self, address: &str) -> Self {
        let http = client();
        Self {
            address: address.to_owned(),
            http,
            ..self.clone()
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_as(method, path, &self.token.authorization())
    }

    pub fn request_as(&self, method: Method, path: &str, authorization: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http
            .request(method, url)
            .header(AUTHORIZATION, authorization)
    }

    pub async fn send(&self, method: Method, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub async fn put_vault(&self) -> Response {
        self.send(Method::PUT, &routes::vault(self.vault)).await
    }

    pub async fn info(&self) -> VaultInfo {
        let response = self.send(Method::GET, &routes::vault(self.vault)).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub fn path(&self, kind: ObjectKind, id: ObjectId) -> String {
        routes::object(self.vault, kind, id)
    }

    pub async fn put(&self, kind: ObjectKind, id: ObjectId, object: Vec<u8>) -> Response {
        self.request(Method::PUT, &self.path(kind, id))
            .body(object)
            .send()
            .await
            .unwrap()
    }

    /// Stores an image under a new id.
    pub async fn put_image(&self, payload: &[u8]) -> ObjectId {
        let id = new_id();
        let response = self.put(ObjectKind::Image, id, image(payload)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        id
    }

    pub async fn get(&self, kind: ObjectKind, id: ObjectId) -> Response {
        self.send(Method::GET, &self.path(kind, id)).await
    }

    /// Reads an object that has to be there.
    pub async fn read(&self, kind: ObjectKind, id: ObjectId) -> Vec<u8> {
        let response = self.get(kind, id).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.bytes().await.unwrap().to_vec()
    }

    pub async fn delete(&self, kind: ObjectKind, id: ObjectId) -> Response {
        self.send(Method::DELETE, &self.path(kind, id)).await
    }

    pub async fn put_note(&self, kind: ObjectKind, id: ObjectId, note: Vec<u8>) -> Response {
        let path = routes::note(self.vault, kind, id);
        self.request(Method::PUT, &path)
            .body(note)
            .send()
            .await
            .unwrap()
    }

    pub async fn list(&self, kind: ObjectKind, query: &str) -> ObjectList {
        let path = format!("{}{query}", routes::objects(self.vault, kind));
        let response = self.send(Method::GET, &path).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// All objects of a kind, by id.
    pub async fn all(&self, kind: ObjectKind) -> BTreeMap<ObjectId, ObjectInfo> {
        let mut all = BTreeMap::new();
        let mut query = String::new();
        loop {
            let page = self.list(kind, &query).await;
            for object in page.objects {
                query = format!("?after={}", object.id);
                assert!(all.insert(object.id, object).is_none(), "listed twice");
            }
            if !page.more {
                return all;
            }
        }
    }

    pub async fn ask_grant(&self, request: &GrantRequest) -> Response {
        let path = routes::grants(self.vault);
        self.request(Method::POST, &path)
            .json(request)
            .send()
            .await
            .unwrap()
    }

    pub async fn grant(&self, request: &GrantRequest) -> Grant {
        let response = self.ask_grant(request).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    pub async fn get_with(&self, grant: &str, kind: ObjectKind, id: ObjectId) -> Response {
        let grant = format!("Grant {grant}");
        self.request_as(Method::GET, &self.path(kind, id), &grant)
            .send()
            .await
            .unwrap()
    }

    pub async fn put_with(
        &self,
        grant: &str,
        kind: ObjectKind,
        id: ObjectId,
        object: Vec<u8>,
    ) -> Response {
        let grant = format!("Grant {grant}");
        let request = self.request_as(Method::PUT, &self.path(kind, id), &grant);
        request.body(object).send().await.unwrap()
    }
}
