//! Without keys nothing goes.

use darkroom_qkd::link::LinkError;
use darkroom_qkd::message::Mode;
use darkroom_qkd::source::SourceError;

use crate::support::{Link, contains};

#[actix_web::test]
async fn without_keys_the_link_is_closed_and_opens_again_with_them() {
    let link = Link::open(Mode::Hybrid);
    link.send(link.request("GET", "/v1/x")).await.unwrap();
    link.pool.run_dry(true);
    let mut failure = None;
    // What is in reserve may still go.
    for _ in 0..200 {
        let request = link.request("PUT", "/v1/x").body("closed means closed");
        if let Err(error) = link.send(request).await {
            failure = Some(error);
            break;
        }
    }
    let error = failure.unwrap();
    assert!(error.is_shortage() && error.is_transient(), "{error}");
    assert!(!contains(&link.wire.seen(), b"closed means closed"));
    assert!(link.client.usage().shortages() > 0);
    link.pool.run_dry(false);
    let request = link.request("PUT", "/v1/x").body("again");
    assert_eq!(
        link.send(request).await.unwrap().text().await.unwrap(),
        "again"
    );
}

#[actix_web::test]
async fn ends_that_are_out_of_step_refuse_and_recover() {
    let link = Link::open(Mode::Qkd);
    link.send(link.request("GET", "/v1/x")).await.unwrap();
    link.pool.forget();
    let mut refused = 0;
    for _ in 0..200 {
        match link.send(link.request("PUT", "/v1/x").body("x")).await {
            Ok(_) => break,
            Err(LinkError::Refused(_) | LinkError::Key(SourceError::Unknown { .. })) => {
                refused += 1
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0);
    link.send(link.request("GET", "/v1/x")).await.unwrap();
}
