//! Bodies move as they come, both ways, and end for the one when they end for the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use darkroom_api::problem::ProblemType;
use futures_util::stream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::upstream::{Ended, Upstream};
use crate::{PATIENCE, World, header, problem};

#[actix_web::test]
async fn events_arrive_one_by_one() {
    let world = World::start();
    let events = world.upstream.events();
    let mut response = world.fetch("/api/compute/v1/events").await;
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    for event in [
        "event: job\ndata: 1\n\n",
        ": still here\n\n",
        "event: job\ndata: 2\n\n",
    ] {
        // The next one is not sent before this one has arrived.
        events.send(Bytes::from(event)).await.unwrap();
        let piece = timeout(PATIENCE, response.chunk())
            .await
            .expect("not held back");
        assert_eq!(piece.unwrap().unwrap(), event);
    }
    drop(events);
    assert_eq!(
        timeout(PATIENCE, response.chunk()).await.unwrap().unwrap(),
        None
    );
}

#[actix_web::test]
async fn a_client_that_goes_away_ends_the_request_to_the_service() {
    let world = World::start();
    let events = world.upstream.events();
    let mut response = world.fetch("/api/compute/v1/events").await;
    events.send(Bytes::from("data: 1\n\n")).await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    // The service notices on its next write at the latest.
    let gone = async {
        while events.send(Bytes::from(": anyone?\n\n")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the service was told");
}

#[actix_web::test]
async fn uploads_of_known_and_of_unknown_length_arrive_whole() {
    let world = World::start();
    let mut ended = world.upstream.ended();
    let url = world.url("/api/storage/v1/sink");
    let bytes = 3_000_000;
    world
        .client
        .put(&url)
        .body(vec![7; bytes])
        .send()
        .await
        .unwrap();
    let announced = Some(bytes);
    assert_eq!(
        ended.recv().await.unwrap(),
        Ended::Whole { bytes, announced }
    );

    let pieces = (0..30).map(move |_| Ok::<_, std::io::Error>(vec![7; bytes / 30]));
    let body = reqwest::Body::wrap_stream(stream::iter(pieces));
    let response = world.client.put(&url).body(body).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), bytes.to_string());
    let announced = None;
    assert_eq!(
        ended.recv().await.unwrap(),
        Ended::Whole { bytes, announced }
    );

    let empty = world.client.put(&url).header("content-length", "0");
    empty.send().await.unwrap();
    let nothing = Ended::Whole {
        bytes: 0,
        announced: Some(0),
    };
    assert_eq!(ended.recv().await.unwrap(), nothing);
}

#[actix_web::test]
async fn half_an_upload_is_never_taken_for_a_whole_one() {
    let world = World::start();
    let mut ended = world.upstream.ended();
    let head = "PUT /api/storage/v1/sink HTTP/1.1\r\nHost: gateway\r\n";
    for half in [
        "Content-Length: 100000\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream
            .write_all(format!("{head}{half}").as_bytes())
            .await
            .unwrap();
        // Only when the service has begun is there something to break.
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(stream);
        let end = timeout(PATIENCE, ended.recv())
            .await
            .expect("the service was told");
        assert_eq!(end.unwrap(), Ended::Broken, "{half:?}");
    }
}

#[actix_web::test]
async fn an_upload_over_the_cap_is_refused_and_breaks_off() {
    let upstream = Upstream::start();
    let world = World::with(upstream.address, upstream, |config| {
        config.body_bytes_max = 1000
    });
    let url = world.url("/api/storage/v1/sink");
    let refused = world
        .client
        .put(&url)
        .body(vec![0; 1001])
        .send()
        .await
        .unwrap();
    let told = problem(refused).await;
    assert_eq!(told.kind, ProblemType::TooLarge);
    assert!(told.detail.contains("1000 bytes"), "{told}");

    let mut ended = world.upstream.ended();
    let pieces = (0..200).map(|_| Ok::<_, std::io::Error>(vec![7; 10]));
    let body = reqwest::Body::wrap_stream(stream::iter(pieces));
    let refused = world.client.put(&url).body(body).send().await.unwrap();
    assert_eq!(problem(refused).await.kind, ProblemType::TooLarge);
    // The service saw nothing, or a body that broke off.
    if let Ok(end) = ended.try_recv() {
        assert_eq!(end, Ended::Broken);
    }

    let most = world
        .client
        .put(&url)
        .body(vec![0; 1000])
        .send()
        .await
        .unwrap();
    assert_eq!(most.status(), 200);
}

#[actix_web::test]
async fn an_answer_that_comes_before_the_body_was_read_arrives() {
    let world = World::start();
    let url = world.url("/api/storage/v1/refuse");
    let response = world
        .client
        .put(&url)
        .body(vec![0; 4_000_000])
        .send()
        .await
        .unwrap();
    assert_eq!(problem(response).await.kind, ProblemType::VaultFull);
}

#[actix_web::test]
async fn a_client_that_falls_silent_is_given_up() {
    let upstream = Upstream::start();
    let world = World::with(upstream.address, upstream, |config| {
        config.idle_timeout = Duration::from_millis(300);
    });
    let mut ended = world.upstream.ended();
    let pieces = stream::unfold(true, |first| async move {
        if !first {
            std::future::pending::<()>().await;
        }
        Some((Ok::<_, std::io::Error>("only this"), false))
    });
    let body = reqwest::Body::wrap_stream(pieces);
    let asked = world
        .client
        .put(world.url("/api/storage/v1/sink"))
        .body(body);
    let told = problem(timeout(PATIENCE, asked.send()).await.unwrap().unwrap()).await;
    assert_eq!(told.kind, ProblemType::UploadTimeout);
    let end = timeout(PATIENCE, ended.recv())
        .await
        .expect("the service was told");
    assert_eq!(end.unwrap(), Ended::Broken);
}

/// A service that reads a request and answers these bytes, then closes; or stays, and says nothing.
fn answers_raw(answer: &'static str, closes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            while !closes && stream.read(&mut request).is_ok_and(|read| read > 0) {}
        }
    });
    address
}

#[actix_web::test]
async fn a_service_that_dies_within_its_answer_ends_it_broken() {
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    for answer in [sized, chunked] {
        let world = World::with_compute(answers_raw(answer, true));
        let response = world.fetch("/api/compute/v1/jobs").await;
        assert_eq!(response.status(), 200);
        let body = timeout(PATIENCE, response.bytes()).await.unwrap();
        assert!(
            body.is_err(),
            "half an answer was taken for a whole one: {answer}"
        );
    }
}

#[actix_web::test]
async fn a_service_without_a_sensible_answer_is_named() {
    for answer in [
        "",
        "HTTP/1.1 200",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        let world = World::with_compute(answers_raw(answer, true));
        let told = problem(world.fetch("/api/compute/v1/jobs").await).await;
        assert_eq!(told.kind, ProblemType::UpstreamUnreachable, "{answer}");
        assert!(told.detail.contains("compute broke"), "{told}");
    }
}

#[actix_web::test]
async fn a_service_that_falls_silent_is_given_up() {
    let address = answers_raw("", false);
    let world = World::with(address, Upstream::start(), |config| {
        config.idle_timeout = Duration::from_millis(300);
    });
    let told = problem(world.fetch("/api/compute/v1/jobs").await).await;
    assert_eq!(told.kind, ProblemType::UpstreamUnreachable);
    assert!(
        told.detail.contains("No answer came from compute"),
        "{told}"
    );

    let address = answers_raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false);
    let world = World::with(address, Upstream::start(), |config| {
        config.idle_timeout = Duration::from_millis(300);
    });
    let response = world.fetch("/api/compute/v1/jobs").await;
    let body = timeout(PATIENCE, response.bytes()).await.unwrap();
    assert!(body.is_err());
}
