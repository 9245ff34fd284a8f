//! Requests that want to be understood in two ways. Each is refused and none reaches the service.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{PATIENCE, World};

/// Sends these bytes, says that no more will come, and returns all that is answered.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // One answer is enough; a second one would show in what the service saw.
    loop {
        let read = timeout(PATIENCE, stream.read(&mut piece))
            .await
            .expect("an answer")
            .unwrap_or(0);
        answer.extend_from_slice(&piece[..read]);
        if read == 0 || answer.windows(4).any(|end| end == b"\r\n\r\n") {
            return String::from_utf8_lossy(&answer).into_owned();
        }
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[actix_web::test]
async fn no_path_leaves_the_routes_of_the_services() {
    let world = World::start();
    for (path, expected) in [
        ("/api/storage/v1/../readyz", "400"),
        ("/api/storage/v1/..", "400"),
        ("/api/storage/v1/./echo", "400"),
        ("/api/storage/v1/%2e%2e/readyz", "400"),
        ("/api/storage/v1/%2E%2E%2Freadyz", "400"),
        ("/api/storage/v1/..%2freadyz", "400"),
        ("/api/storage/v1/..%5creadyz", "400"),
        ("/api/storage/v1/..\\readyz", "400"),
        ("/api/storage/v1//readyz", "400"),
        ("/api/storage/v1/echo/", "400"),
        ("/api/storage/v1/echo;x=/../readyz", "400"),
        ("/api/storage/v1/%00", "400"),
        ("/api/storage/readyz", "404"),
        ("/api/storage//v1/echo", "404"),
        ("/api/storage/../storage/v1/echo", "404"),
        ("/api/storage@elsewhere.example/v1/echo", "404"),
        ("/api/storage:80/v1/echo", "404"),
        ("/api/other/v1/echo", "404"),
        ("/api/storage%2Fv1/echo", "404"),
        ("/api%2Fstorage/v1/echo", "404"),
        ("//api/storage/v1/echo", "404"),
        ("/API/storage/v1/echo", "404"),
        ("/x/../api/storage/v1/echo", "404"),
        ("http://elsewhere.example/api/storage/v1/echo", "400"),
        // The page is the page, whatever name it was asked for by.
        ("http://elsewhere.example/", "200"),
        ("elsewhere.example:80", "404"),
        ("*", "404"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n");
        let answer = raw(world.address, &request).await;
        assert!(
            status(&answer) == expected || status(&answer) == "400",
            "{path}: {answer}"
        );
    }
    assert_eq!(world.upstream.seen(), Vec::<String>::new());
}

#[actix_web::test]
async fn a_body_with_two_lengths_is_refused_and_nothing_is_smuggled() {
    let world = World::start();
    let hidden = "GET /v1/hidden HTTP/1.1\r\nHost: storage\r\n\r\n";
    let length = hidden.len();
    for framing in [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            length + 5
        ),
        format!(
            "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n",
            length + 5
        ),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        format!("Content-Length: 0, {length}\r\n\r\n"),
        format!("Content-Length: +{length}\r\n\r\n"),
        format!("Content-Length: 0x{length:x}\r\n\r\n"),
        format!("Content-Length: -{length}\r\n\r\n"),
        format!("Content-Length : {length}\r\n\r\n"),
        format!("Content-Length: 99999999999999999999{length}\r\n\r\n"),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".into(),
        "Transfer-Encoding: identity\r\n\r\n".into(),
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".into(),
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".into(),
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".into(),
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n".into(),
        "X: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
    ] {
        let head = "PUT /api/storage/v1/sink HTTP/1.1\r\nHost: gateway\r\n";
        let answer = raw(world.address, &format!("{head}{framing}{hidden}")).await;
        assert_eq!(status(&answer), "400", "{framing:?}: {answer}");
    }
    let seen = world.upstream.seen();
    assert!(!seen.iter().any(|line| line.contains("hidden")), "{seen:?}");
}

#[actix_web::test]
async fn headers_that_could_mean_two_things_are_refused() {
    let world = World::start();
    for (headers, expected) in [
        (
            "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
            "400",
        ),
        ("Content-Type: a/b\r\nContent-Type: c/d\r\n", "400"),
        ("Range: bytes=0-1\r\nRange: bytes=5-6\r\n", "400"),
        ("X: a\0b\r\n", "400"),
        ("Bad Name: x\r\n", "400"),
        ("Content-Length: 4\r\n", "400"),
    ] {
        let head = "GET /api/storage/v1/echo HTTP/1.1\r\nHost: gateway\r\n";
        let answer = raw(world.address, &format!("{head}{headers}\r\nbody")).await;
        assert_eq!(status(&answer), expected, "{headers:?}: {answer}");
    }
    assert_eq!(world.upstream.seen(), Vec::<String>::new());
}

#[actix_web::test]
async fn a_header_for_this_hop_stays_on_it() {
    let world = World::start();
    let asked = world
        .client
        .get(world.url("/api/storage/v1/echo"))
        .header("connection", "keep-alive, Authorization")
        .header("authorization", "Bearer 00")
        .header("if-none-match", "\"t\"");
    let echo = asked.send().await.unwrap().text().await.unwrap();
    assert!(!echo.contains("Bearer"), "{echo}");
    assert!(echo.contains("if-none-match"), "{echo}");
    assert!(!echo.contains("\"connection\""), "{echo}");
}

#[actix_web::test]
async fn methods_that_open_tunnels_are_refused() {
    let world = World::start();
    for request in [
        "CONNECT storage:7001 HTTP/1.1\r\nHost: storage:7001\r\n\r\n",
        "GET /api/storage/v1/echo HTTP/1.1\r\nHost: g\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = raw(world.address, request).await;
        assert_ne!(status(&answer), "101", "{answer}");
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let seen = world.upstream.seen();
    assert!(
        !seen.iter().any(|line| line.contains("CONNECT")),
        "{seen:?}"
    );
}
