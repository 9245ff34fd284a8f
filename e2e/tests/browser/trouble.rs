//! What people meet when something is not as it should be.

use anyhow::{Result, ensure};
use e2e::browser::Page;
use serde_json::json;

use crate::pictures;
use crate::steps::{self, Room};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_picture_is_named_and_the_others_go_on() {
    let room = Room::open().await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    page.watched("no-picture", no_picture(&room, &page))
        .await
        .unwrap();
    page.close().await.unwrap();
}

async fn no_picture(_room: &Room, page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let good = pictures::coloured(folder.path());
    let bad = folder.path().join("broken.png");
    std::fs::write(&bad, b"\x89PNG\r\n\x1a\n and then nothing")?;
    steps::make_key(page).await?;
    let paths = [good[0].display().to_string(), bad.display().to_string()].join("\n");
    let input = page
        .client
        .find(fantoccini::Locator::Css("#file-input"))
        .await?;
    input.send_keys(&paths).await?;
    let tile = page.wait_for("[data-test=tile][data-state=failed]").await?;
    let text = tile.text().await?;
    ensure!(
        text.contains("broken.png"),
        "{text:?} does not name the file"
    );
    page.wait_for("[data-test=tile][data-state=ready]").await?;
    steps::choose_model(page, "chest-view").await?;
    let shown = steps::analyse(page, "chest-view", 1).await?;
    ensure!(shown.len() == 1, "{shown:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_out_of_reach_is_said_and_forgotten_when_it_is_back() {
    let mut room = Room::open().await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    page.watched("out-of-reach", out_of_reach(&mut room, &page))
        .await
        .unwrap();
    page.close().await.unwrap();
}

async fn out_of_reach(room: &mut Room, page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    steps::make_key(page).await?;
    steps::add_pictures(page, &pictures::coloured(folder.path())[..1]).await?;
    steps::choose_model(page, "chest-view").await?;
    room.darkroom.gateway.kill()?;
    page.click("#analyse").await?;
    page.wait_for("#unreachable").await?;
    page.photograph("out-of-reach").await?;
    room.darkroom.gateway.start().await?;
    page.wait_gone("#unreachable").await?;
    // It goes on by itself, or offers to.
    let open = "if (document.querySelector('#try-again')) document.querySelector('#try-again').click(); \
                return document.querySelectorAll('[data-test=result][data-state=open]').length";
    page.wait_until("the result", open, |count| count == json!(1))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_closed_in_the_middle_goes_on_when_it_is_back() {
    let mut room = Room::open().await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    page.watched("closed", closed_in_the_middle(&mut room, &page))
        .await
        .unwrap();
    page.close().await.unwrap();
}

async fn closed_in_the_middle(room: &mut Room, page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    steps::make_key(page).await?;
    steps::add_pictures(page, &pictures::coloured(folder.path())[..1]).await?;
    steps::choose_model(page, "chest-view").await?;
    // Compute is away, so the job cannot be over before the page is left.
    room.darkroom.compute.kill()?;
    page.click("#analyse").await?;
    // From when it stands in the history it must not get lost.
    page.wait_for("[data-test=history-entry]").await?;
    page.client.goto("about:blank").await?;
    room.darkroom.compute.start().await?;
    page.visit().await?;
    steps::key_here(page).await?;
    let done = "return [...document.querySelectorAll('[data-test=history-entry]')].map(e => e.dataset.state)";
    let over = |states: serde_json::Value| states == json!(["done"]) || states == json!(["unread"]);
    page.wait_until("the entry to be done", done, over).await?;
    Ok(())
}
