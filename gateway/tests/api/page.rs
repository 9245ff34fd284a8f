//! The page's files: headers, nonce, caching, compression.

use std::collections::HashSet;
use std::io::Read;

use darkroom_api::problem::ProblemType;
use gateway::Error;
use reqwest::Method;

use crate::{HASHED_WASM, PATIENCE, World, header, problem, wasm};

const SCRIPT: &str = "/frontend-b01dface1f0c4a5b.js";

fn directive<'a>(policy: &'a str, name: &str) -> Vec<&'a str> {
    let found = policy
        .split(';')
        .map(str::trim)
        .find(|d| d.split(' ').next() == Some(name));
    let found = found.unwrap_or_else(|| panic!("no {name} in {policy}"));
    found.split(' ').skip(1).collect()
}

#[actix_web::test]
async fn the_page_has_a_fresh_nonce_in_its_policy_and_in_its_body() {
    let world = World::start();
    let mut nonces = HashSet::new();
    for _ in 0..5 {
        let response = world.fetch("/").await;
        assert_eq!(response.status(), 200);
        assert_eq!(
            header(&response, "content-type"),
            "text/html; charset=utf-8"
        );
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "etag"), "");
        let policy = header(&response, "content-security-policy").to_owned();
        let scripts = directive(&policy, "script-src");
        let nonce = scripts[1].strip_prefix("'nonce-").unwrap();
        let nonce = nonce.strip_suffix('\'').unwrap();
        assert!(nonce.len() >= 22, "{nonce}");
        let sourced = format!("'nonce-{nonce}'");
        assert_eq!(scripts, ["'self'", &sourced, "'wasm-unsafe-eval'"]);
        assert_eq!(directive(&policy, "style-src"), ["'self'", &sourced]);
        assert_eq!(directive(&policy, "worker-src"), ["'self'"]);
        assert_eq!(directive(&policy, "connect-src"), ["'self'", "blob:"]);
        assert_eq!(directive(&policy, "img-src"), ["'self'", "blob:", "data:"]);
        for closed in [
            "default-src",
            "object-src",
            "base-uri",
            "frame-ancestors",
            "form-action",
        ] {
            assert_eq!(directive(&policy, closed), ["'none'"], "{closed}");
        }
        let body = response.text().await.unwrap();
        assert_eq!(
            body.matches(&format!("nonce=\"{nonce}\"")).count(),
            2,
            "{body}"
        );
        assert!(!body.contains("TRUNK"), "{body}");
        nonces.insert(nonce.to_owned());
    }
    assert_eq!(nonces.len(), 5);
}

#[actix_web::test]
async fn every_answer_shuts_the_page_off() {
    let world = World::start();
    let paths = [
        "/",
        SCRIPT,
        "/worker.js",
        "/absent",
        "/api/storage/v1/echo",
        "/api/x",
        "/healthz",
    ];
    for path in paths {
        let response = world.fetch(path).await;
        for (name, value) in [
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(header(&response, name), value, "{path}");
        }
        assert!(
            header(&response, "permissions-policy").contains("camera=()"),
            "{path}"
        );
        let policy = header(&response, "content-security-policy");
        assert_eq!(directive(policy, "default-src"), ["'none'"], "{path}");
        assert_eq!(directive(policy, "frame-ancestors"), ["'none'"], "{path}");
        for loose in ["unsafe-inline", "'unsafe-eval'", "*", "http:", "https:"] {
            assert!(!policy.contains(loose), "{path}: {policy}");
        }
    }
}

#[actix_web::test]
async fn a_worker_may_compile_and_connect_under_its_own_policy() {
    let world = World::start();
    let response = world.fetch("/worker_loader.js").await;
    let policy = header(&response, "content-security-policy");
    assert_eq!(
        directive(policy, "script-src"),
        ["'self'", "'wasm-unsafe-eval'"]
    );
    assert_eq!(directive(policy, "connect-src"), ["'self'", "blob:"]);
}

#[actix_web::test]
async fn hashed_names_are_kept_and_others_asked_again() {
    let world = World::start();
    let hashed = world.fetch(&format!("/{HASHED_WASM}")).await;
    assert_eq!(
        header(&hashed, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(header(&hashed, "content-type"), "application/wasm");
    for (path, kind) in [
        ("/worker.js", "text/javascript; charset=utf-8"),
        ("/worker_loader.js", "text/javascript; charset=utf-8"),
        ("/samples/hand.png", "image/png"),
    ] {
        let first = world.fetch(path).await;
        assert_eq!(header(&first, "cache-control"), "no-cache", "{path}");
        assert_eq!(header(&first, "content-type"), kind);
        let tag = header(&first, "etag").to_owned();
        for (known, status) in [
            (tag.clone(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("*".into(), 304),
            ("\"another\"".into(), 200),
        ] {
            let asked = world
                .client
                .get(world.url(path))
                .header("if-none-match", known);
            let again = asked.send().await.unwrap();
            assert_eq!(again.status(), status, "{path}");
            assert_eq!(header(&again, "etag"), tag);
            assert_eq!(again.bytes().await.unwrap().is_empty(), status == 304);
        }
    }
}

async fn once_packed(world: &World, path: &str, accepted: &str, expected: &str) -> Packed {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let asked = world
            .client
            .get(world.url(path))
            .header("accept-encoding", accepted);
        let response = asked.send().await.unwrap();
        assert_eq!(header(&response, "vary"), "accept-encoding");
        let encoding = header(&response, "content-encoding").to_owned();
        let tag = header(&response, "etag").to_owned();
        let body = response.bytes().await.unwrap().to_vec();
        if encoding == expected {
            return Packed { tag, body };
        }
        assert_eq!(
            encoding, "",
            "sent as it is until it is packed, never in another form"
        );
        assert!(
            tokio::time::Instant::now() < deadline,
            "{path} was never packed"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

struct Packed {
    tag: String,
    body: Vec<u8>,
}

#[actix_web::test]
async fn packed_forms_unpack_to_the_same_bytes() {
    let world = World::start();
    let path = format!("/{HASHED_WASM}");
    let gzip = once_packed(&world, &path, "br;q=0, gzip;q=0.5", "gzip").await;
    let brotli = once_packed(&world, &path, "gzip;q=0, br", "br").await;
    let plain = once_packed(&world, &path, "identity", "").await;
    assert_eq!(plain.body, wasm());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, wasm());
    unpacked.clear();
    brotli::Decompressor::new(&brotli.body[..], 4096)
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, wasm());
    assert!(brotli.body.len() < wasm().len() / 2);
    let tags = HashSet::from([gzip.tag, brotli.tag, plain.tag]);
    assert_eq!(
        tags.len(),
        3,
        "a form of other bytes has another tag: {tags:?}"
    );
}

#[actix_web::test]
async fn a_head_has_the_headers_of_a_get() {
    let world = World::start();
    for path in ["/", "/worker.js"] {
        let full = world.fetch(path).await;
        let head = world.client.head(world.url(path)).send().await.unwrap();
        assert_eq!(head.status(), 200);
        for name in ["content-length", "content-type", "cache-control", "etag"] {
            assert_eq!(header(&head, name), header(&full, name), "{path} {name}");
        }
        assert!(head.bytes().await.unwrap().is_empty());
    }
}

#[actix_web::test]
async fn only_what_was_built_is_served() {
    let world = World::start();
    for path in [
        "/index.html",
        "/.env",
        "/samples",
        "/samples/",
        "/worker.js/",
        "//worker.js",
        "/history",
        "/%77orker.js",
    ] {
        let response = world.fetch(path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(problem(response).await.kind, ProblemType::NotFound);
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let asked = world.client.request(method, world.url("/"));
        let response = asked.send().await.unwrap();
        assert_eq!(header(&response, "allow"), "GET, HEAD");
        assert_eq!(problem(response).await.kind, ProblemType::MethodNotAllowed);
    }
}

#[actix_web::test]
async fn a_page_that_could_not_run_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = gateway::Config::load(None).unwrap();
        config.page_dir = folder.path().to_owned();
        gateway::serve(listener, config).err().unwrap()
    };
    let absent = start();
    assert!(matches!(absent, Error::Page { .. }));
    assert!(absent.to_string().contains("cargo xtask page"), "{absent}");
    std::fs::write(folder.path().join("index.html"), "<script></script>").unwrap();
    let bare = start();
    assert!(matches!(bare, Error::NoNonce { .. }));
    assert!(bare.to_string().contains("create_nonce"), "{bare}");
}
