//! The problems of a route, as responses by status.

use std::collections::BTreeMap;

use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType};
use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// With these every route may answer: what the sealed link refuses, what comes too often, and what the
/// service itself failed. Those that probes ask are never sealed or limited.
pub const EVERYWHERE: &[ProblemType] = &[
    ProblemType::RateLimited,
    ProblemType::LinkUnsealed,
    ProblemType::LinkRefused,
    ProblemType::LinkStale,
    ProblemType::LinkKeyShortage,
    ProblemType::Internal,
];

/// Names the problems of a route, for the `responses` of its [`utoipa::path`]: sets of problem types,
/// which [`EVERYWHERE`] is added to.
#[macro_export]
macro_rules! problems {
    ($($name:ident: $($set:expr),+;)+) => {$(
        pub(crate) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                $crate::responses(&[$($set),+])
            }
        }
    )+};
}

/// One response for each status of these types and of those that are everywhere.
pub fn responses(sets: &[&[ProblemType]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemType>> = BTreeMap::new();
    for &kind in sets.iter().copied().chain([EVERYWHERE]).flatten() {
        let kinds = by_status.entry(kind.status()).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), response(status, &kinds).into()))
        .collect()
}

fn response(status: u16, kinds: &[ProblemType]) -> Response {
    let lines = kinds
        .iter()
        .map(|kind| format!("- `{}`: {}", kind.slug(), kind.title()));
    let names = kinds
        .iter()
        .map(|kind| json!(format!("urn:darkroom:problem:{}", kind.slug())));
    let exact = ObjectBuilder::new()
        .property(
            "type",
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(names.collect::<Vec<_>>())),
        )
        .property(
            "status",
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .enum_values(Some([json!(status)])),
        );
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(Problem::name()))
        .item(exact);
    let mut response = ResponseBuilder::new()
        .description(lines.collect::<Vec<_>>().join("\n"))
        .content(
            MEDIA_TYPE,
            ContentBuilder::new().schema(Some(schema)).build(),
        );
    let header = match status {
        401 => Some(("WWW-Authenticate", "The scheme to come with: `Bearer`.")),
        429 => Some(("Retry-After", "When to ask again, in seconds.")),
        _ => None,
    };
    if let Some((name, what)) = header {
        let header = HeaderBuilder::new().schema(Some(String::schema()));
        response = response.header(name, header.description(Some(what)).build());
    }
    response.build()
}
