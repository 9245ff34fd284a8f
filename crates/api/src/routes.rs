//! The routes, once: patterns for the services, paths for their clients.
//!
//! The gateway puts storage under [`GATEWAY_STORAGE`] and compute under [`GATEWAY_COMPUTE`]; behind
//! the prefix the paths are the same.

use crate::header::ObjectKind;
use crate::ids::{JobId, ModelId, ObjectId, TokenId, VaultId};

/// Where the gateway puts storage.
pub const GATEWAY_STORAGE: &str = "/api/storage";
/// Where the gateway puts compute.
pub const GATEWAY_COMPUTE: &str = "/api/compute";

/// Every service: it runs.
pub const HEALTH: &str = "/healthz";
/// Every service: it can do its work now.
pub const READY: &str = "/readyz";
/// Every service: figures for whoever runs it, in Prometheus' text form.
pub const METRICS: &str = "/metrics";

/// Storage and compute: the description of all these routes, OpenAPI 3.1. The gateway does not pass it on.
pub const OPENAPI: &str = "/v1/openapi.json";
/// Storage and compute: the page on which the description is read. Not below `/v1`, so the gateway does
/// not pass it on: its scripts have no place on the origin that holds the owner's key.
pub const DOCS: &str = "/docs";
/// Storage and compute: the files of that page; the page itself where the name is empty.
pub const DOCS_FILE: &str = "/docs/{file:.*}";

/// Storage and compute: what protects the connection that this is asked on.
pub const PROTECTION: &str = "/v1/protection";
/// Storage and compute, where a sealed link ends: what a client needs to seal its first message.
pub const LINK: &str = "/v1/link";
/// The gateway's own: what protects every hop.
pub const GATEWAY_PROTECTION: &str = "/api/protection";

/// Storage: `PUT` opens, `GET` describes, `DELETE` deletes the vault and all in it.
pub const VAULT: &str = "/v1/vaults/{vault}";
/// Storage: `POST` mints a grant.
pub const GRANTS: &str = "/v1/vaults/{vault}/grants";
/// Storage: `PUT` puts a new owner's token in the place of the present one.
pub const OWNER_TOKEN: &str = "/v1/vaults/{vault}/token";
/// Storage: `GET` lists the limited tokens.
pub const TOKENS: &str = "/v1/vaults/{vault}/tokens";
/// Storage: `PUT` makes a limited token, `DELETE` revokes it.
pub const TOKEN: &str = "/v1/vaults/{vault}/tokens/{token}";
/// Storage: `GET` reads the vault's log.
pub const LOG: &str = "/v1/vaults/{vault}/log";
/// Storage: `GET` lists; the collection is an [`ObjectKind::segment`].
pub const OBJECTS: &str = "/v1/vaults/{vault}/{collection}";
/// Storage: `PUT`, `GET`, `DELETE` of one object.
pub const OBJECT: &str = "/v1/vaults/{vault}/{collection}/{object}";
/// Storage: `PUT` of the sealed note beside an object.
pub const NOTE: &str = "/v1/vaults/{vault}/{collection}/{object}/note";

/// Compute: `GET` the catalogue.
pub const MODELS: &str = "/v1/models";
/// Compute: `GET` one model's card.
pub const MODEL: &str = "/v1/models/{model}";
/// Compute: `POST` submits, `GET` lists the owner's jobs.
pub const JOBS: &str = "/v1/jobs";
/// Compute: `GET` one job.
pub const JOB: &str = "/v1/jobs/{job}";
/// Compute: `GET` the job's events (server-sent, event `job`, data a `Job`).
pub const JOB_EVENTS: &str = "/v1/jobs/{job}/events";
/// Compute: `POST` cancels.
pub const JOB_CANCEL: &str = "/v1/jobs/{job}/cancel";

/// All of storage's patterns; where two match, the first is meant.
pub const STORAGE_PATTERNS: &[&str] = &[
    PROTECTION,
    LINK,
    VAULT,
    GRANTS,
    OWNER_TOKEN,
    TOKENS,
    TOKEN,
    LOG,
    OBJECTS,
    OBJECT,
    NOTE,
];

/// All of compute's patterns.
pub const COMPUTE_PATTERNS: &[&str] = &[
    PROTECTION, LINK, MODELS, MODEL, JOBS, JOB, JOB_EVENTS, JOB_CANCEL,
];

/// The pattern that a path matches, of these.
pub fn pattern_of(path: &str, patterns: &[&'static str]) -> Option<&'static str> {
    let fits = |pattern: &&&str| {
        let (mut parts, mut names) = (path.split('/'), pattern.split('/'));
        loop {
            match (parts.next(), names.next()) {
                (None, None) => return true,
                (Some(part), Some(name)) if name.starts_with('{') && !part.is_empty() => {}
                (Some(part), Some(name)) if part == name => {}
                _ => return false,
            }
        }
    };
    patterns.iter().find(fits).copied()
}

/// The path of a vault.
pub fn vault(vault: VaultId) -> String {
    format!("/v1/vaults/{vault}")
}

/// The path at which grants are minted.
pub fn grants(vault: VaultId) -> String {
    format!("/v1/vaults/{vault}/grants")
}

/// The path of the owner's token.
pub fn owner_token(vault: VaultId) -> String {
    format!("/v1/vaults/{vault}/token")
}

/// The path of the limited tokens.
pub fn tokens(vault: VaultId) -> String {
    format!("/v1/vaults/{vault}/tokens")
}

/// The path of a limited token.
pub fn token(vault: VaultId, token: TokenId) -> String {
    format!("/v1/vaults/{vault}/tokens/{token}")
}

/// The path of a vault's log.
pub fn log(vault: VaultId) -> String {
    format!("/v1/vaults/{vault}/log")
}

/// The path of a collection.
pub fn objects(vault: VaultId, kind: ObjectKind) -> String {
    format!("/v1/vaults/{vault}/{}", kind.segment())
}

/// The path of an object.
pub fn object(vault: VaultId, kind: ObjectKind, object: ObjectId) -> String {
    format!("/v1/vaults/{vault}/{}/{object}", kind.segment())
}

/// The path of the note beside an object.
pub fn note(vault: VaultId, kind: ObjectKind, object: ObjectId) -> String {
    format!("/v1/vaults/{vault}/{}/{object}/note", kind.segment())
}

/// The path of a model's card.
pub fn model(model: &ModelId) -> String {
    format!("/v1/models/{model}")
}

/// The path of a job.
pub fn job(job: JobId) -> String {
    format!("/v1/jobs/{job}")
}

/// The path of a job's events.
pub fn job_events(job: JobId) -> String {
    format!("/v1/jobs/{job}/events")
}

/// The path that cancels a job.
pub fn job_cancel(job: JobId) -> String {
    format!("/v1/jobs/{job}/cancel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_their_patterns() {
        let (v, o, j) = (VaultId([1; 16]), ObjectId([2; 16]), JobId([3; 16]));
        let t = TokenId([4; 16]);
        let fill = |pattern: &str| {
            pattern
                .replace("{vault}", &v.to_string())
                .replace("{collection}", "images")
                .replace("{object}", &o.to_string())
                .replace("{job}", &j.to_string())
                .replace("{token}", &t.to_string())
        };
        assert_eq!(vault(v), fill(VAULT));
        assert_eq!(owner_token(v), fill(OWNER_TOKEN));
        assert_eq!(log(v), fill(LOG));
        assert_eq!(tokens(v), fill(TOKENS));
        assert_eq!(token(v, t), fill(TOKEN));
        assert_eq!(grants(v), fill(GRANTS));
        assert_eq!(objects(v, ObjectKind::Image), fill(OBJECTS));
        assert_eq!(object(v, ObjectKind::Image, o), fill(OBJECT));
        assert_eq!(note(v, ObjectKind::Image, o), fill(NOTE));
        assert_eq!(job(j), fill(JOB));
        assert_eq!(job_events(j), fill(JOB_EVENTS));
        assert_eq!(job_cancel(j), fill(JOB_CANCEL));
    }
}
