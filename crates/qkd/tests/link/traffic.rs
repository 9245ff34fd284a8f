//! What goes through a link, and what can be seen of it.

use std::time::Duration;

use bytes::Bytes;
use darkroom_qkd::message::Mode;
use futures_util::{StreamExt, stream};

use crate::support::{Link, contains};

const BODY: &[u8] = b"nobody on the way may read this";

#[actix_web::test]
async fn bodies_go_both_ways_sealed_and_come_out_whole() {
    for mode in [Mode::Qkd, Mode::Hybrid] {
        let link = Link::open(mode);
        let request = link
            .request("PUT", "/v1/things/1?a=b")
            .header("content-type", "text/plain")
            .body(BODY);
        let answer = link.send(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/x-test");
        assert_eq!(answer.headers()["seen-length"], BODY.len().to_string());
        assert_eq!(answer.headers()["content-length"], BODY.len().to_string());
        assert!(answer.url().as_str().ends_with("/v1/things/1?a=b"));
        assert_eq!(answer.bytes().await.unwrap(), BODY);
        let seen = link.wire.seen();
        assert!(contains(&seen, b"/v1/things/1?a=b"));
        assert!(!contains(&seen, &BODY[..8]));
        assert_eq!(
            (link.client.usage().sealed(), link.client.usage().opened()),
            (1, 1)
        );
    }
}

#[actix_web::test]
async fn every_kind_of_request_gets_through() {
    let link = Link::open(Mode::Hybrid);
    for (method, path, status) in [
        ("GET", "/v1/x", 200),
        ("GET", "/missing", 404),
        ("DELETE", "/v1/x", 204),
        ("POST", "/v1/x", 200),
        ("HEAD", "/v1/x", 200),
    ] {
        let answer = link.send(link.request(method, path)).await;
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.bytes().await.unwrap(), "");
    }
}

#[actix_web::test]
async fn streams_pass_in_constant_memory_with_and_without_a_length() {
    const PIECES: usize = 300;
    let piece = Bytes::from(vec![7; 100_000]);
    let link = Link::open(Mode::Hybrid);
    for announced in [true, false] {
        let pieces = stream::iter((0..PIECES).map({
            let piece = piece.clone();
            move |_| Ok::<_, std::io::Error>(piece.clone())
        }));
        let bytes = PIECES * piece.len();
        let mut request = link.request("PUT", "/v1/large");
        if announced {
            request = request.header("content-length", bytes);
        }
        let body = reqwest::Body::wrap_stream(pieces);
        let answer = link.send(request.body(body)).await.unwrap();
        assert_eq!(answer.headers().contains_key("seen-length"), announced);
        let mut answer = answer.bytes_stream();
        let mut found = 0;
        while let Some(piece) = answer.next().await {
            let piece = piece.unwrap();
            assert!(piece.iter().all(|&byte| byte == 7));
            found += piece.len();
        }
        assert_eq!(found, bytes);
    }
}

#[actix_web::test]
async fn events_arrive_while_their_stream_goes_on() {
    let link = Link::open(Mode::Qkd);
    let answer = link.send(link.request("GET", "/ticks")).await.unwrap();
    let mut ticks = answer.bytes_stream();
    for number in 0..3 {
        let tick = tokio::time::timeout(Duration::from_secs(5), ticks.next()).await;
        assert_eq!(tick.unwrap().unwrap().unwrap(), format!("tick {number}\n"));
    }
}

#[actix_web::test]
async fn many_at_once_do_not_mix() {
    let link = Link::open(Mode::Hybrid);
    let sending = (0..50).map(|number| {
        let link = &link;
        async move {
            let body = format!("message {number}").repeat(number + 1);
            let request = link
                .request("POST", &format!("/v1/{number}"))
                .body(body.clone());
            let answer = link.send(request).await.unwrap();
            assert_eq!(answer.text().await.unwrap(), body);
        }
    });
    futures_util::future::join_all(sending).await;
    let made = link.pool.made.lock().unwrap().len();
    assert!(made >= 100, "one key a message: {made}");
}

#[actix_web::test]
async fn probes_need_no_keys() {
    let link = Link::open(Mode::Qkd);
    let answer = reqwest::get(link.url("/healthz")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "alive");
}
