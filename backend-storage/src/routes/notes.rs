//! The sealed notes beside objects.

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::NOTE_MAX_BYTES;
use darkroom_openapi::problems;

use super::description::{NoteBytes, ObjectPath};
use super::{BODY, IN_VAULT, collection, object, vault};
use crate::app::State;
use crate::auth::Caller;
use crate::error::Error;
use crate::rights::{Rights, Wish};
use crate::stored::Place;
use crate::upload::Incoming;

problems! {
    Refusals: IN_VAULT, BODY, &[ProblemType::NotFound, ProblemType::VaultFull];
}

/// Writes a note, also before its object is there; a new one takes the old one's place.
///
/// Only the owner changes one; whoever may submit writes it where there is none.
#[utoipa::path(put, path = routes::NOTE, tag = "Objects", operation_id = "put_note",
    params(ObjectPath),
    request_body(content = inline(NoteBytes), content_type = "application/octet-stream"),
    responses((status = 204, description = "It is written."), Refusals))]
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
    let wish = Wish::PutNote(kind, id);
    let caller = Caller::begin(request, state, vault(request)?, wish).await?;
    let vault = caller.vault();
    let place = Place { vault, kind, id };
    // Only the owner changes a note: whoever writes over one destroys it.
    let may_replace = matches!(caller.rights, Rights::Owner);
    let outcome = async {
        let sealed = incoming.short("a note", NOTE_MAX_BYTES).await?;
        if sealed.is_empty() {
            return Err(Error::Malformed {
                detail: "a note is not empty".to_owned(),
            });
        }
        let objects = state.objects.clone();
        objects.put_note(place, sealed, may_replace).await
    };
    let outcome = outcome.await;
    caller.doing.changed(outcome).await?;
    Ok(HttpResponse::NoContent().finish())
}
