//! Two computes on one PostgreSQL and one storage.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backend_compute::Config;
use darkroom_api::compute::{Job, State};
use darkroom_api::ids::JobId;
use tokio::time::timeout;

use super::support::postgres::Postgres;
use super::support::process::Process;
use super::support::{Compute, Owner, World, count, model};

/// `None` where there is no PostgreSQL.
async fn world() -> Option<(World, Config, Arc<Postgres>)> {
    let server = Postgres::shared()?;
    let world = World::new().await;
    let mut config = world.config();
    config.database = server.database().into();
    Some((world, config, server))
}

#[tokio::test]
async fn jobs_given_to_two_nodes_are_each_done_once() {
    let Some((world, config, _server)) = world().await else {
        return;
    };
    let nodes = [Process::start(&config), Process::start(&config)];
    let owner = world.owner().await;
    let image = owner.image().await;
    let mut submitted = HashSet::new();
    for number in 0..100 {
        let job = owner.job(&[image]).await;
        submitted.insert(owner.submit(&nodes[number % 2].client, &job).await);
    }
    let mut ended = HashSet::new();
    for (number, id) in submitted.iter().enumerate() {
        let job = owner.end_of(&nodes[number % 2].client, *id).await;
        assert_eq!((job.state, job.attempts), (State::Done, 1), "{job:?}");
        ended.insert(job.id);
    }
    assert_eq!(ended, submitted);
    assert_eq!(owner.results().await, 100);
    for node in &nodes {
        let jobs = node.client.jobs(&owner.compute_token).await.unwrap();
        assert_eq!(jobs.len(), 100);
    }
}

#[tokio::test]
async fn what_a_killed_node_had_in_work_is_finished_by_the_other() {
    let Some((world, mut config, _server)) = world().await else {
        return;
    };
    config.queue.lease_ms = 2000;
    let (first, owner) = (Process::start(&config), world.owner().await);
    let job = owner.big_job(256).await;
    let id = owner.submit(&first.client, &job).await;
    let begun = |job: &Job| count(job, State::Done) > 0;
    let before = owner.until(&first.client, id, begun).await;
    let second = Process::start(&config);
    first.kill();
    let ended = owner.end_of(&second.client, id).await;
    assert_eq!((ended.state, ended.attempts), (State::Done, 2));
    assert_eq!(count(&ended, State::Done), 256);
    assert_eq!(owner.results().await, 256);
    for (before, after) in before.items.iter().zip(&ended.items) {
        assert!(before.state != State::Done || before == after);
    }
}

#[tokio::test]
async fn a_node_that_is_stopped_gives_its_job_to_the_other_at_once() {
    let Some((world, mut config, _server)) = world().await else {
        return;
    };
    config.queue.poll_ms = 60_000;
    let (first, owner) = (Process::start(&config), world.owner().await);
    let job = owner.big_job(256).await;
    let id = owner.submit(&first.client, &job).await;
    let begun = |job: &Job| count(job, State::Done) > 0;
    owner.until(&first.client, id, begun).await;
    let second = Process::start(&config);
    assert!(first.terminate().success());
    let ended = timeout(Duration::from_secs(20), owner.end_of(&second.client, id)).await;
    let ended = ended.unwrap();
    // A stop that was asked for is no failed attempt.
    assert_eq!((ended.state, ended.attempts), (State::Done, 1));
    assert_eq!(owner.results().await, 256);
}

#[tokio::test]
async fn a_job_is_followed_and_cancelled_at_another_node_than_works_on_it() {
    let Some((world, mut config, _server)) = world().await else {
        return;
    };
    // Nobody looks by himself while this test lasts.
    config.queue.poll_ms = 60_000;
    let (works, owner) = (Process::start(&config), world.owner().await);
    let ids: [JobId; 2] = [
        owner.submit(&works.client, &owner.big_job(256).await).await,
        owner.submit(&works.client, &owner.big_job(256).await).await,
    ];
    for id in ids {
        let running = |job: &Job| job.state == State::Running;
        owner.until(&works.client, id, running).await;
    }
    let asked = Process::start(&config);
    let mut followed = asked
        .client
        .events(&owner.compute_token, ids[0])
        .await
        .unwrap();
    let mut seen = Vec::new();
    while let Some(job) = followed.next().await.unwrap() {
        seen.push(job);
    }
    assert!(seen.len() > 5, "{}", seen.len());
    let last = seen.last().unwrap();
    assert_eq!((last.state, count(last, State::Done)), (State::Done, 256));

    let big = owner.submit(&asked.client, &owner.big_job(256).await).await;
    let running = |job: &Job| job.state == State::Running;
    for id in [ids[1], big] {
        let job = asked.client.job(&owner.compute_token, id).await.unwrap();
        if job.state.is_final() {
            continue;
        }
        owner.until(&works.client, id, running).await;
        let begun = Instant::now();
        for node in [&works, &asked] {
            node.client.cancel(&owner.compute_token, id).await.unwrap();
            let ended = owner.end_of(&node.client, id).await;
            assert!(matches!(ended.state, State::Cancelled | State::Done));
        }
        assert!(begun.elapsed() < Duration::from_secs(4), "{begun:?}");
    }
}

/// With a network `net`, two nodes in this process, and their owner's key.
async fn networks(head_start_ms: u64) -> Option<(World, [Compute; 2], Arc<Postgres>)> {
    let (world, mut config, server) = world().await?;
    model::write_network(&world.models().join("net"), 10);
    config.queue.head_start_ms = head_start_ms;
    let nodes = [
        Compute::start(config.clone()).await,
        Compute::start(config).await,
    ];
    Some((world, nodes, server))
}

async fn expansions(nodes: &[Compute; 2]) -> [u64; 2] {
    let name = "key_expansions_total";
    [nodes[0].figure(name).await, nodes[1].figure(name).await]
}

#[tokio::test]
async fn jobs_of_one_key_go_where_it_is() {
    let Some((world, nodes, _server)) = networks(60_000).await else {
        return;
    };
    let owner = world.owner().await;
    let key = owner.evaluation_key().await;
    for number in 0..10 {
        let job = owner.network_job(&key, 1).await;
        let node = &nodes[number % 2].client;
        let id = owner.submit(node, &job).await;
        let ended = owner.end_of(node, id).await;
        assert_eq!(count(&ended, State::Done), 1, "{ended:?}");
    }
    let mut each = expansions(&nodes).await;
    each.sort_unstable();
    assert_eq!(each, [0, 1]);
}

#[tokio::test]
async fn nothing_waits_for_a_node_that_has_the_key_and_too_much_to_do() {
    let Some((world, nodes, _server)) = networks(500).await else {
        return;
    };
    let owner = world.owner().await;
    let key = owner.evaluation_key().await;
    let mut ids = Vec::new();
    for number in 0..8 {
        let job = owner.network_job(&key, 4).await;
        ids.push(owner.submit(&nodes[number % 2].client, &job).await);
    }
    for id in ids {
        let ended = owner.end_of(&nodes[0].client, id).await;
        assert_eq!(count(&ended, State::Done), 4, "{ended:?}");
    }
    assert_eq!(expansions(&nodes).await, [1, 1]);
}

#[tokio::test]
async fn nothing_waits_long_for_a_node_that_had_the_key_and_died() {
    let Some((world, config, _server)) = world().await else {
        return;
    };
    model::write_network(&world.models().join("net"), 40);
    let (first, owner) = (Process::start(&config), world.owner().await);
    let key = owner.evaluation_key().await;
    let done = async |owner: &Owner, node: &Process| {
        let job = owner.network_job(&key, 1).await;
        let begun = Instant::now();
        let id = owner.submit(&node.client, &job).await;
        let ended = owner.end_of(&node.client, id).await;
        assert_eq!(count(&ended, State::Done), 1, "{ended:?}");
        begun.elapsed()
    };
    done(&owner, &first).await;
    let second = Process::start(&config);
    first.kill();
    let waited = done(&owner, &second).await;
    // The head start of two seconds, a look every half second, the expansion and the image; and the
    // rest for a machine that is busy with other tests.
    assert!(waited < Duration::from_secs(30), "{waited:?}");
}
