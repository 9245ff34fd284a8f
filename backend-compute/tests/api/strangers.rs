//! Every route with every kind of foreign credential, against what is expected.
//!
//! The routes are read from the source of `routes::add`: one that is added there and not to
//! [`ROUTES`] fails the test.

use std::collections::BTreeSet;

use darkroom_api::access::{Scope, TokenRequest};
use darkroom_api::compute::{Job, JobList, State, SubmitJob};
use darkroom_api::ids::{JobId, KeyId, ObjectId, VaultId};
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::routes;
use darkroom_api::token::{GRANT, Token};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Response};

use super::support::{Compute, Owner, World, random};
use Shows::{All, Named, Own};

/// What a route shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// The same to everyone; it asks nobody who they are.
    All,
    /// To each token what was done with that one.
    Own,
    /// To each token the job in its path, if that one submitted it.
    Named,
}

const ROUTES: &[(&str, &str, Shows)] = &[
    ("HEALTH", "GET", All),
    ("READY", "GET", All),
    ("METRICS", "GET", All),
    ("PROTECTION", "GET", All),
    ("OPENAPI", "GET", All),
    ("DOCS", "GET", All),
    ("DOCS_FILE", "GET", All),
    ("MODELS", "GET", All),
    ("MODEL", "GET", All),
    ("JOBS", "GET", Own),
    ("JOBS", "POST", Own),
    ("JOB", "GET", Named),
    ("JOB_EVENTS", "GET", Named),
    ("JOB_CANCEL", "POST", Named),
];

/// The routes and methods in the source.
pub fn configured() -> BTreeSet<(String, String)> {
    darkroom_openapi::trial::configured(include_str!("../../src/routes.rs"), "pub fn add")
}

#[test]
fn every_route_is_in_the_table() {
    let listed = ROUTES
        .iter()
        .map(|&(name, method, _)| (name.to_owned(), method.to_owned()));
    assert_eq!(listed.collect::<BTreeSet<_>>(), configured());
}

/// A request that would do something, if its sender were the owner.
async fn ask(
    compute: &Compute,
    (name, method, _): (&str, &str, Shows),
    job: &str,
    body: &SubmitJob,
    authorization: Option<&str>,
) -> Response {
    let path = match name {
        "HEALTH" => routes::HEALTH.to_owned(),
        "READY" => routes::READY.to_owned(),
        "METRICS" => routes::METRICS.to_owned(),
        "PROTECTION" => routes::PROTECTION.to_owned(),
        "OPENAPI" => routes::OPENAPI.to_owned(),
        "DOCS" => routes::DOCS.to_owned(),
        "DOCS_FILE" => routes::DOCS_FILE.replace("{file:.*}", ""),
        "MODELS" => routes::MODELS.to_owned(),
        "MODEL" => routes::model(&body.model),
        "JOBS" => routes::JOBS.to_owned(),
        "JOB" => routes::JOB.replace("{job}", job),
        "JOB_EVENTS" => routes::JOB_EVENTS.replace("{job}", job),
        "JOB_CANCEL" => routes::JOB_CANCEL.replace("{job}", job),
        name => panic!("no path for {name}"),
    };
    let method: Method = method.parse().unwrap();
    let url = format!("{}{path}", compute.base);
    let request = reqwest::Client::new().request(method, url);
    // It comes back in every answer: whoever compares answers asks under one.
    let mut request = request.header("x-request-id", "stranger");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    if name == "JOBS" {
        request = request.json(body);
    }
    request.send().await.unwrap()
}

/// All that an answer tells, save its time, and whether the connection closes: that depends on whether
/// the request's body had come when it was answered.
async fn told(answer: Response) -> (u16, BTreeSet<(String, Vec<u8>)>, Vec<u8>) {
    let status = answer.status().as_u16();
    let headers = answer.headers().iter();
    let headers = headers
        .filter(|(name, _)| *name != "date" && *name != "connection")
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

/// What has no form of a token.
fn formless(owner: &Owner, grant: &str) -> Vec<Option<String>> {
    let token = owner.compute_token.danger_reveal();
    let texts = [
        String::new(),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer x".to_owned(),
        format!("Bearer {}", &token[1..]),
        format!("Bearer {token}00"),
        format!("Basic {token}"),
        format!("{GRANT} {token}"),
        format!("{GRANT} {grant}"),
        format!("Bearer {grant}"),
    ];
    let texts = texts.into_iter().map(Some);
    std::iter::once(None).chain(texts).collect()
}

/// Tokens that others have, storage's among them; compute knows the owner by none.
async fn strangers(world: &World, owner: &Owner) -> Vec<(&'static str, Token)> {
    let other = world.owner().await;
    let mut all = vec![
        ("nobody's", Token::new(random())),
        ("another owner's", other.compute_token),
        ("another vault's", other.vault_token),
        ("the vault's", owner.vault_token.clone()),
    ];
    for (name, scope, not_after_ms) in [
        ("a read token", Scope::Read, None),
        ("a submit token", Scope::Submit, None),
        ("a revoked token", Scope::Submit, None),
        ("an expired token", Scope::Read, Some(1)),
    ] {
        let token = Token::new(random());
        let wanted = TokenRequest {
            token_sha256: token.hash(),
            label: name.to_owned(),
            scope,
            not_after_ms,
        };
        let (vault, secret, storage) = (owner.vault, &owner.vault_token, &owner.storage);
        storage.make_token(vault, secret, &wanted).await.unwrap();
        if name == "a revoked token" {
            let id = token.hash().id();
            storage.revoke_token(vault, secret, id).await.unwrap();
        }
        all.push((name, token));
    }
    all
}

#[tokio::test]
async fn strangers_get_nothing_anywhere_and_learn_nothing() {
    let mut world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.owner().await);
    let strangers = strangers(&world, &owner).await;
    let asked = owner.big_job(2).await;
    let strange = stranger.big_job(1).await;
    // Nothing ends while storage is away, so there is something to cancel.
    world.storage.stop().await;
    let compute = world.compute().await;
    let id = owner.submit(&compute.client, &asked).await;
    let (id, unknown) = (id.to_string(), JobId(random()).to_string());

    for &route in ROUTES {
        let (name, method, shows) = route;
        for authorization in formless(&owner, &asked.grant) {
            let answer = ask(&compute, route, &id, &strange, authorization.as_deref()).await;
            if shows == All {
                assert_eq!(answer.status(), 200, "{method} {name}");
                continue;
            }
            let problem = answer.json::<Problem>().await.unwrap();
            assert_eq!(problem.kind, ProblemType::Unauthorized, "{method} {name}");
        }
        let mut first = None;
        for (who, token) in &strangers {
            let bearer = token.authorization();
            let answer = ask(&compute, route, &id, &strange, Some(&bearer)).await;
            match (shows, method) {
                (All, _) => assert_eq!(answer.status(), 200, "{method} {name}"),
                (Own, "GET") => {
                    let list: JobList = answer.json().await.unwrap();
                    assert_eq!(list.jobs, [], "{who} at {name}");
                }
                // A token is as good as another to begin with: see below what comes of it.
                (Own, _) => assert_eq!(answer.status(), 201, "{who} at {name}"),
                (Named, _) => {
                    let answer = told(answer).await;
                    assert_eq!(answer.0, 404, "{who} at {name}");
                    let first = first.get_or_insert_with(|| answer.clone());
                    assert_eq!(*first, answer, "{who} at {name}");
                    for job in [&unknown[..], "no-id"] {
                        let other = ask(&compute, route, job, &strange, Some(&bearer)).await;
                        assert_eq!(*first, told(other).await, "{who} at {name} {job}");
                    }
                }
            }
        }
    }

    // The job never noticed, and its owner gets all of it.
    world.storage.start_again().await;
    let job = id.parse().unwrap();
    let ended = owner.end_of(&compute.client, job).await;
    assert_eq!(ended.state, State::Done, "{ended:?}");
    let bearer = owner.compute_token.authorization();
    for &route in ROUTES.iter().filter(|(name, ..)| *name != "JOBS") {
        let answer = ask(&compute, route, &id, &strange, Some(&bearer)).await;
        assert_eq!(answer.status(), 200, "{route:?}");
    }
}

/// Grants that are no good for what the target's job names.
async fn grants(
    world: &World,
    owner: &Owner,
    target: &SubmitJob,
) -> Vec<(&'static str, String, ProblemType)> {
    use ProblemType::{GrantExpired, GrantInvalid, GrantRefused};
    let other = world.owner().await;
    let foreign = other.grant(&target.items, 60_000).await;
    let elsewhere = owner.big_job(1).await.grant;
    let expired = owner.grant(&target.items, 1).await;
    let minter = Token::new(random());
    let wanted = TokenRequest {
        token_sha256: minter.hash(),
        label: "minter".to_owned(),
        scope: Scope::Submit,
        not_after_ms: None,
    };
    let (vault, secret) = (owner.vault, &owner.vault_token);
    let made = owner.storage.make_token(vault, secret, &wanted).await;
    made.unwrap();
    let theirs = Owner {
        storage: owner.storage.clone(),
        vault_token: minter.clone(),
        compute_token: Token::new(random()),
        ..*owner
    };
    let revoked = theirs.grant(&target.items, 60_000).await;
    let gone = owner
        .storage
        .revoke_token(vault, secret, minter.hash().id());
    gone.await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    vec![
        ("made up", "AAAA".to_owned(), GrantInvalid),
        (
            "the token itself",
            owner.vault_token.danger_reveal(),
            GrantInvalid,
        ),
        ("of another vault", foreign, GrantRefused),
        ("for other objects", elsewhere, GrantRefused),
        ("expired", expired, GrantExpired),
        ("of a revoked token", revoked, GrantInvalid),
    ]
}

#[tokio::test]
async fn a_job_reaches_nothing_that_its_grant_does_not_name() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let target = owner.big_job(1).await;
    for (how, grant, expected) in grants(&world, &owner, &target).await {
        let mut told = Vec::new();
        // An image of the vault, one that it has not, a vault that is not there.
        for (vault, image) in [
            (owner.vault, target.items[0].image),
            (owner.vault, ObjectId(random())),
            (VaultId(random()), target.items[0].image),
        ] {
            let mut job = SubmitJob {
                vault,
                key: KeyId(random()),
                grant: grant.clone(),
                idempotency_key: ObjectId(random()),
                ..target.clone()
            };
            job.items[0].image = image;
            let stranger = Owner {
                storage: owner.storage.clone(),
                vault_token: owner.vault_token.clone(),
                compute_token: Token::new(random()),
                ..owner
            };
            let id = stranger.submit(&compute.client, &job).await;
            let ended: Job = stranger.end_of(&compute.client, id).await;
            let item = &ended.items[0];
            let problem = item.problem.clone().or(ended.problem.clone()).unwrap();
            assert!(problem.request_id.is_some(), "{how}");
            let problem = Problem {
                request_id: None,
                ..problem
            };
            assert_eq!(item.state, State::Failed, "{how}");
            told.push((ended.state, problem));
        }
        assert_eq!(told[0].1.kind, expected, "{how}: {}", told[0].1);
        assert_eq!(told[0], told[1], "{how}: whether an image is there");
        // Whoever had a grant of the vault knows that it is there.
        if !matches!(how, "for other objects" | "expired" | "of a revoked token") {
            assert_eq!(told[0], told[2], "{how}: whether a vault is there");
        }
    }
    assert_eq!(owner.results().await, 0);
    // With its own grant it works.
    let id = owner.submit(&compute.client, &target).await;
    assert_eq!(owner.end_of(&compute.client, id).await.state, State::Done);
    assert!(!owner.result(target.items[0].result).await.is_empty());
}
