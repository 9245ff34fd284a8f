//! A PostgreSQL that goes away and comes back, and one that wants TLS and a password.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use backend_compute::Config;
use backend_compute::queue::Queue;
use darkroom_api::compute::{Job, State};
use darkroom_api::problem::{Problem, ProblemType};
use darkroom_api::routes;
use darkroom_tls::trial::Authority;

use super::support::postgres::Postgres;
use super::support::process::Process;
use super::support::{Compute, World, count};

async fn status(compute: &Compute, path: &str) -> u16 {
    let answer = reqwest::get(format!("{}{path}", compute.base)).await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn while_postgresql_is_away_nothing_is_lost_and_compute_says_so() {
    let Some(server) = Postgres::start(&[]) else {
        return;
    };
    let world = World::new().await;
    let owner = world.owner().await;
    let mut config = world.config();
    config.database = server.database().into();
    config.queue.lease_ms = 3000;
    let compute = Compute::start(config).await;
    let late = owner.big_job(1).await;
    let id = owner
        .submit(&compute.client, &owner.big_job(256).await)
        .await;
    let mut events = compute
        .client
        .events(&owner.compute_token, id)
        .await
        .unwrap();
    let begun = |job: &Job| count(job, State::Done) > 0;
    owner.until(&compute.client, id, begun).await;

    server.stop();
    let stopped = Instant::now();
    assert_eq!(status(&compute, routes::READY).await, 503);
    assert!(stopped.elapsed() < Duration::from_secs(5), "{stopped:?}");
    assert_eq!(status(&compute, routes::HEALTH).await, 200);
    assert_eq!(compute.figure("database_up").await, 0);
    let refused = reqwest::Client::new()
        .post(format!("{}{}", compute.base, routes::JOBS))
        .header("Authorization", owner.compute_token.authorization())
        .json(&late)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Problem = refused.json().await.unwrap();
    assert_eq!(problem.kind, ProblemType::QueueUnavailable);
    assert!(!problem.detail.contains("darkroom@"), "{problem}");
    // Longer than the lease.
    if let Some(left) = Duration::from_secs(6).checked_sub(stopped.elapsed()) {
        tokio::time::sleep(left).await;
    }
    assert!(owner.results().await > 0);

    server.start_again();
    // The stream outlives it, and the job goes on where it was, in the same attempt.
    let mut last = None;
    while let Some(job) = events.next().await.unwrap() {
        last = Some(job);
    }
    let last = last.unwrap();
    assert_eq!((last.state, last.attempts), (State::Done, 1), "{last:?}");
    assert_eq!(count(&last, State::Done), 256);
    assert_eq!(owner.results().await, 256);
    assert_eq!(status(&compute, routes::READY).await, 200);
    assert_eq!(compute.figure("database_up").await, 1);
    let id = owner.submit(&compute.client, &late).await;
    assert_eq!(owner.end_of(&compute.client, id).await.state, State::Done);
    compute.stop().await;
}

#[tokio::test]
async fn a_postgresql_that_does_not_answer_is_away() {
    let Some(server) = Postgres::start(&[]) else {
        return;
    };
    let world = World::new().await;
    let owner = world.owner().await;
    let mut config = world.config();
    config.database = server.database().into();
    let compute = Compute::start(config).await;
    let late = owner.big_job(1).await;
    let id = owner
        .submit(&compute.client, &owner.big_job(256).await)
        .await;
    let begun = |job: &Job| count(job, State::Done) > 0;
    owner.until(&compute.client, id, begun).await;

    server.freeze(true);
    let frozen = Instant::now();
    assert_eq!(status(&compute, routes::READY).await, 503);
    assert!(frozen.elapsed() < Duration::from_secs(4), "{frozen:?}");
    let refused = compute.client.submit(&owner.compute_token, &late).await;
    let refused = refused.unwrap_err();
    let problem = refused.problem().unwrap();
    assert_eq!(problem.kind, ProblemType::QueueUnavailable);
    assert!(frozen.elapsed() < Duration::from_secs(15), "{frozen:?}");
    server.freeze(false);

    let ended = owner.end_of(&compute.client, id).await;
    assert_eq!((ended.state, ended.attempts), (State::Done, 1), "{ended:?}");
    assert_eq!(owner.results().await, 256);
    let id = owner.submit(&compute.client, &late).await;
    assert_eq!(owner.end_of(&compute.client, id).await.state, State::Done);
    compute.stop().await;
}

#[tokio::test]
async fn two_nodes_ride_out_a_restart_of_postgresql() {
    let Some(server) = Postgres::start(&[]) else {
        return;
    };
    let world = World::new().await;
    let owner = world.owner().await;
    let mut config = world.config();
    config.database = server.database().into();
    let nodes = [Process::start(&config), Process::start(&config)];
    let mut ids = Vec::new();
    for number in 0..4 {
        let job = owner.big_job(64).await;
        ids.push(owner.submit(&nodes[number % 2].client, &job).await);
        if number == 1 {
            server.stop();
            server.start_again();
        }
    }
    for (number, id) in ids.into_iter().enumerate() {
        let ended = owner.end_of(&nodes[(number + 1) % 2].client, id).await;
        assert_eq!(ended.state, State::Done, "{ended:?}");
        // A lease may run out meanwhile; its results are not made twice.
        assert!(ended.attempts <= 2, "{ended:?}");
    }
    assert_eq!(owner.results().await, 256);
}

#[tokio::test]
async fn the_way_to_postgresql_can_be_tls_with_a_password_that_nobody_is_told() {
    let authority = Authority::new("database root").unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, authority.root()).unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Authority::new("another").unwrap().root()).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let port = free.unwrap().port();
    let Some(server) = Postgres::start(&[]) else {
        return;
    };
    let issued = authority.issue("database", &["localhost"]).unwrap();
    let (certificate, key) = issued.write(server.folder(), "server").unwrap();
    server.entrust(&certificate);
    server.entrust(&key);
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nssl = on\nssl_cert_file = '{}'\n\
         ssl_key_file = '{}'\n",
        certificate.display(),
        key.display()
    );
    let access = "hostssl all all 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject";
    server.configure(port, &settings, access);
    assert!(server.sql("postgres", "ALTER ROLE darkroom PASSWORD 'a/secret'"));

    let open = async |password: &str, more: String| {
        let url = format!("postgres://darkroom:{password}@localhost:{port}/postgres?{more}");
        let config = Config {
            database: url.into(),
            ..Config::default()
        };
        config.check().unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        Queue::open(&config).await
    };
    let verified =
        |root: &std::path::Path| format!("sslmode=verify-full&sslrootcert={}", root.display());
    let queue = open("a%2Fsecret", verified(&root)).await.unwrap();
    queue.ping().await.unwrap();
    assert!(!format!("{queue:?}").contains("secret"));
    for (password, more) in [
        ("a%2Fsecret", verified(&other)),
        ("a%2Fsecret", "sslmode=disable".to_owned()),
        ("a-wrong-secret", verified(&root)),
    ] {
        let opened = open(password, more.clone()).await;
        let refused = opened.expect_err(&more);
        for told in [refused.to_string(), format!("{refused:?}")] {
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
