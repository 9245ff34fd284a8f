//! Bad objects and bad paths: each with its problem, and nothing left behind.

use darkroom_api::header::{HEADER_BYTES, ObjectKind};
use darkroom_api::problem::ProblemType;
use reqwest::{Body, Method};

use crate::store::unfinished;
use crate::support::{App, Owner, Raw, files, image, new_id, object, random_bytes, refused, until};

/// Sends a bad object with and without a length in front.
async fn both_ways(owner: &Owner, kind: ObjectKind, bytes: Vec<u8>, expected: ProblemType) {
    let id = new_id();
    refused(owner.put(kind, id, bytes.clone()).await, expected).await;
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]);
    let request = owner.request(Method::PUT, &owner.path(kind, id));
    let answer = request
        .body(Body::wrap_stream(chunks))
        .send()
        .await
        .unwrap();
    refused(answer, expected).await;
    refused(owner.get(kind, id).await, ProblemType::ObjectNotFound).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_whole_object_is_refused() {
    let app = App::start().await;
    let owner = app.owner().await;
    let (kind, good) = (ObjectKind::Image, image(&random_bytes(1000)));
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    use ProblemType::{DigestMismatch, LengthMismatch, ObjectMalformed};
    both_ways(&owner, kind, Vec::new(), ObjectMalformed).await;
    for end in [1, 8, HEADER_BYTES - 1] {
        both_ways(&owner, kind, good[..end].to_vec(), ObjectMalformed).await;
    }
    for end in [HEADER_BYTES, HEADER_BYTES + 1, good.len() - 1] {
        both_ways(&owner, kind, good[..end].to_vec(), LengthMismatch).await;
    }
    both_ways(
        &owner,
        kind,
        [good.as_slice(), b"x"].concat(),
        LengthMismatch,
    )
    .await;
    both_ways(
        &owner,
        kind,
        [good.as_slice(), &good].concat(),
        LengthMismatch,
    )
    .await;
    both_ways(&owner, kind, changed(0, b'd'), ObjectMalformed).await;
    both_ways(&owner, kind, changed(8, 2), ObjectMalformed).await;
    both_ways(&owner, kind, changed(9, 1), ObjectMalformed).await;
    both_ways(&owner, kind, changed(10, 0), ObjectMalformed).await;
    both_ways(&owner, kind, changed(10, 4), ObjectMalformed).await;
    both_ways(&owner, kind, changed(40, good[40] ^ 1), DigestMismatch).await;
    both_ways(
        &owner,
        kind,
        changed(good.len() - 1, good[good.len() - 1] ^ 128),
        DigestMismatch,
    )
    .await;
    both_ways(
        &owner,
        kind,
        changed(HEADER_BYTES, good[HEADER_BYTES] ^ 1),
        DigestMismatch,
    )
    .await;
    assert_eq!(owner.info().await.objects, 0);
    assert!(unfinished(&app.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_keeps_its_own_kind() {
    let app = App::start().await;
    let owner = app.owner().await;
    for collection in [ObjectKind::Image, ObjectKind::EvaluationKey] {
        for kind in ObjectKind::ALL
            .into_iter()
            .filter(|kind| *kind != collection)
        {
            both_ways(
                &owner,
                collection,
                object(kind, b"x"),
                ProblemType::KindMismatch,
            )
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_is_refused_before_it_is_received() {
    let app = App::start_with(|config| {
        config.limits.image_bytes = 1000;
        config.limits.key_bytes = 2000;
    })
    .await;
    let owner = app.owner().await;
    let fits = image(&[1; 1000 - HEADER_BYTES]);
    assert_eq!(
        owner.put(ObjectKind::Image, new_id(), fits).await.status(),
        201
    );
    let large = image(&[1; 1001 - HEADER_BYTES]);
    both_ways(&owner, ObjectKind::Image, large, ProblemType::TooLarge).await;
    let key = object(ObjectKind::EvaluationKey, &[1; 1001 - HEADER_BYTES]);
    let kept = owner.put(ObjectKind::EvaluationKey, new_id(), key).await;
    assert_eq!(kept.status(), 201);

    // By its announcement alone, by its header alone, and with a length that overflows.
    let path = owner.path(ObjectKind::Image, new_id());
    let mut raw = Raw::connect(&app.address).await;
    raw.send(&Raw::head(
        &owner,
        "PUT",
        &path,
        "Content-Length: 18446744073709551615\r\n",
    ))
    .await;
    raw.refused(ProblemType::TooLarge).await;
    for length in [u64::MAX, u64::MAX - 71, 1 << 40] {
        let mut header = image(b"").clone();
        header[32..40].copy_from_slice(&length.to_le_bytes());
        let mut raw = Raw::connect(&app.address).await;
        raw.send(&Raw::head(
            &owner,
            "PUT",
            &path,
            "Transfer-Encoding: chunked\r\n",
        ))
        .await;
        raw.send(b"48\r\n").await;
        raw.send(&header).await;
        raw.send(b"\r\n").await;
        raw.refused(ProblemType::TooLarge).await;
    }
    assert!(unfinished(&app.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_differs_from_the_announced_length_is_refused_at_once() {
    let app = App::start().await;
    let owner = app.owner().await;
    let bytes = image(&[3; 100]);
    for announced in [bytes.len() - 1, bytes.len() + 1, 50_000_000] {
        let path = owner.path(ObjectKind::Image, new_id());
        let mut raw = Raw::connect(&app.address).await;
        let length = format!("Content-Length: {announced}\r\n");
        raw.send(&Raw::head(&owner, "PUT", &path, &length)).await;
        raw.send(&bytes[..HEADER_BYTES]).await;
        raw.refused(ProblemType::LengthMismatch).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_refused_upload_still_gets_its_answer() {
    let app = App::start().await;
    let owner = app.owner().await;
    let mut bytes = image(&random_bytes(20_000_000));
    bytes[0] = b'X';
    both_ways(
        &owner,
        ObjectKind::Image,
        bytes,
        ProblemType::ObjectMalformed,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let app = App::start().await;
    let owner = app.owner().await;
    let bytes = image(&random_bytes(7_000_000));
    let id = new_id();
    let path = owner.path(ObjectKind::Image, id);
    for framing in [
        format!("Content-Length: {}\r\n", bytes.len()),
        "Transfer-Encoding: chunked\r\n".into(),
    ] {
        let mut raw = Raw::connect(&app.address).await;
        raw.send(&Raw::head(&owner, "PUT", &path, &framing)).await;
        if framing.starts_with('T') {
            raw.send(format!("{:x}\r\n", bytes.len()).as_bytes()).await;
        }
        raw.send(&bytes[..6_000_000]).await;
        until("a first part", || !unfinished(&app.dir).is_empty()).await;
        drop(raw);
        until("its removal", || unfinished(&app.dir).is_empty()).await;
        refused(
            owner.get(ObjectKind::Image, id).await,
            ProblemType::ObjectNotFound,
        )
        .await;
    }
    assert_eq!(owner.info().await.objects, 0);
    assert_eq!(owner.put(ObjectKind::Image, id, bytes).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_ids_and_nothing_else() {
    let app = App::start().await;
    let owner = app.owner().await;
    let id = owner.put_image(b"kept").await.to_string();
    let vault = owner.vault.to_string();
    let upper = id.to_uppercase();
    let record = format!("..%2f..%2f..%2fvaults%2f{vault}");
    let bad_ids = [
        "x",
        "0",
        "..",
        "%2e%2e",
        "..%2f..%2fserver%2fgrant-key",
        &record,
        &id[1..],
        &upper,
        "%00000000000000000000000000000000",
        "0000000000000000000000000000000%20",
        "%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9",
        "00000000000000000000000000000000%231",
        "%FF%FE",
    ];
    let body = image(b"x");
    let length = format!("Content-Length: {}\r\n", body.len());
    let before = files(&app.dir).len();
    for bad in bad_ids {
        for (method, path) in [
            ("GET", format!("/v1/vaults/{vault}/images/{bad}")),
            ("PUT", format!("/v1/vaults/{vault}/images/{bad}")),
            ("DELETE", format!("/v1/vaults/{vault}/images/{bad}")),
            ("PUT", format!("/v1/vaults/{vault}/images/{bad}/note")),
            ("GET", format!("/v1/vaults/{bad}")),
            ("PUT", format!("/v1/vaults/{bad}")),
        ] {
            let mut raw = Raw::connect(&app.address).await;
            let has_body = method == "PUT";
            raw.send(&Raw::head(
                &owner,
                method,
                &path,
                if has_body { &length } else { "" },
            ))
            .await;
            if has_body {
                raw.send(&body).await;
            }
            raw.refused(ProblemType::MalformedRequest).await;
        }
    }
    for path in [
        format!("/v1/vaults/{vault}/notes-images/{id}"),
        format!("/v1/vaults/{vault}/Images/{id}"),
        format!("/v1/vaults/{vault}/.."),
        format!("/v1/vaults/{vault}/images/../../{id}"),
        format!("/v1/vaults/{vault}/images%2f{id}"),
        format!("/v1/vaults//images/{id}"),
        format!("//v1/vaults/{vault}"),
        "/v1/vaults/".to_owned(),
        "/../../../etc/passwd".to_owned(),
        "/".to_owned(),
    ] {
        let mut raw = Raw::connect(&app.address).await;
        raw.send(&Raw::head(&owner, "GET", &path, "")).await;
        raw.refused(ProblemType::NotFound).await;
    }
    assert_eq!(files(&app.dir).len(), before);
}
