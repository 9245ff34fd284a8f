//! The log of a vault.

use actix_web::{HttpRequest, HttpResponse, web};
use darkroom_api::audit::{LOG_PAGE_MAX, LogPage, LogQuery};
use darkroom_api::routes;
use darkroom_openapi::problems;

use super::description::VaultPath;
use super::{IN_VAULT, query, vault};
use crate::app::State;
use crate::auth::Caller;
use crate::chain::page;
use crate::error::Error;
use crate::rights::Wish;

problems! {
    Refusals: IN_VAULT;
}

/// Reads a page of the log, with all that this process has gathered until now.
///
/// For the owner alone. Each line is a `LogEntry` as JSON, and holds the SHA-256 of the line before.
#[utoipa::path(get, path = routes::LOG, tag = "Log", operation_id = "read_log",
    params(VaultPath, LogQuery),
    responses((status = 200, description = "The page.", body = LogPage), Refusals))]
pub(crate) async fn read(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Error> {
    let caller = Caller::begin(&request, &state, vault(&request)?, Wish::ReadLog).await?;
    let vault = caller.vault();
    let page = async {
        let query: LogQuery = query(&request)?;
        let limit = query.limit.unwrap_or(LOG_PAGE_MAX).min(LOG_PAGE_MAX);
        if limit == 0 {
            return Err(Error::Malformed {
                detail: "limit must not be 0".to_owned(),
            });
        }
        state.journal.settle(vault).await?;
        page(&state.store, vault, query.after.unwrap_or(0), limit).await
    };
    let page = page.await;
    Ok(HttpResponse::Ok().json(caller.doing.looked(page).await?))
}
