//! How often compute may be asked.

use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::routes;
use darkroom_api::token::Token;
use reqwest::Response;

use super::support::{Compute, World, random};

async fn list(compute: &Compute, token: &Token) -> Response {
    let request = reqwest::Client::new().get(format!("{}{}", compute.base, routes::JOBS));
    let request = request.header("authorization", token.authorization());
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_owner_who_asks_too_often_waits_and_others_do_not() {
    let world = World::new().await;
    let mut config = world.config();
    config.rate.owner_per_s = 1;
    config.rate.owner_burst = 3;
    let compute = Compute::start(config).await;
    let (token, other) = (Token::new(random()), Token::new(random()));
    let mut limited = None;
    for _ in 0..50 {
        let answer = list(&compute, &token).await;
        if answer.status() == 429 {
            limited = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 200);
    }
    let answer = limited.unwrap();
    let wait_s: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let problem: Problem = answer.json().await.unwrap();
    assert_eq!(problem.kind, ProblemType::RateLimited);
    assert_eq!(problem.retry_after_s, Some(wait_s));
    assert_eq!(list(&compute, &other).await.status(), 200);
    for path in [routes::HEALTH, routes::READY, routes::METRICS] {
        let answer = reqwest::get(format!("{}{path}", compute.base))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    // The client waits as it is told.
    for _ in 0..3 {
        compute.client.jobs(&token).await.unwrap();
    }
}
