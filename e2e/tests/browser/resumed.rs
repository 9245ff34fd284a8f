//! A network at work while the page is loaded again.

use anyhow::{Context, Result, ensure};
use e2e::browser::Page;
use e2e::evaluation_key::make_key;
use e2e::networks::write_network;
use e2e::services::Plan;
use serde_json::{Value, json};

use crate::steps::{self, Room};
use crate::{large_key, pictures};

const MODEL: &str = "three";
/// So many that they take longer than loading the page again, on a busy machine too.
const BOOTSTRAPS: u16 = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn loaded_again_the_page_shows_how_far_a_network_is() {
    let models = tempfile::tempdir().unwrap();
    write_network(&models.path().join(MODEL), BOOTSTRAPS).unwrap();
    let plan = Plan {
        models: Some(models.path()),
        ..Plan::default()
    };
    let room = Room::open_as(plan).await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    page.watched("resumed", resumed(&room, &page))
        .await
        .unwrap();
    page.close().await.unwrap();
}

async fn resumed(room: &Room, page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    steps::make_key(page).await?;
    let owner = large_key::owner(room, page).await?;
    owner.send_key(&make_key(&owner.key)?).await?;
    steps::choose_model(page, MODEL).await?;
    steps::add_pictures(page, &pictures::coloured(folder.path())[..1]).await?;
    page.click("#analyse:not([disabled])").await?;
    let before = some_done(page, 0).await?;

    page.visit().await?;
    // Nothing of the earlier visit is left in the page; the first that it tells is no step back.
    let after = some_done(page, before).await?;
    page.photograph("resumed").await?;
    ensure!(
        (before..u64::from(BOOTSTRAPS)).contains(&after),
        "{after} after {before}"
    );
    let result = page
        .wait_for("[data-test=result][data-state=under-way]")
        .await?;
    let said = result.text().await?;
    for part in ["Being analysed", "encrypt", "send"] {
        ensure!(said.contains(part), "no {part:?} in {said:?}");
    }
    some_done(page, after + 1).await?;

    steps::opened(page, 1).await?;
    steps::history(page, 1).await?;
    Ok(())
}

/// Waits until the page tells of bootstraps, so many at least and not none; how many.
async fn some_done(page: &Page, least: u64) -> Result<u64> {
    let script = "const told = document.querySelector('[data-test=bootstraps]')?.dataset ?? {}; \
                  return [parseInt(told.done ?? '0'), parseInt(told.of ?? '0')]";
    let told = page
        .wait_until("some bootstraps", script, |told| {
            done(&told).is_some_and(|done| done >= least.max(1))
        })
        .await?;
    ensure!(told[1] == json!(BOOTSTRAPS), "{told}");
    done(&told).context("no number")
}

fn done(told: &Value) -> Option<u64> {
    told[0].as_u64()
}
