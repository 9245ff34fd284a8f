//! How often storage may be asked, and by whom.

use backend_storage::Config;
use darkroom_api::client::Storage as Client;
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::routes;
use darkroom_api::token::Token;
use reqwest::{Method, Response, StatusCode};

use crate::support::{App, Owner, new_id, random, refused};

/// This machine counts as any other.
fn by_address(config: &mut Config) {
    config.rate.proxies.clear();
}

async fn limited(answer: Response) -> u64 {
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let wait_s = answer.headers()["retry-after"].to_str().unwrap();
    let wait_s = wait_s.parse().unwrap();
    assert!(wait_s >= 1);
    let problem: Problem = answer.json().await.unwrap();
    assert_eq!(problem.kind, ProblemType::RateLimited);
    assert_eq!(problem.retry_after_s, Some(wait_s));
    assert_eq!(problem.request_id, Some(id));
    wait_s
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_waits_and_the_owner_does_not() {
    let app = App::start_with(|config| {
        by_address(config);
        config.rate.refused_per_min = 1;
        config.rate.refused_burst = 10;
    })
    .await;
    let owner = app.owner().await;
    let object = owner.put_image(b"x").await;
    let path = routes::object(owner.vault, ObjectKind::Image, object);

    let guesser = owner.stranger();
    let mut refusals = 0;
    let answer = loop {
        let answer = guesser.send(Method::GET, &path).await;
        if answer.status() != StatusCode::UNAUTHORIZED {
            break answer;
        }
        refusals += 1;
        assert!(refusals < 50, "nobody stops who guesses");
    };
    assert!(refusals >= 10, "{refusals}");
    limited(answer).await;

    // A wrong token, an unknown vault, an object that is not there: all wait, and learn nothing.
    let nowhere = Owner::new(&app.address);
    let missing = routes::object(owner.vault, ObjectKind::Image, new_id());
    let other = owner.with(&Token::new(random()));
    for (who, path) in [
        (&guesser, &path),
        (&other, &path),
        (&other, &missing),
        (&nowhere, &routes::vault(nowhere.vault)),
        (&nowhere, &path),
    ] {
        limited(who.send(Method::GET, path).await).await;
    }
    // Who was good goes on, and what he may not do is refused as ever.
    assert_eq!(owner.send(Method::GET, &path).await.status(), 200);
    let absent = owner.send(Method::GET, &missing).await;
    refused(absent, ProblemType::ObjectNotFound).await;
    for path in [routes::HEALTH, routes::READY, routes::METRICS] {
        assert_eq!(guesser.send(Method::GET, path).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_vaults_are_opened_from_one_address() {
    let app = App::start_with(|config| {
        by_address(config);
        config.rate.opened_per_min = 1;
        config.rate.opened_burst = 3;
    })
    .await;
    let owners = [app.owner().await, app.owner().await, app.owner().await];
    let late = Owner::new(&app.address);
    assert!(limited(late.put_vault().await).await <= 60);
    // However the path is written.
    let vault = late.vault.to_string();
    let path = routes::vault(late.vault).replace("vaults", "v%61ults");
    limited(late.send(Method::PUT, &path).await).await;
    assert!(path.ends_with(&vault));
    for owner in owners {
        assert_eq!(owner.put_vault().await.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_are_believed_and_others_not() {
    let app = App::start_with(|config| {
        config.rate.refused_per_min = 1;
        config.rate.refused_burst = 2;
    })
    .await;
    let nobody = Owner::new(&app.address);
    let path = routes::vault(nobody.vault);
    let ask = |from: &'static str| {
        let request = nobody.request(Method::GET, &path);
        request.header("x-forwarded-for", from).send()
    };
    for _ in 0..3 {
        assert_eq!(ask("192.0.2.1").await.unwrap().status(), 401);
    }
    limited(ask("192.0.2.1").await.unwrap()).await;
    assert_eq!(ask("192.0.2.2").await.unwrap().status(), 401);
    // A proxy that says nothing is taken to limit by itself.
    for _ in 0..10 {
        assert_eq!(nobody.send(Method::GET, &path).await.status(), 401);
    }

    let app = App::start_with(|config| {
        by_address(config);
        config.rate.refused_per_min = 1;
        config.rate.refused_burst = 2;
    })
    .await;
    let nobody = Owner::new(&app.address);
    let path = routes::vault(nobody.vault);
    let mut last = StatusCode::OK;
    for number in 0..4 {
        let request = nobody.request(Method::GET, &path);
        let request = request.header("x-forwarded-for", format!("192.0.2.{number}"));
        last = request.send().await.unwrap().status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_asks_too_often_waits_and_the_client_does_it_for_him() {
    let app = App::start_with(|config| {
        config.rate.owner_per_s = 1;
        config.rate.owner_burst = 4;
    })
    .await;
    let (owner, other) = (app.owner().await, app.owner().await);
    let path = routes::vault(owner.vault);
    let mut asked = 0;
    let answer = loop {
        let answer = owner.send(Method::GET, &path).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        asked += 1;
        assert!(asked < 100, "nobody stops who asks too often");
    };
    assert!(asked >= 3, "{asked}");
    assert_eq!(limited(answer).await, 1);
    let others = other.send(Method::GET, &routes::vault(other.vault)).await;
    assert_eq!(others.status(), StatusCode::OK);
    let client = Client::new(&format!("http://{}", app.address)).unwrap();
    for _ in 0..3 {
        client.vault(owner.vault, &owner.token).await.unwrap();
    }
}
