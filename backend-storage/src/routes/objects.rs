//! Objects.

use actix_web::body::SizedStream;
use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{ListQuery, ObjectInfo, ObjectList};
use darkroom_openapi::problems;

use super::description::{CollectionPath, ObjectBytes, ObjectPath};
use super::{BODY, IN_VAULT, collection, object, query, vault};
use crate::app::State;
use crate::auth::Caller;
use crate::error::Error;
use crate::rights::Wish;
use crate::stored::Place;
use crate::upload::{Incoming, receive};

problems! {
    Storing: IN_VAULT, BODY, &[
        ProblemType::NotFound,
        ProblemType::VaultFull,
        ProblemType::ObjectExists,
        ProblemType::ObjectMalformed,
        ProblemType::KindMismatch,
        ProblemType::LengthMismatch,
        ProblemType::DigestMismatch,
    ];
    Touching: IN_VAULT, &[ProblemType::NotFound, ProblemType::ObjectNotFound];
    Listing: IN_VAULT, &[ProblemType::NotFound];
}

/// Stores an object: 201, or 200 if just this object is there.
///
/// Images and parts of evaluation keys are the owner's to store, or of whoever may submit; results are
/// stored with a grant.
#[utoipa::path(put, path = routes::OBJECT, tag = "Objects", operation_id = "store_object",
    params(ObjectPath),
    request_body(content = inline(ObjectBytes), content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "It is there now.", body = ObjectInfo),
        (status = 200, description = "It was there already.", body = ObjectInfo),
        Storing,
    ),
    security(("token" = []), ("grant" = [])))]
pub(crate) async fn put(
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> HttpResponse {
    let mut incoming = Incoming::new(&request, payload, &state.config.upload);
    let outcome = store(&request, &state, &mut incoming).await;
    incoming.answer(outcome)
}

async fn store(
    request: &HttpRequest,
    state: &State,
    incoming: &mut Incoming,
) -> Result<HttpResponse, Error> {
    let (kind, id) = (collection(request)?, object(request)?);
    let wish = Wish::Put(kind, id);
    let caller = Caller::begin(request, state, vault(request)?, wish).await?;
    let vault = caller.vault();
    let place = Place { vault, kind, id };
    let outcome = receive(&state.objects, place, incoming).await;
    let (stored, is_new) = caller.doing.changed(outcome).await?;
    let mut response = if is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(response.json(stored.info(&state.config.retention, id, None)))
}

/// Streams an object, header included. Its ETag is the payload's digest.
#[utoipa::path(get, path = routes::OBJECT, tag = "Objects", operation_id = "read_object",
    params(ObjectPath, ("if-none-match" = Option<String>, Header, nullable = false, description = "The ETag of what is known already.")),
    responses(
        (status = 200, description = "The object.", body = inline(ObjectBytes), content_type = "application/octet-stream",
            headers(("ETag" = String, description = "SHA-256 of the payload, hexadecimal, in quotes."))),
        (status = 304, description = "It is what is known already.",
            headers(("ETag" = String, description = "As it was sent."))),
        Touching,
    ),
    security(("token" = []), ("grant" = [])))]
pub(crate) async fn read(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let (kind, id) = (collection(&request)?, object(&request)?);
    let wish = Wish::Read(kind, id);
    let caller = Caller::begin(&request, &state, vault(&request)?, wish).await?;
    let vault = caller.vault();
    let download = state.objects.download(Place { vault, kind, id }).await;
    let download = caller.doing.looked(download).await?;
    let tag = format!("\"{}\"", hex::encode(download.stored.header.sha256));
    let known = request.headers().get(IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(HttpResponse::NotModified()
            .insert_header((ETAG, tag))
            .finish());
    }
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((ETAG, tag))
        .body(SizedStream::new(download.bytes, download.content)))
}

/// Deletes an object and its note.
#[utoipa::path(delete, path = routes::OBJECT, tag = "Objects", operation_id = "delete_object",
    params(ObjectPath),
    responses((status = 204, description = "It is gone."), Touching))]
pub(crate) async fn delete(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let (kind, id) = (collection(&request)?, object(&request)?);
    let wish = Wish::Delete(kind, id);
    let caller = Caller::begin(&request, &state, vault(&request)?, wish).await?;
    let vault = caller.vault();
    let place = Place { vault, kind, id };
    let outcome = state.objects.clone().delete(place).await;
    caller.doing.changed(outcome).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists a collection, a page at a time.
#[utoipa::path(get, path = routes::OBJECTS, tag = "Objects", operation_id = "list_objects",
    params(CollectionPath, ListQuery),
    responses((status = 200, description = "The page.", body = ObjectList), Listing))]
pub(crate) async fn list(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let kind = collection(&request)?;
    let wish = Wish::List(kind);
    let caller = Caller::begin(&request, &state, vault(&request)?, wish).await?;
    let vault = caller.vault();
    let list = async {
        let query = list_query(&request)?;
        state.objects.list(vault, kind, query).await
    };
    let list = list.await;
    Ok(HttpResponse::Ok().json(caller.doing.looked(list).await?))
}

fn list_query(request: &HttpRequest) -> Result<ListQuery, Error> {
    let query: ListQuery = query(request)?;
    if query.limit == Some(0) {
        return Err(Error::Malformed {
            detail: "limit must not be 0".to_owned(),
        });
    }
    Ok(query)
}
