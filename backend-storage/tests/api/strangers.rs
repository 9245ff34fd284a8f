//! Every route with every kind of foreign or limited credential, against what is expected.
//!
//! The routes are read from the source of `routes::configure`: one that is added there and not to
//! [`ROUTES`] fails the test.

use std::collections::BTreeSet;

use darkroom_api::access::{Scope, TokenRotation};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ObjectId, TokenId};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use darkroom_api::token::{GRANT, Token};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Response};

use crate::support::{App, Owner, image, new_id, object, random, refused};

use Answer::{Everyone, In, No};
use ObjectKind::{EvaluationKey, Image, Result as Score};

/// What a credential gets on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The route asks nobody who they are.
    Everyone,
    /// It is let in; what comes of it is another matter.
    In,
    /// It is refused for its scope.
    No,
}

/// A route, and what a `read` and a `submit` token get. Whoever has no good token of the vault gets
/// nothing anywhere, and a grant nothing but what it names.
struct Route {
    name: &'static str,
    method: &'static str,
    kind: Option<ObjectKind>,
    read: Answer,
    submit: Answer,
}

const fn route(
    name: &'static str,
    method: &'static str,
    kind: Option<ObjectKind>,
    read: Answer,
    submit: Answer,
) -> Route {
    Route {
        name,
        method,
        kind,
        read,
        submit,
    }
}

const ROUTES: &[Route] = &[
    route("HEALTH", "GET", None, Everyone, Everyone),
    route("READY", "GET", None, Everyone, Everyone),
    route("METRICS", "GET", None, Everyone, Everyone),
    route("PROTECTION", "GET", None, Everyone, Everyone),
    route("OPENAPI", "GET", None, Everyone, Everyone),
    route("DOCS", "GET", None, Everyone, Everyone),
    route("DOCS_FILE", "GET", None, Everyone, Everyone),
    route("VAULT", "PUT", None, In, In),
    route("VAULT", "GET", None, In, In),
    route("VAULT", "DELETE", None, No, No),
    route("GRANTS", "POST", None, No, In),
    route("LOG", "GET", None, No, No),
    route("OWNER_TOKEN", "PUT", None, No, No),
    route("TOKENS", "GET", None, No, No),
    route("TOKEN", "PUT", None, No, No),
    route("TOKEN", "DELETE", None, No, No),
    route("OBJECTS", "GET", Some(Image), In, No),
    route("OBJECTS", "GET", Some(EvaluationKey), In, In),
    route("OBJECTS", "GET", Some(Score), In, No),
    route("OBJECT", "GET", Some(Image), In, No),
    route("OBJECT", "GET", Some(EvaluationKey), In, No),
    route("OBJECT", "GET", Some(Score), In, In),
    route("OBJECT", "PUT", Some(Image), No, In),
    route("OBJECT", "PUT", Some(EvaluationKey), No, In),
    route("OBJECT", "PUT", Some(Score), No, No),
    route("OBJECT", "DELETE", Some(Image), No, No),
    route("OBJECT", "DELETE", Some(EvaluationKey), No, No),
    route("OBJECT", "DELETE", Some(Score), No, No),
    route("NOTE", "PUT", Some(Image), No, In),
    route("NOTE", "PUT", Some(EvaluationKey), No, In),
    route("NOTE", "PUT", Some(Score), No, In),
];

/// The routes and methods in the source.
pub(crate) fn configured() -> BTreeSet<(String, String)> {
    let source = include_str!("../../src/routes/mod.rs");
    darkroom_openapi::trial::configured(source, "pub(crate) fn configure")
}

#[test]
fn every_route_is_in_the_table() {
    let listed: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.name.to_owned(), route.method.to_owned()))
        .collect();
    assert_eq!(listed, configured());
    for route in ROUTES.iter().filter(|route| route.kind.is_some()) {
        for kind in ObjectKind::ALL {
            let has = |other: &Route| {
                (other.name, other.method, other.kind) == (route.name, route.method, Some(kind))
            };
            assert!(ROUTES.iter().any(has), "{} {kind:?}", route.name);
        }
    }
}

/// What a request is about.
struct Target {
    owner: Owner,
    object: ObjectId,
    token: TokenId,
}

impl Target {
    fn path(&self, route: &Route) -> String {
        let (vault, kind) = (self.owner.vault, route.kind.unwrap_or(Image));
        match route.name {
            "HEALTH" => routes::HEALTH.to_owned(),
            "READY" => routes::READY.to_owned(),
            "METRICS" => routes::METRICS.to_owned(),
            "PROTECTION" => routes::PROTECTION.to_owned(),
            "OPENAPI" => routes::OPENAPI.to_owned(),
            "DOCS" => routes::DOCS.to_owned(),
            "DOCS_FILE" => routes::DOCS_FILE.replace("{file:.*}", ""),
            "VAULT" => routes::vault(vault),
            "GRANTS" => routes::grants(vault),
            "LOG" => routes::log(vault),
            "OWNER_TOKEN" => routes::owner_token(vault),
            "TOKENS" => routes::tokens(vault),
            "TOKEN" => routes::token(vault, self.token),
            "OBJECTS" => routes::objects(vault, kind),
            "OBJECT" => routes::object(vault, kind, self.object),
            "NOTE" => routes::note(vault, kind, self.object),
            name => panic!("no path for {name}"),
        }
    }

    /// A request that would do something, if it were let in.
    async fn ask(&self, route: &Route, authorization: Option<&str>) -> Response {
        let method: Method = route.method.parse().unwrap();
        let url = format!("http://{}{}", self.owner.address, self.path(route));
        let request = self.owner.http.request(method, url);
        // It comes back in every answer: whoever compares answers asks under one.
        let mut request = request.header("x-request-id", "stranger");
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request = match (route.name, route.method, route.kind) {
            ("OBJECT", "PUT", Some(kind)) => request.body(object(kind, b"x")),
            ("NOTE", "PUT", _) => request.body("note"),
            ("GRANTS", ..) => request.json(&reads(self.object)),
            ("OWNER_TOKEN", ..) => request.json(&TokenRotation {
                token_sha256: Token::new(random()).hash(),
            }),
            _ => request,
        };
        request.send().await.unwrap()
    }
}

fn reads(id: ObjectId) -> GrantRequest {
    GrantRequest {
        reads: vec![ObjectRef { kind: Image, id }],
        writes: vec![],
        valid_ms: 3_600_000,
    }
}

/// All that an answer tells, save its time, and whether the connection closes: that depends on whether
/// the request's body had come when it was answered.
async fn told(answer: Response) -> (u16, BTreeSet<(String, Vec<u8>)>, Vec<u8>) {
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "connection")
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

/// Everything that is of no use any more, or never was, to the target's vault.
async fn strangers(app: &App, target: &mut Target) -> Vec<(&'static str, Option<String>)> {
    let owner = &target.owner;
    let other = app.owner().await;
    let others_colleague = other.colleague(Scope::Read).await;
    let revoked = owner.colleague(Scope::Submit).await;
    assert_eq!(owner.revoke(&revoked.token).await.status(), 204);
    let expired = owner.colleague_until(Scope::Read, Some(1)).await;
    let former = owner.token.clone();
    let new = Token::new(random());
    assert_eq!(owner.rotate_to(&new).await.status(), 204);
    target.owner = owner.with(&new);
    let bearer = |token: &Token| Some(token.authorization());
    vec![
        ("no token", None),
        ("no token either", Some("Basic eDp4".to_owned())),
        ("wrong token", bearer(&Token::new(random()))),
        ("other owner", bearer(&other.token)),
        ("other owner's colleague", bearer(&others_colleague.token)),
        ("revoked", bearer(&revoked.token)),
        ("expired", bearer(&expired.token)),
        ("former owner", bearer(&former)),
    ]
}

/// Grants that are no good for the target.
async fn grants(app: &App, target: &Target) -> Vec<(&'static str, String, ProblemType)> {
    let owner = &target.owner;
    let other = app.owner().await;
    let minter = owner.colleague(Scope::Submit).await;
    let theirs = minter.grant(&reads(target.object)).await.grant;
    assert_eq!(owner.revoke(&minter.token).await.status(), 204);
    let brief = GrantRequest {
        valid_ms: 1,
        ..reads(target.object)
    };
    let expired = owner.grant(&brief).await.grant;
    let closed = app.owner().await;
    let of_closed = closed.grant(&reads(target.object)).await.grant;
    let path = routes::vault(closed.vault);
    assert_eq!(closed.send(Method::DELETE, &path).await.status(), 204);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let foreign = other.grant(&reads(target.object)).await.grant;
    let elsewhere = owner.grant(&reads(new_id())).await.grant;
    use ProblemType::{GrantExpired, GrantInvalid, GrantRefused};
    vec![
        ("grant for other objects", elsewhere, GrantRefused),
        ("grant of another vault", foreign, GrantRefused),
        ("grant of a closed vault", of_closed, GrantRefused),
        ("expired grant", expired, GrantExpired),
        ("grant of a revoked token", theirs, GrantInvalid),
        ("no grant", "AAAA".to_owned(), GrantInvalid),
    ]
}

async fn target(app: &App) -> Target {
    let owner = app.owner().await;
    let object = owner.put_image(b"x").await;
    owner.put_note(Image, object, b"note".to_vec()).await;
    let token = owner.colleague(Scope::Read).await.token.hash().id();
    Target {
        owner,
        object,
        token,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_nothing_anywhere_and_learn_nothing() {
    let app = App::start().await;
    let mut target = target(&app).await;
    let strangers = strangers(&app, &mut target).await;
    let grants = grants(&app, &target).await;
    let nowhere = Target {
        owner: Owner::new(&app.address),
        object: target.object,
        token: target.token,
    };
    for route in ROUTES {
        let name = (route.name, route.method, route.kind);
        if route.read == Everyone {
            for (_, authorization) in &strangers {
                let answer = target.ask(route, authorization.as_deref()).await;
                assert_eq!(answer.status(), 200, "{name:?}");
            }
            continue;
        }
        let mut first = None;
        for (who, authorization) in &strangers {
            let opens = (route.name, route.method) == ("VAULT", "PUT");
            for place in [&target, &nowhere] {
                if opens && std::ptr::eq(place, &nowhere) {
                    continue;
                }
                let answer = place.ask(route, authorization.as_deref()).await;
                let answer = told(answer).await;
                assert_eq!(answer.0, 401, "{who} at {name:?}");
                let first = first.get_or_insert_with(|| answer.clone());
                assert_eq!(*first, answer, "{who} at {name:?}");
            }
        }
        for (who, grant, expected) in &grants {
            let grant = format!("{GRANT} {grant}");
            let answer = target.ask(route, Some(&grant)).await;
            // A grant opens no vault, so it is no credential there at all.
            let expected = match name {
                ("VAULT", "PUT", _) => ProblemType::Unauthorized,
                _ => *expected,
            };
            println!("{who} at {name:?}");
            refused(answer, expected).await;
        }
    }
    let owner = &target.owner;
    assert_eq!(owner.read(Image, target.object).await, image(b"x"));
    let listed = owner.all(Image).await;
    assert_eq!(listed[&target.object].note.as_ref().unwrap().0, b"note");
    assert_eq!(owner.info().await.objects, 1);
    let revoked = |id: TokenId, tokens: &[darkroom_api::access::TokenInfo]| {
        let token = tokens.iter().find(|token| token.id == id);
        token.unwrap().revoked_ms.is_some()
    };
    assert!(!revoked(target.token, &owner.tokens().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn limited_tokens_get_what_is_theirs_and_no_more() {
    let app = App::start().await;
    let target = target(&app).await;
    for scope in [Scope::Read, Scope::Submit] {
        let colleague = target.owner.colleague(scope).await;
        let authorization = colleague.token.authorization();
        for route in ROUTES {
            let expected = match scope {
                Scope::Read => route.read,
                Scope::Submit => route.submit,
            };
            let answer = target.ask(route, Some(&authorization)).await;
            let status = answer.status().as_u16();
            let name = (scope, route.name, route.method, route.kind);
            match expected {
                No => {
                    println!("{name:?}");
                    refused(answer, ProblemType::TokenRefused).await;
                }
                In if name == (Scope::Submit, "NOTE", "PUT", Some(Image)) => {
                    // The same note is there.
                    assert_eq!(status, 204);
                }
                In | Everyone => {
                    assert!(
                        matches!(status, 200 | 201 | 204 | 404),
                        "{status} at {name:?}"
                    );
                }
            }
        }
    }
    let owner = &target.owner;
    assert_eq!(owner.read(Image, target.object).await, image(b"x"));
    assert_eq!(owner.tokens().await.len(), 3);
}
