//! What the services count: right, in Prometheus' form, and naming nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use darkroom_api::client::ClientError;
use darkroom_api::compute::State;
use darkroom_api::problem::ProblemType;
use e2e::evaluation_key::make_key;
use e2e::networks::write_network;
use e2e::owner::{Owner, pattern};
use e2e::places::root;
use e2e::scrape::Scrape;
use e2e::services::{Darkroom, Plan, Service};

const OBJECT: &str = "/v1/vaults/{vault}/{collection}/{object}";

async fn text(service: &Service) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/metrics", service.url());
    let answer = http.get(url).send().await.unwrap();
    let media = answer.headers()["content-type"].to_str().unwrap();
    assert!(media.starts_with("text/plain; version=0.0.4"), "{media}");
    answer.text().await.unwrap()
}

async fn scrape(service: &Service) -> Scrape {
    Scrape::read(&text(service).await).unwrap()
}

#[track_caller]
fn same(found: f64, expected: usize, what: &str) {
    assert_eq!(found, expected as f64, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_an_analysis_are_right() {
    let models = tempfile::tempdir().unwrap();
    write_network(&models.path().join("three"), 8).unwrap();
    let parts = darkroom_fhe::wire::evaluation_key::parts(2).unwrap();
    let parts = usize::from(parts);
    let objects = (parts + 2).to_string();
    let plan = Plan {
        models: Some(models.path()),
        storage: &[("LIMITS__OBJECTS", &objects)],
        ..Plan::default()
    };
    let mut darkroom = Darkroom::start_as(plan).await.unwrap();
    let mut owner = Owner::open(&darkroom).await.unwrap();
    let key = make_key(&owner.key).unwrap();
    owner.send_key(&key).await.unwrap();
    let image = owner.encrypt(&pattern(3, 8, 8).unwrap()).unwrap();
    let image_bytes = image.len();
    let image = owner.put_image(image).await.unwrap();
    let job = owner.submit_to_network("three", &[image]).await.unwrap();
    let job = owner.finished(job.id).await.unwrap();
    assert_eq!(job.state, State::Done, "{job:?}");
    let full = owner.put_image(vec![0; 64]).await;
    assert!(matches!(full, Err(ClientError::Problem(_))), "{full:?}");
    let extra = owner.encrypt(&pattern(4, 8, 8).unwrap()).unwrap();
    let Err(ClientError::Problem(full)) = owner.put_image(extra).await else {
        panic!("there is room");
    };
    assert_eq!(full.kind, ProblemType::VaultFull);
    // The worker counts when it has told, and compute looks at its table once a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let (storage, compute) = (&darkroom.storage, &darkroom.compute);
    let (storage, compute) = (scrape(storage).await, scrape(compute).await);
    of_storage(&storage, parts, image_bytes);
    of_compute(&compute, job.items[0].bootstraps_done);
    darkroom.compute.kill().unwrap();
    assert!(owner.compute.catalogue().await.is_err());
    let gateway = scrape(&darkroom.gateway).await;
    of_gateway(&gateway, parts);
    all_are_described(&[storage, compute, gateway]);
    for service in [&darkroom.storage, &darkroom.gateway] {
        let text = text(service).await;
        for name in [
            owner.vault.to_string(),
            image.to_string(),
            job.id.to_string(),
        ] {
            assert!(!text.contains(&name), "{text}");
        }
    }
}

fn of_storage(seen: &Scrape, parts: usize, image_bytes: usize) {
    let objects = "darkroom_storage_objects_total";
    for (deed, collection, expected) in [
        ("written", "keys", parts),
        ("written", "images", 1),
        ("written", "results", 1),
        ("read", "keys", parts),
        ("read", "images", 1),
        ("deleted", "images", 0),
    ] {
        let labels = [("deed", deed), ("collection", collection)];
        same(seen.sum(objects, &labels), expected, &format!("{labels:?}"));
    }
    let labels = [("deed", "written"), ("collection", "images")];
    let bytes = seen.sum("darkroom_storage_object_bytes_total", &labels);
    same(bytes, image_bytes, "bytes");
    let requests = "darkroom_http_requests_total";
    let puts = [("method", "PUT"), ("route", OBJECT)];
    let with = |status| [&puts[..], &[("status", status)]].concat();
    same(seen.sum(requests, &with("2xx")), parts + 2, "stored");
    same(seen.sum(requests, &with("4xx")), 2, "refused");
    let seconds = "darkroom_http_request_duration_seconds_count";
    same(seen.sum(seconds, &puts), parts + 4, "timed");
    let problems = |kind| seen.sum("darkroom_http_problems_total", &[("type", kind)]);
    same(problems("vault-full"), 1, "problems");
    same(problems("object-malformed"), 1, "problems");
    same(problems("internal"), 0, "problems");
    let route = [("route", OBJECT)];
    assert!(seen.sum("darkroom_http_received_bytes_total", &route) > bytes);
    assert!(seen.sum("darkroom_http_sent_bytes_total", &route) > bytes);
    same(
        seen.sum("darkroom_http_requests_in_flight", &[]),
        1,
        "this one",
    );
    let asked = "darkroom_storage_store_operation_duration_seconds_count";
    for operation in ["put", "get", "list", "copy"] {
        let count = seen.sum(asked, &[("operation", operation)]);
        assert!(count > 0.0, "{operation}");
    }
    same(
        seen.sum("darkroom_storage_store_errors_total", &[]),
        0,
        "errors",
    );
    let free = seen.sum("darkroom_storage_disk_free_bytes", &[]);
    let disk = seen.sum("darkroom_storage_disk_bytes", &[]);
    assert!(0.0 < free && free < disk, "{free} {disk}");
    assert!(seen.sum("darkroom_storage_last_sweep_timestamp_seconds", &[]) > 1e9);
}

fn of_compute(seen: &Scrape, bootstraps: u64) {
    let figure = |name: &str, labels: &[(&str, &str)]| {
        let name = format!("darkroom_compute_{name}");
        assert!(seen.has(&name), "{name}");
        seen.sum(&name, labels)
    };
    let done = [("model", "three"), ("outcome", "done")];
    same(figure("images_total", &done), 1, "images");
    same(figure("images_total", &[]), 1, "images");
    let count = usize::try_from(bootstraps).unwrap();
    assert!(count > 0);
    same(figure("bootstraps_total", &[]), count, "bootstraps");
    same(figure("jobs", &[("state", "done")]), 1, "jobs");
    same(figure("jobs", &[]), 1, "jobs");
    same(figure("job_wait_seconds_count", &[]), 1, "begun");
    let ended = [("outcome", "done")];
    same(figure("job_run_seconds_count", &ended), 1, "left");
    for step in ["key", "fetch", "evaluate", "put"] {
        same(
            figure("image_step_seconds_count", &[("step", step)]),
            1,
            step,
        );
    }
    same(figure("key_cache_misses_total", &[]), 1, "misses");
    same(figure("key_cache_evictions_total", &[]), 0, "evictions");
    for idle in [
        "jobs_in_work",
        "oldest_waiting_job_seconds",
        "waiting_work_seconds",
        "storage_retries_total",
        "jobs_exhausted_total",
    ] {
        same(figure(idle, &[]), 0, idle);
    }
    same(figure("nodes", &[]), 1, "nodes");
    same(figure("database_up", &[]), 1, "database");
}

fn of_gateway(seen: &Scrape, parts: usize) {
    let route = format!("/api/storage{OBJECT}");
    let puts = [("method", "PUT"), ("route", &route)];
    let requests = seen.sum("darkroom_http_requests_total", &puts);
    same(requests, parts + 3, "passed on");
    let failed = |service| {
        let name = "darkroom_gateway_upstream_failures_total";
        seen.sum(name, &[("service", service)])
    };
    same(failed("storage"), 0, "storage");
    same(failed("compute"), 1, "compute");
    let kind = [("type", "upstream-unreachable")];
    same(
        seen.sum("darkroom_http_problems_total", &kind),
        1,
        "problems",
    );
}

/// The documentation names all figures, and neither it nor the alarms name others.
fn all_are_described(seen: &[Scrape]) {
    let there: BTreeSet<&str> = seen.iter().flat_map(Scrape::names).collect();
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let (text, alarms) = (read("docs/METRICS.md"), read("docker/alarms.yaml"));
    let described: BTreeSet<&str> = names(&text).collect();
    for name in described.iter().copied().chain(names(&alarms)) {
        let parts = ["_bucket", "_sum", "_count"];
        let family = parts.iter().find_map(|part| name.strip_suffix(part));
        let is_there = there.contains(name) || family.is_some_and(|name| there.contains(name));
        assert!(is_there, "{name} is not there");
    }
    for name in there {
        assert!(described.contains(name), "{name} is not described");
    }
}

/// The names of figures in a text, save those of links, which are off here.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("darkroom_") && !word.starts_with("darkroom_link_"))
}
