//! The whole way over TLS and sealed links, and what the page says of it.

use anyhow::{Context, Result, ensure};
use e2e::browser::Page;
use e2e::services::Plan;
use e2e::transit::Transit;
use serde_json::json;

use crate::pictures;
use crate::steps::{self, Room};

const MODEL: &str = "scan-type";

#[tokio::test(flavor = "multi_thread")]
async fn with_qkd_and_tls_every_hop_is_post_quantum_and_the_page_says_so() {
    let plan = Plan {
        transit: Transit {
            tls: true,
            links: Some("hybrid"),
        },
        ..Plan::default()
    };
    let room = Room::open_as(plan).await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    let journey = journey(&room, &page);
    page.watched("transit", journey).await.unwrap();
    page.close().await.unwrap();
}

async fn journey(room: &Room, page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = pictures::coloured(folder.path());
    steps::make_key(page).await?;
    steps::add_pictures(page, &files).await?;
    steps::choose_model(page, MODEL).await?;
    let model = pictures::model(MODEL);
    let shown = steps::analyse(page, MODEL, files.len()).await?;
    ensure!(shown.len() == files.len(), "{} results", shown.len());
    for shown in shown {
        let file = files.iter().find(|file| file.ends_with(&shown.name));
        let expected = pictures::twin(&model, file.with_context(|| shown.name.clone())?);
        pictures::assert_close(&shown, &expected, &model);
    }

    page.click("#in-transit").await?;
    for (hop, words) in [
        ("browser-gateway", "X25519MLKEM768"),
        ("gateway-storage", "ML-KEM"),
        ("gateway-compute", "X25519MLKEM768"),
        ("compute-storage", "ML-KEM"),
    ] {
        let place = format!("#protection li[data-hop={hop}][data-state=post-quantum]");
        page.wait_for(&place).await?;
        let said = page.texts(&place).await?.join(" ");
        ensure!(said.contains(words), "{hop}: {said:?}");
        let is_sealed = hop.ends_with("storage");
        ensure!(is_sealed == said.contains("QKD"), "{hop}: {said:?}");
        ensure!(is_sealed == said.contains("key used"), "{hop}: {said:?}");
    }
    steps::show(page, "#protection").await?;
    page.photograph("transit-1-hops").await?;
    steps::phone_view(page, "transit-2-hops-on-a-phone", "#protection").await?;

    the_browser_says_so_too(page).await?;
    nothing_was_readable(room)
}

/// The exchange that Chromium itself reports for every answer to the page; its worker's come over the
/// same connection.
async fn the_browser_says_so_too(page: &Page) -> Result<()> {
    let mut answers = page.security().await?;
    answers.retain(|(url, _)| url.starts_with(&page.origin));
    for what in ["/", "_bg.wasm", "/api/protection"] {
        let is_there = answers.iter().any(|(url, _)| url.ends_with(what));
        ensure!(is_there, "no {what} was recorded");
    }
    for (url, security) in &answers {
        let group = &security["keyExchangeGroup"];
        ensure!(*group == json!("X25519MLKEM768"), "{url}: {security}");
        ensure!(
            security["protocol"] == json!("TLS 1.3"),
            "{url}: {security}"
        );
    }
    Ok(())
}

/// Between browser and gateway not even the heads of requests can be read.
fn nothing_was_readable(room: &Room) -> Result<()> {
    let sent = room.recorder.sent().concat();
    ensure!(sent.len() > 10_000, "{} bytes", sent.len());
    for mark in ["DARKROOM", "/api/storage", "HTTP/1.1"] {
        let there = sent.windows(mark.len()).any(|part| part == mark.as_bytes());
        ensure!(!there, "{mark} could be read");
    }
    Ok(())
}
