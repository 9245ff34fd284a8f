//! What an operator sees: one id for one analysis in all logs, one trace, and no secret anywhere.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use darkroom_api::access::{Scope, TokenRequest};
use darkroom_api::client::{Access, Carrier, CarryError, ClientError, Compute, Storage};
use darkroom_api::compute::{Job, State, SubmitJob};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::token::Token;
use e2e::evaluation_key::make_key;
use e2e::networks::write_network;
use e2e::owner::{Owner, pattern};
use e2e::places::program;
use e2e::secrets::Secrets;
use e2e::services::{Darkroom, Plan};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::collector::{Collector, Kept};

const REQUEST: &str = "analysis-0123456789";
/// Everything that our own code logs.
const ALL: &str = "info,darkroom=trace,backend_storage=trace,backend_compute=trace,gateway=trace";

/// Sends requests under one id.
#[derive(Debug)]
struct Named(reqwest::Client);

impl Carrier for Named {
    fn carry(
        &self,
        mut request: reqwest::Request,
    ) -> BoxFuture<'_, Result<reqwest::Response, CarryError>> {
        let id = REQUEST.parse().unwrap();
        request.headers_mut().insert("x-request-id", id);
        let sent = self.0.execute(request);
        async { Ok(sent.await?) }.boxed()
    }
}

fn named_compute(darkroom: &Darkroom) -> Compute {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let carrier = Arc::new(Named(http.clone()));
    Compute::over(&darkroom.compute_url(), http, carrier)
}

/// An owner with a key in storage and a network for it.
async fn settled(darkroom: &Darkroom) -> Owner {
    let owner = Owner::open(darkroom).await.unwrap();
    owner
        .send_key(&make_key(&owner.key).unwrap())
        .await
        .unwrap();
    owner
}

fn network() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_network(&folder.path().join("three"), 8).unwrap();
    folder
}

/// A job with the grants that it brings.
async fn job(owner: &mut Owner) -> SubmitJob {
    let image = owner.upload(&pattern(3, 8, 8).unwrap()).await.unwrap();
    let items = owner.items(&[image]);
    let grant = owner.grant(&items, 600_000).await.unwrap();
    SubmitJob {
        evaluation_key: Some(owner.key_ref().await.unwrap()),
        ..owner.job("three", items, &grant).unwrap()
    }
}

async fn done(owner: &Owner, job: &SubmitJob) -> Job {
    let taken = owner.compute.submit(&owner.compute_token, job).await;
    let job = owner.finished(taken.unwrap().id).await.unwrap();
    assert_eq!(job.state, State::Done, "{job:?}");
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_finds_an_analysis_in_all_logs_and_no_log_holds_a_secret() {
    let models = network();
    let plan = Plan {
        models: Some(models.path()),
        all: &[("LOG__FILTER", ALL)],
        ..Plan::default()
    };
    let darkroom = Darkroom::start_as(plan).await.unwrap();
    let mut owner = settled(&darkroom).await;
    owner.compute = named_compute(&darkroom);
    let job = job(&mut owner).await;
    done(&owner, &job).await;
    let invitation = invite(&darkroom);
    let limited = Token::new([0x5a; 32]);
    use_all(&darkroom, &owner, &invitation, &limited).await;

    let logs = [&darkroom.gateway, &darkroom.compute, &darkroom.storage].map(|one| one.log());
    let lines_of = |log: &str, what: &str| {
        let about = |line: &&str| line.contains(REQUEST) && line.contains(what);
        log.lines().filter(about).count()
    };
    assert!(
        lines_of(&logs[0], "/api/compute/v1/jobs") > 0,
        "{}",
        logs[0]
    );
    assert!(lines_of(&logs[1], "job taken") == 1, "{}", logs[1]);
    assert!(lines_of(&logs[1], "job left") == 1, "{}", logs[1]);
    for method in ["GET", "PUT"] {
        assert!(lines_of(&logs[2], method) > 0, "{method}: {}", logs[2]);
    }

    let secrets = secrets(&owner, &job, &invitation, &limited);
    let search = secrets.search().unwrap();
    let found = search.found_in(&logs.map(String::into_bytes));
    assert!(found.is_empty(), "logged: {found:?}");
    let forms = secrets.forms().iter();
    let planted: Vec<Vec<u8>> = forms.map(|form| form.bytes.clone()).collect();
    let found = search.found_in(&planted);
    assert!(
        secrets
            .forms()
            .iter()
            .all(|form| found.contains(&form.name))
    );
}

fn secrets(owner: &Owner, job: &SubmitJob, invitation: &Token, limited: &Token) -> Secrets {
    let mut secrets = Secrets::default();
    let tokens = [
        ("owner's token", &owner.vault_token),
        ("jobs' token", &owner.compute_token),
        ("invitation", invitation),
        ("limited token", limited),
    ];
    for (name, token) in tokens {
        secrets.add_bytes(name, &hex::decode(token.danger_reveal()).unwrap());
    }
    let of_key = &job.evaluation_key.as_ref().unwrap().grant;
    for (name, grant) in [("grant", &job.grant), ("grant of the key", of_key)] {
        let bytes = URL_SAFE_NO_PAD.decode(grant).unwrap();
        secrets.add_bytes(
            &format!("{name}, its signature"),
            bytes.last_chunk::<32>().unwrap(),
        );
        secrets.add_bytes(&format!("{name}, as text"), grant.as_bytes());
    }
    secrets
}

/// An invitation, made as an operator makes it.
fn invite(darkroom: &Darkroom) -> Token {
    let mut command = Command::new(program("backend-storage"));
    let data = darkroom.folder().join("storage");
    let made = command.arg("invite").env("DARKROOM_DATA_DIR", data);
    let made = made.output().unwrap();
    let told = String::from_utf8(made.stdout).unwrap();
    told.trim().parse().unwrap()
}

/// Sends every kind of secret, also where it is refused.
async fn use_all(darkroom: &Darkroom, owner: &Owner, invitation: &Token, limited: &Token) {
    let storage = Storage::new(&darkroom.storage_url()).unwrap();
    let (vault, token) = (owner.vault, &owner.vault_token);
    let opened = storage.open_vault_invited(vault, token, invitation).await;
    opened.unwrap();
    let wanted = TokenRequest {
        token_sha256: limited.hash(),
        label: "reader".to_owned(),
        scope: Scope::Read,
        not_after_ms: None,
    };
    storage.make_token(vault, token, &wanted).await.unwrap();
    let list = |token| storage.list(vault, ObjectKind::Image, token);
    assert!(!list(limited).await.unwrap().is_empty());
    assert!(storage.tokens(vault, limited).await.is_err());
    assert!(list(invitation).await.is_err());
    let compute = Access::Owner(&owner.compute_token);
    let id = ObjectId(owner.vault.0);
    let refused = storage.object(vault, ObjectKind::Image, id, compute, 1 << 20);
    assert!(refused.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_told_the_id_to_ask_about() {
    let darkroom = Darkroom::start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let compute = named_compute(&darkroom);
    let stranger = Token::new([1; 32]);
    let refused = compute.job(&stranger, "0".repeat(32).parse().unwrap());
    let Err(ClientError::Problem(problem)) = refused.await else {
        panic!("not refused");
    };
    assert_eq!(problem.kind, ProblemType::JobNotFound);
    assert_eq!(problem.request_id.as_deref(), Some(REQUEST));

    let of_gateway = format!("{}/api/nothing", darkroom.gateway.url());
    let of_storage = format!("{}/v1/vaults/x", darkroom.storage_url());
    for url in [of_gateway, of_storage] {
        let token = "0f".repeat(32);
        let asked = http.get(&url).header("x-request-id", &token).send().await;
        let answer = asked.unwrap();
        let id = answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(id.len(), 32, "what could be a token is no id");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["request_id"], *id, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_is_one_trace_through_all_services() {
    let (models, collector) = (network(), Collector::start());
    let plan = Plan {
        models: Some(models.path()),
        // A quiet log makes no poorer traces.
        all: &[
            ("TRACES__ENDPOINT", &collector.url),
            (
                "LOG__FILTER",
                "warn,gateway=info,backend_compute=info,backend_storage=info",
            ),
        ],
        ..Plan::default()
    };
    let mut darkroom = Darkroom::start_as(plan).await.unwrap();
    let mut owner = settled(&darkroom).await;
    let job = job(&mut owner).await;
    done(&owner, &job).await;
    for service in [
        &mut darkroom.gateway,
        &mut darkroom.compute,
        &mut darkroom.storage,
    ] {
        service.stop().await.unwrap();
    }
    let trace = Trace::of(&collector.spans(), "job");
    collector.stop().await;

    let chain = |from: &Kept| {
        let mut names = Vec::new();
        let mut at = Some(from);
        while let Some(kept) = at {
            names.push(format!("{}: {}", kept.service, kept.span.name));
            at = trace.parent(kept);
        }
        names
    };
    let submitted = [
        "darkroom-compute: job",
        "darkroom-compute: POST /v1/jobs",
        "darkroom-gateway: POST /api/compute/v1/jobs",
    ];
    let image = [&["darkroom-compute: image"], &submitted[..]].concat();
    assert_eq!(chain(trace.one("job")), submitted);
    for step in ["fetch", "wait for key", "evaluate", "put"] {
        let named = format!("darkroom-compute: {step}");
        let expected = [&[named.as_str()], &image[..]].concat();
        assert_eq!(chain(trace.one(step)), expected);
    }
    let object = "/v1/vaults/{vault}/{collection}/{object}";
    for (step, method) in [("fetch", "GET"), ("expand key", "GET"), ("put", "PUT")] {
        let asked = trace.children(trace.one(step));
        assert!(!asked.is_empty(), "{step}");
        for kept in asked {
            assert_eq!(kept.service, "darkroom-storage");
            assert_eq!(kept.span.name, format!("{method} {object}"));
        }
    }
}

/// The spans of one trace.
struct Trace(Vec<Kept>);

impl Trace {
    /// The trace that a span of this name is in.
    fn of(spans: &[Kept], name: &str) -> Self {
        let mut named = spans.iter().filter(|kept| kept.span.name == name);
        let id = &named.next().unwrap().span.trace_id;
        let of_it = spans.iter().filter(|kept| kept.span.trace_id == *id);
        Self(of_it.cloned().collect())
    }

    fn one(&self, name: &str) -> &Kept {
        let mut named = self.0.iter().filter(|kept| kept.span.name == name);
        named.next().unwrap_or_else(|| panic!("no span {name}"))
    }

    fn parent(&self, of: &Kept) -> Option<&Kept> {
        let by_id: HashMap<&[u8], &Kept> =
            self.0.iter().map(|kept| (id(&kept.span), kept)).collect();
        let parent = of.span.parent_span_id.as_slice();
        (!parent.is_empty()).then(|| by_id[parent])
    }

    fn children(&self, of: &Kept) -> Vec<&Kept> {
        let is_child = |kept: &&Kept| kept.span.parent_span_id == of.span.span_id;
        self.0.iter().filter(is_child).collect()
    }
}

fn id(span: &Span) -> &[u8] {
    &span.span_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_silent_stops_nothing() {
    // Connections are taken by the system, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    for collector in ["http://127.0.0.1:9", &silent] {
        let plan = Plan {
            all: &[("TRACES__ENDPOINT", collector)],
            ..Plan::default()
        };
        let mut darkroom = Darkroom::start_as(plan).await.unwrap();
        let mut owner = Owner::open(&darkroom).await.unwrap();
        for _ in 0..50 {
            owner.upload(&pattern(1, 8, 8).unwrap()).await.unwrap();
        }
        let stopping = Instant::now();
        darkroom.gateway.stop().await.unwrap();
        darkroom.storage.stop().await.unwrap();
        assert!(stopping.elapsed() < Duration::from_secs(30), "{collector}");
    }
}
