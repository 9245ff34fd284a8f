//! What a service's tests hold its description against.

use std::collections::BTreeSet;

use serde_json::Value;

/// The methods, in capitals, and paths that a document describes.
pub fn operations(document: &Value) -> BTreeSet<(String, String)> {
    each_operation(document)
        .map(|(path, method, _)| (method.to_uppercase(), path.to_owned()))
        .collect()
}

fn each_operation(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten();
        operations.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// What is wrong with a document beyond its form, which a validator looks at.
pub fn faults(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if document["openapi"] != "3.1.0" {
        faults.push(format!("version {}", document["openapi"]));
    }
    dangling(document, document, &mut faults);
    let mut ids = BTreeSet::new();
    for (path, method, operation) in each_operation(document) {
        let place = format!("{method} {path}");
        if !ids.insert(operation["operationId"].as_str()) {
            faults.push(format!("{place}: its id is another's"));
        }
        let declared = parameters(operation);
        if declared != in_path(path) {
            faults.push(format!("{place}: parameters {declared:?}"));
        }
        if operation["summary"].as_str().is_none_or(str::is_empty) {
            faults.push(format!("{place}: no summary"));
        }
        for scheme in security(operation) {
            if document["components"]["securitySchemes"][&scheme].is_null() {
                faults.push(format!("{place}: no security scheme {scheme}"));
            }
        }
    }
    faults
}

fn dangling(document: &Value, value: &Value, faults: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                let found = target.strip_prefix('#').and_then(|to| document.pointer(to));
                if found.is_none() {
                    faults.push(format!("{target} is not there"));
                }
            }
            for field in fields.values() {
                dangling(document, field, faults);
            }
        }
        Value::Array(items) => {
            for item in items {
                dangling(document, item, faults);
            }
        }
        _ => {}
    }
}

fn parameters(operation: &Value) -> BTreeSet<String> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let in_path =
        all.filter(|parameter| parameter["in"] == "path" && parameter["required"] == true);
    in_path
        .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
        .collect()
}

fn in_path(path: &str) -> BTreeSet<String> {
    let parts = path.split('{').skip(1);
    parts
        .filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned()))
        .collect()
}

fn security(operation: &Value) -> Vec<String> {
    let wanted = operation["security"].as_array().into_iter().flatten();
    let schemes = wanted.filter_map(Value::as_object).flatten();
    schemes.map(|(scheme, _)| scheme.clone()).collect()
}

/// The names of routes and the methods in a service's source, of the function that starts so.
///
/// # Panics
/// The function serves something in another way, or with a method that is not named.
pub fn configured(source: &str, function: &str) -> BTreeSet<(String, String)> {
    let body = source.split(function).nth(1).unwrap_or_default();
    let body = body.split("\n}").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for resource in body.split("resource(routes::").skip(1) {
        let Some((name, methods)) = resource
            .split_once(", \"")
            .and_then(|(name, rest)| Some((name, rest.split_once('"')?.0)))
        else {
            panic!("a route without its methods: {resource}");
        };
        let methods = methods.split(", ");
        found.extend(methods.map(|method| (name.to_owned(), method.to_owned())));
    }
    let count = |what: &str| body.matches(what).count();
    assert_eq!(count(".service("), count("resource(routes::"));
    assert_eq!(count(".route("), found.len());
    found
}

/// The methods and paths that a document should describe: all but the page, which is for people.
///
/// # Panics
/// The source of the paths has no such name.
pub fn described(
    configured: BTreeSet<(String, String)>,
    paths: &str,
) -> BTreeSet<(String, String)> {
    let paths = constants(paths);
    let path = |name: &str| match paths.iter().find(|(known, _)| known == name) {
        Some((_, path)) => path.clone(),
        None => panic!("no path for {name}"),
    };
    let routes = configured.into_iter();
    routes
        .filter(|(name, _)| !name.starts_with("DOCS"))
        .map(|(name, method)| (method, path(&name)))
        .collect()
}

/// The value of each `pub const NAME: &str = "value";` in a source.
fn constants(source: &str) -> Vec<(String, String)> {
    let lines = source.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("pub const ")?.split_once(": &str = \"")?;
        Some((name.to_owned(), value.strip_suffix("\";")?.to_owned()))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_are_found() {
        let good = json!({
            "openapi": "3.1.0",
            "paths": {"/x/{id}": {"get": {
                "operationId": "x", "summary": "X",
                "parameters": [{"name": "id", "in": "path", "required": true}],
                "security": [{"token": []}],
                "responses": {"200": {"$ref": "#/components/responses/X"}},
            }}},
            "components": {"responses": {"X": {}}, "securitySchemes": {"token": {}}},
        });
        assert_eq!(faults(&good), Vec::<String>::new());
        assert_eq!(operations(&good), [("GET".into(), "/x/{id}".into())].into());
        for (pointer, bad, expected) in [
            ("/openapi", json!("3.0.3"), "version"),
            (
                "/components/responses",
                json!({}),
                "#/components/responses/X is not there",
            ),
            (
                "/components/securitySchemes",
                json!({}),
                "no security scheme token",
            ),
            (
                "/paths/~1x~1{id}/get/parameters",
                json!([]),
                "parameters {}",
            ),
            ("/paths/~1x~1{id}/get/summary", json!(""), "no summary"),
        ] {
            let mut document = good.clone();
            *document.pointer_mut(pointer).unwrap() = bad;
            let found = faults(&document);
            assert!(
                found.iter().any(|fault| fault.contains(expected)),
                "{found:?}"
            );
        }
    }
}
