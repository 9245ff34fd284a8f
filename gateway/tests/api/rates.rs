//! How often the gateway may be asked.

use darkroom_api::problem::ProblemType;

use crate::upstream::Upstream;
use crate::{World, header, problem};

fn world(change: impl FnOnce(&mut gateway::Config)) -> World {
    let upstream = Upstream::start();
    World::with(upstream.address, upstream, |config| {
        // This machine counts as any other.
        config.rate.proxies.clear();
        change(config);
    })
}

async fn limited(response: reqwest::Response) {
    assert_eq!(response.status(), 429);
    let wait_s: u64 = header(&response, "retry-after").parse().unwrap();
    assert!(wait_s >= 1);
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(header(&response, "cache-control"), "no-store");
    let problem = problem(response).await;
    assert_eq!(problem.kind, ProblemType::RateLimited);
    assert_eq!(problem.retry_after_s, Some(wait_s));
}

#[actix_web::test]
async fn an_address_that_asks_too_often_waits() {
    let world = world(|config| {
        config.rate.address_per_s = 1;
        config.rate.address_burst = 4;
    });
    let mut last = None;
    for _ in 0..50 {
        let response = world.fetch("/").await;
        let over = response.status() == 429;
        last = Some(response);
        if over {
            break;
        }
    }
    limited(last.unwrap()).await;
    for path in ["/healthz", "/readyz", "/metrics", "/api/protection"] {
        assert_eq!(world.fetch(path).await.status(), 200, "{path}");
    }
}

#[actix_web::test]
async fn whoever_is_refused_by_a_service_too_often_waits_here() {
    let world = world(|config| {
        config.rate.refused_per_min = 1;
        config.rate.refused_burst = 5;
    });
    let guess = async |number: u32| {
        let request = world.client.get(world.url("/api/storage/v1/vaults/00ff"));
        let request = request.header("authorization", format!("Bearer {number}"));
        request.send().await.unwrap()
    };
    let mut refused = 0;
    let last = loop {
        let response = guess(refused).await;
        if response.status() != 401 {
            break response;
        }
        refused += 1;
        assert!(refused < 50, "nobody stops who guesses");
    };
    assert!(refused >= 5, "{refused}");
    limited(last).await;
    let seen = world.upstream.seen().len();
    limited(guess(99).await).await;
    assert_eq!(world.upstream.seen().len(), seen, "the service is spared");
    // The page is still there.
    assert_eq!(world.fetch("/").await.status(), 200);
}
