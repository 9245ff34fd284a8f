//! Whoever is in between can end a message, and nothing more.

use darkroom_qkd::link::{LINK_HEADER, LinkError};
use darkroom_qkd::message::Mode;

use crate::support::{Link, raw};

const BODY: &str = "a body of some length, to have something to alter";

/// A request as it is on the wire, unsent.
async fn caught(link: &Link) -> Vec<u8> {
    // The server's word is known before the wire is cut.
    link.send(link.request("GET", "/v1/x")).await.unwrap();
    let request = link
        .request("PUT", "/v1/things/1")
        .header("content-type", "text/plain")
        .body(BODY);
    let bytes = link.wire.catch(link, request).await;
    assert!(
        bytes.starts_with(b"PUT "),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    bytes
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {from}"));
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

fn head_bytes(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4
}

#[actix_web::test]
async fn a_message_that_is_sent_twice_opens_once() {
    for mode in [Mode::Qkd, Mode::Hybrid] {
        let link = Link::open(mode);
        let bytes = caught(&link).await;
        assert_eq!(raw(link.server, &bytes).await.0, 200);
        let (status, text) = raw(link.server, &bytes).await;
        assert_eq!(status, 403);
        assert!(
            text.contains("link-refused") && text.contains("used before"),
            "{text}"
        );
    }
}

#[actix_web::test]
async fn what_is_altered_on_the_way_is_refused() {
    let link = Link::open(Mode::Hybrid);
    type Change = fn(&[u8]) -> Vec<u8>;
    let changes: [(&str, Change); 8] = [
        ("method", |b| replaced(b, "PUT ", "POST ")),
        ("route", |b| replaced(b, "/v1/things/1", "/v1/things/2")),
        ("query", |b| replaced(b, "/v1/things/1", "/v1/things/1?x=1")),
        ("media type", |b| replaced(b, "text/plain", "text/html")),
        ("last byte", |b| {
            let mut b = b.to_vec();
            *b.last_mut().unwrap() ^= 1;
            b
        }),
        ("first byte of the body", |b| {
            let (mut b, at) = (b.to_vec(), head_bytes(b));
            b[at] ^= 1;
            b
        }),
        ("announced length", |b| {
            let (mut b, at) = (b.to_vec(), head_bytes(b));
            b[at + 31] ^= 1;
            b
        }),
        ("ML-KEM ciphertext", |b| {
            let (mut b, at) = (b.to_vec(), head_bytes(b));
            b[at + 100] ^= 1;
            b
        }),
    ];
    for (what, change) in changes {
        let bytes = caught(&link).await;
        let (status, text) = raw(link.server, &change(&bytes)).await;
        assert_eq!(status, 403, "{what}: {text}");
        assert!(text.contains("link-refused"), "{what}: {text}");
    }
}

#[actix_web::test]
async fn lines_that_are_not_in_order_are_refused() {
    let link = Link::open(Mode::Hybrid);
    let line = format!("{LINK_HEADER}: 1 hybrid client server ");
    for (to, status, problem) in [
        ("x-other: 1 hybrid client server ", 403, "link-unsealed"),
        (
            "darkroom-link: 2 hybrid client server ",
            403,
            "link-refused",
        ),
        ("darkroom-link: 1 qkd client server ", 403, "link-refused"),
        (
            "darkroom-link: 1 hybrid server client ",
            403,
            "link-refused",
        ),
        (
            "darkroom-link: 1 hybrid nobody server ",
            403,
            "link-refused",
        ),
        (
            "darkroom-link: 1 hybrid client server 00",
            403,
            "link-refused",
        ),
    ] {
        let bytes = replaced(&caught(&link).await, &line, to);
        let (found, text) = raw(link.server, &bytes).await;
        assert_eq!(found, status, "{to}: {text}");
        assert!(text.contains(problem), "{to}: {text}");
    }
    // An epoch that is not known, as after a restart.
    let bytes = caught(&link).await;
    let at = head_bytes(&bytes);
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let known = head
        .lines()
        .find(|line| line.starts_with(LINK_HEADER))
        .unwrap();
    let stale = format!("{}{}", &known[..known.len() - 32], "0".repeat(32));
    let (status, text) = raw(link.server, &replaced(&bytes, known, &stale)).await;
    assert_eq!(status, 503);
    assert!(text.contains("link-stale"), "{text}");
}

#[actix_web::test]
async fn unsealed_requests_are_not_answered() {
    let link = Link::open(Mode::Qkd);
    for method in ["GET", "PUT", "DELETE"] {
        let answer = link.request(method, "/v1/x").send().await.unwrap();
        assert_eq!(answer.status(), 403);
        assert!(answer.text().await.unwrap().contains("link-unsealed"));
    }
}

#[actix_web::test]
async fn ends_of_different_modes_do_not_talk() {
    let link = Link::between(Mode::Qkd, Mode::Hybrid);
    let error = link.send(link.request("GET", "/v1/x")).await.unwrap_err();
    assert!(matches!(error, LinkError::Refused(_)), "{error}");
}

#[actix_web::test]
async fn answers_that_are_altered_do_not_open() {
    let link = Link::open(Mode::Hybrid);
    link.send(link.request("GET", "/v1/x")).await.unwrap();
    // The sealed body's last byte; its head is in the same piece here.
    link.wire
        .alter_answers(|piece| *piece.last_mut().unwrap() ^= 1);
    let answer = link.send(link.request("POST", "/v1/x").body(BODY)).await;
    let failed = match answer {
        Err(LinkError::Message(_) | LinkError::Key(_)) => true,
        Ok(answer) => answer.bytes().await.is_err(),
        Err(error) => panic!("{error}"),
    };
    assert!(failed);
    // An answer that says that it is not sealed.
    link.wire.alter_answers(|piece| {
        let text = String::from_utf8_lossy(piece).into_owned();
        if text.contains("darkroom-link: 1 sealed") {
            let at = text.find("darkroom-link").unwrap();
            piece[at] = b'x';
        }
    });
    let error = link.send(link.request("GET", "/v1/x")).await.unwrap_err();
    assert!(
        matches!(error, LinkError::Unsealed { status: 200 }),
        "{error}"
    );
}
