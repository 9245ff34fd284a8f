//! What the services' descriptions of themselves have in common, and the page to read them.
//!
//! A service says at each handler what it takes and gives, with [`utoipa::path`]; which problems it may
//! answer with, by [`problems!`]. [`finish`] makes a document of it, which [`Description`] serves.

mod page;
mod problems;
#[cfg(feature = "trial")]
pub mod trial;

use std::io;

use darkroom_api::access::LABEL_MAX_BYTES;
use darkroom_api::audit::LOG_PAGE_MAX;
use darkroom_api::compute::JOB_IMAGES_MAX;
use darkroom_api::storage::{GRANT_OBJECTS_MAX, LIST_PAGE_MAX, NOTE_MAX_BYTES};
use serde_json::{Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};

pub use self::page::Description;
pub use self::problems::{EVERYWHERE, responses};

/// The security scheme of whoever brings a token.
pub const TOKEN: &str = "token";
/// The security scheme of whoever brings a grant.
pub const GRANT: &str = "grant";

/// Adds how a token travels, with what it is in this service.
pub fn add_token(document: &mut OpenApi, what: &str) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("64 hexadecimal digits")
        .description(Some(what));
    add(document, TOKEN, SecurityScheme::Http(scheme.build()));
}

/// Adds how a grant travels.
pub fn add_grant(document: &mut OpenApi) {
    let what = "`Grant`, a space, and the grant as `POST` of grants gave it.";
    let header = ApiKeyValue::with_description("Authorization", what);
    add(
        document,
        GRANT,
        SecurityScheme::ApiKey(ApiKey::Header(header)),
    );
}

fn add(document: &mut OpenApi, name: &str, scheme: SecurityScheme) {
    let components = document.components.get_or_insert_default();
    components
        .security_schemes
        .insert(name.to_owned(), RefOr::T(scheme));
}

/// The document as it is served.
///
/// # Errors
/// It cannot be written as JSON.
pub fn finish(document: &OpenApi) -> io::Result<Value> {
    let mut document = serde_json::to_value(document)?;
    promise_headers(&mut document);
    tidy(&mut document);
    Ok(document)
}

/// What is said of a response's headers is always there; each has the request's id.
fn promise_headers(document: &mut Value) {
    let operations = children(&mut document["paths"]).flat_map(children);
    let responses = operations.flat_map(|operation| children(&mut operation["responses"]));
    for response in responses {
        response["headers"]["x-request-id"] = json!({
            "description": "The request's id, by which whoever runs the service finds it in the logs.",
            "schema": {"type": "string"},
        });
        for header in children(&mut response["headers"]) {
            header["required"] = true.into();
        }
    }
}

fn children(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    let fields = value.as_object_mut().into_iter().flatten();
    fields.map(|(_, field)| field)
}

/// Descriptions come from comments in the source. There names in brackets are links: here they are
/// names, or the figures that they stand for. What is said of a function's errors, the responses say.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "description" || name == "summary" => {
                        *text = plain(text);
                    }
                    field => tidy(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn plain(text: &str) -> String {
    let figures = [
        ("NOTE_MAX_BYTES", NOTE_MAX_BYTES),
        ("LIST_PAGE_MAX", LIST_PAGE_MAX),
        ("GRANT_OBJECTS_MAX", GRANT_OBJECTS_MAX),
        ("LABEL_MAX_BYTES", LABEL_MAX_BYTES),
        ("LOG_PAGE_MAX", LOG_PAGE_MAX),
        ("JOB_IMAGES_MAX", JOB_IMAGES_MAX),
    ];
    let text = text.split("# Errors").next().unwrap_or_default().trim();
    let mut parts = text.split("[`");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("`]") {
            Some((link, rest)) => {
                let name = link.rsplit("::").next().unwrap_or(link);
                match figures.iter().find(|(figure, _)| *figure == name) {
                    Some((_, value)) => out.push_str(&value.to_string()),
                    None => out.push_str(&format!("`{name}`")),
                }
                out.push_str(rest);
            }
            None => {
                out.push_str("[`");
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_descriptions() {
        for (text, expected) in [
            ("a [`crate::x::Y`] b", "a `Y` b"),
            ("at most [`LIST_PAGE_MAX`].", "at most 200."),
            ("[`A`] and [`B::c`]", "`A` and `c`"),
            ("an [array] of `x`", "an [array] of `x`"),
            ("[`open", "[`open"),
            ("What.\n\n# Errors\nWhy.", "What."),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
