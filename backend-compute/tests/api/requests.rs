//! What the routes take, and how they refuse.

use darkroom_api::compute::{ItemRef, JobList, State, SubmitJob};
use darkroom_api::ids::{JobId, ObjectId};
use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType, Quota, QuotaUnit};
use darkroom_api::routes;
use darkroom_api::token::Token;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::support::{Compute, Owner, World, random};

/// Sends, and reads the problem that must come back.
async fn problem(request: RequestBuilder) -> Problem {
    let response = request.send().await.unwrap();
    let status = response.status();
    let media = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(
        (media.as_str(), status.as_u16()),
        (MEDIA_TYPE, problem.status)
    );
    assert_eq!(problem.status, problem.kind.status());
    assert!(!problem.detail.is_empty());
    problem
}

fn request(compute: &Compute, method: Method, path: &str) -> RequestBuilder {
    reqwest::Client::new().request(method, format!("{}{path}", compute.base))
}

fn post(compute: &Compute, owner: &Owner, body: &Value) -> RequestBuilder {
    let authorization = owner.compute_token.authorization();
    request(compute, Method::POST, routes::JOBS)
        .header("Authorization", authorization)
        .json(body)
}

#[tokio::test]
async fn it_is_alive_and_ready() {
    let world = World::new().await;
    let compute = world.compute().await;
    for path in [routes::HEALTH, routes::READY] {
        let answer = request(&compute, Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let world = World::new().await;
    let compute = world.compute().await;
    for path in ["/", "/v1", "/v1/jobs/", "/v1/nothing", "/v1/models/a/b"] {
        let problem = problem(request(&compute, Method::GET, path)).await;
        assert_eq!(problem.kind, ProblemType::NotFound, "{path}");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/v1/jobs", "GET, POST"),
        (Method::POST, "/v1/models", "GET"),
        (Method::GET, "/v1/jobs/00/cancel", "POST"),
        (Method::PUT, "/healthz", "GET"),
    ] {
        let answer = request(&compute, method.clone(), path)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["allow"], allow);
        let problem = problem(request(&compute, method, path)).await;
        assert_eq!(problem.kind, ProblemType::MethodNotAllowed, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_of_a_job_is_told() {
    let world = World::new().await;
    let compute = world.compute().await;
    let job = JobId(random());
    for (method, path) in [
        (Method::GET, routes::JOBS.to_owned()),
        (Method::POST, routes::JOBS.to_owned()),
        (Method::GET, routes::job(job)),
        (Method::GET, routes::job_events(job)),
        (Method::POST, routes::job_cancel(job)),
    ] {
        for authorization in [None, Some("Bearer x"), Some("Basic eA=="), Some("Bearer")] {
            let mut request = request(&compute, method.clone(), &path);
            if let Some(value) = authorization {
                request = request.header("Authorization", value);
            }
            assert_eq!(
                problem(request).await.kind,
                ProblemType::Unauthorized,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn malformed_jobs_are_refused_and_named() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let good = serde_json::to_value(owner.big_job(2).await).unwrap();
    let with = |field: &str, value: Value| {
        let mut job = good.clone();
        job[field] = value;
        job
    };
    let item = good["items"][0].clone();
    let many: Vec<_> = (0..257)
        .map(|_| json!({"image": ObjectId(random()), "result": ObjectId(random())}))
        .collect();
    for (job, says) in [
        (with("items", json!([])), "1 to 256 images"),
        (with("items", json!(many)), "this one has 257"),
        (with("items", json!([item, item])), "same result"),
        (with("items", json!([{"image": "x"}])), "32 lower-case"),
        (with("grant", json!("")), "grant"),
        (with("grant", json!("two words")), "grant"),
        (with("grant", json!("line\nbreak")), "grant"),
        (with("grant", json!("g".repeat((64 << 10) + 1))), "grant"),
        (with("model", json!("../etc")), "model id"),
        (with("vault", json!("short")), "32 lower-case"),
        (with("surprise", json!(1)), "unknown field"),
        (json!([]), "SubmitJob"),
    ] {
        let problem = problem(post(&compute, &owner, &job)).await;
        assert_eq!(
            problem.kind,
            ProblemType::MalformedRequest,
            "{says}: {problem}"
        );
        assert!(problem.detail.contains(says), "{says}: {problem}");
    }
    let text = request(&compute, Method::POST, routes::JOBS)
        .header("Authorization", owner.compute_token.authorization())
        .body(good.to_string());
    assert_eq!(problem(text).await.kind, ProblemType::MalformedRequest);
    let broken = post(&compute, &owner, &good).body("{");
    assert_eq!(problem(broken).await.kind, ProblemType::MalformedRequest);
    let long = with("grant", json!("g".repeat(300 << 10)));
    assert_eq!(
        problem(post(&compute, &owner, &long)).await.kind,
        ProblemType::TooLarge
    );
    let other = with("model", json!("no-such-model"));
    assert_eq!(
        problem(post(&compute, &owner, &other)).await.kind,
        ProblemType::ModelNotFound
    );

    assert_eq!(compute.client.jobs(&owner.compute_token).await.unwrap(), []);
}

#[tokio::test]
async fn the_same_request_again_is_the_same_job() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let job = owner.big_job(1).await;
    let body = serde_json::to_value(&job).unwrap();
    let first = post(&compute, &owner, &body).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::CREATED);
    let place = first.headers()["location"].to_str().unwrap().to_owned();
    let again = post(&compute, &owner, &body).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    let again: darkroom_api::compute::Job = again.json().await.unwrap();
    assert_eq!(place, routes::job(again.id));

    // A fresh grant for the same work does not make it another job, also when it has ended and
    // its model is gone.
    owner.end_of(&compute.client, again.id).await;
    std::fs::remove_dir_all(world.models().join("linear")).unwrap();
    let fresh = SubmitJob {
        grant: owner.grant(&job.items, 1000).await,
        ..job.clone()
    };
    assert_eq!(owner.submit(&compute.client, &fresh).await, again.id);

    let mut other = job.clone();
    other.items.push(ItemRef {
        image: ObjectId(random()),
        result: ObjectId(random()),
    });
    let body = serde_json::to_value(&other).unwrap();
    assert_eq!(
        problem(post(&compute, &owner, &body)).await.kind,
        ProblemType::JobExists
    );
}

#[tokio::test]
async fn owners_see_their_own_jobs_only() {
    let world = World::new().await;
    let compute = world.compute().await;
    let (one, other) = (world.owner().await, world.owner().await);
    let job = one.big_job(1).await;
    let id = one.submit(&compute.client, &job).await;

    for (method, path) in [
        (Method::GET, routes::job(id)),
        (Method::GET, routes::job_events(id)),
        (Method::POST, routes::job_cancel(id)),
        (Method::GET, "/v1/jobs/not-an-id".to_owned()),
    ] {
        let request = request(&compute, method, &path)
            .header("Authorization", other.compute_token.authorization());
        assert_eq!(
            problem(request).await.kind,
            ProblemType::JobNotFound,
            "{path}"
        );
    }
    // Nor does the other's key say whether it was used.
    let same_key = SubmitJob {
        idempotency_key: job.idempotency_key,
        ..other.big_job(1).await
    };
    let other_id = other.submit(&compute.client, &same_key).await;
    assert_ne!(other_id, id);

    assert_eq!(one.end_of(&compute.client, id).await.state, State::Done);
    for (owner, id) in [(&one, id), (&other, other_id)] {
        let jobs = compute.client.jobs(&owner.compute_token).await.unwrap();
        assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [id]);
    }
}

#[tokio::test]
async fn lists_are_newest_first_and_hold_no_grant() {
    let world = World::new().await;
    let (compute, owner) = (world.compute().await, world.owner().await);
    let mut submitted = Vec::new();
    for _ in 0..3 {
        let job = owner.big_job(1).await;
        submitted.push(owner.submit(&compute.client, &job).await);
        owner
            .end_of(&compute.client, submitted[submitted.len() - 1])
            .await;
    }
    let request = request(&compute, Method::GET, routes::JOBS)
        .header("Authorization", owner.compute_token.authorization());
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("grant"));
    let list: JobList = serde_json::from_str(&text).unwrap();
    submitted.reverse();
    assert_eq!(
        list.jobs.iter().map(|job| job.id).collect::<Vec<_>>(),
        submitted
    );
}

#[tokio::test]
async fn too_many_jobs_are_refused() {
    let mut world = World::new().await;
    let owner = world.owner().await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(owner.big_job(1).await);
    }
    let stranger = world.owner().await;
    let strange = stranger.big_job(1).await;
    // Nothing ends while storage is away.
    world.storage.stop().await;
    let mut config = world.config();
    config.limits.jobs_per_owner = 3;
    config.limits.jobs = 3;
    let compute = Compute::start(config).await;
    for job in &jobs[..3] {
        owner.submit(&compute.client, job).await;
    }
    let body = serde_json::to_value(&jobs[3]).unwrap();
    let own = problem(post(&compute, &owner, &body)).await;
    assert_eq!(own.kind, ProblemType::TooManyJobs);
    let expected = Quota {
        unit: QuotaUnit::Jobs,
        used: 3,
        max: 3,
        free_at_ms: None,
    };
    assert_eq!(own.quota, Some(expected), "{own}");
    let body = serde_json::to_value(&strange).unwrap();
    let all = problem(post(&compute, &stranger, &body)).await;
    assert_eq!(all.kind, ProblemType::TooManyJobs);
    assert!(all.detail.contains("all owners"), "{all}");
    assert_eq!(all.quota, None);
    // A known request is no new job.
    owner.submit(&compute.client, &jobs[0]).await;
}

#[tokio::test]
async fn too_many_jobs_on_a_day_are_refused_until_midnight() {
    let world = World::new().await;
    let owner = world.owner().await;
    let mut config = world.config();
    config.limits.jobs_per_day = 2;
    let compute = Compute::start(config).await;
    let first = owner.big_job(1).await;
    for job in [&first, &owner.big_job(1).await] {
        let id = owner.submit(&compute.client, job).await;
        owner.end_of(&compute.client, id).await;
    }
    let body = serde_json::to_value(owner.big_job(1).await).unwrap();
    let refused = post(&compute, &owner, &body).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait_s = refused.headers()["retry-after"].to_str().unwrap();
    let wait_s: u64 = wait_s.parse().unwrap();
    assert!((1..=24 * 60 * 60).contains(&wait_s), "{wait_s}");
    let problem = problem(post(&compute, &owner, &body)).await;
    assert_eq!(problem.kind, ProblemType::TooManyJobsToday);
    let quota = problem.quota.unwrap();
    assert_eq!(
        (quota.unit, quota.used, quota.max),
        (QuotaUnit::JobsToday, 2, 2)
    );
    // A known request is no new job, and another owner has a day of its own.
    owner.submit(&compute.client, &first).await;
    let other = world.owner().await;
    other.submit(&compute.client, &other.big_job(1).await).await;
}

#[tokio::test]
async fn made_up_tokens_make_no_vaults_day_longer_and_use_up_no_others() {
    let world = World::new().await;
    let mut owner = world.owner().await;
    let mut config = world.config();
    config.limits.jobs_per_day = 2;
    let compute = Compute::start(config).await;
    // Jobs that storage lets read nothing do not count for the vault that they name.
    for _ in 0..4 {
        owner.compute_token = Token::new(random());
        let job = SubmitJob {
            grant: "made-up".to_owned(),
            ..owner.big_job(1).await
        };
        let id = owner.submit(&compute.client, &job).await;
        let ended = owner.end_of(&compute.client, id).await;
        assert_eq!(ended.items[0].state, State::Failed);
    }
    let mut ends = Vec::new();
    for _ in 0..4 {
        owner.compute_token = Token::new(random());
        let id = owner.submit(&compute.client, &owner.big_job(2).await).await;
        let ended = owner.end_of(&compute.client, id).await;
        let why = ended.problem.map(|problem| problem.kind);
        ends.push((ended.state, why));
    }
    let over = (State::Failed, Some(ProblemType::TooManyJobsToday));
    assert_eq!(ends, [(State::Done, None), (State::Done, None), over, over]);
    assert_eq!(owner.results().await, 4);
}
