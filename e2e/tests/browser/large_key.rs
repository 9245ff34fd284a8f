//! The large key: cut off, taken up again, cancelled, lost, asked for twice.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::params::NETWORK;
use darkroom_fhe::wire::evaluation_key;
use e2e::browser::Page;
use e2e::owner::Owner;
use serde_json::{Value, json};

use crate::digits::MODEL;
use crate::secrecy;
use crate::steps::{self, Room};

pub const KEYS: ObjectKind = ObjectKind::EvaluationKey;

pub fn all_parts() -> usize {
    usize::from(evaluation_key::parts(NETWORK.id).unwrap())
}

/// The owner of the key on this page, without a browser.
pub async fn owner(room: &Room, page: &Page) -> Result<Owner> {
    let words = steps::back_up(page).await?;
    let key = ClientKey::from_master(secrecy::master_of(&words)?);
    Owner::with_key(&room.darkroom, key).await
}

/// The parts in storage, with the digest of each.
pub async fn stored(owner: &Owner) -> Result<BTreeMap<ObjectId, String>> {
    let listed = owner
        .storage
        .list(owner.vault, KEYS, &owner.vault_token)
        .await?;
    Ok(listed
        .into_iter()
        .map(|part| (part.id, part.sha256))
        .collect())
}

/// Waits until all of it is in storage; how many parts were made for that.
pub async fn ready(page: &Page) -> Result<usize> {
    let shown = page.wait_for("#large-key[data-state=ready]").await?;
    let made = shown.attr("data-parts-made").await?;
    Ok(made.map_or(Ok(0), |made| made.parse())?)
}

/// Waits until so many parts are made.
async fn some_made(page: &Page, wanted: u64) -> Result<()> {
    let script = "return parseInt(document.querySelector('[data-test=making-large-key] p')?.textContent ?? '0')";
    page.wait_until("some parts", script, |made| {
        made.as_u64().is_some_and(|made| made >= wanted)
    })
    .await?;
    Ok(())
}

/// Waits until a part is in storage.
async fn some_stored(owner: &Owner) -> Result<()> {
    for _ in 0..300 {
        if !stored(owner).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no part arrives in storage")
}

/// A page with a key, before its large key, and the key's owner.
pub async fn with_a_key(room: &Room, device: &str) -> Result<(Page, Owner)> {
    let page = room.visit(device).await?;
    steps::make_key(&page).await?;
    let owner = owner(room, &page).await?;
    steps::choose_model(&page, MODEL).await?;
    page.wait_for("#large-key[data-state=absent]").await?;
    Ok((page, owner))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_cut_off_goes_on_where_it_stopped() {
    let room = Room::open().await.unwrap();
    let (page, owner) = with_a_key(&room, "laptop").await.unwrap();
    let watched = page.clone();
    watched
        .watched("cut-off", cut_off(room, page, owner))
        .await
        .unwrap();
    watched.close().await.unwrap();
}

async fn cut_off(room: Room, page: Page, owner: Owner) -> Result<()> {
    page.click("#make-large-key").await?;
    some_made(&page, 4).await?;
    page.photograph("large-key-1-making").await?;
    page.client.goto("about:blank").await?;
    // What was on its way may still arrive.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = stored(&owner).await?;
    ensure!(
        (1..all_parts()).contains(&before.len()),
        "{} parts of {} were sent before it was cut off",
        before.len(),
        all_parts()
    );

    // Loaded again, and on another device, it is seen how far it is.
    page.visit().await?;
    steps::choose_model(&page, MODEL).await?;
    page.wait_for("#large-key[data-state=absent]").await?;
    let begun = page.wait_for("#large-key-begun").await?.text().await?;
    ensure!(
        begun.starts_with(&format!("{} of {}", before.len(), all_parts())),
        "{begun:?} of {before:?}"
    );
    page.photograph("large-key-2-cut-off").await?;
    page.click("#make-large-key").await?;
    let made = ready(&page).await?;
    ensure!(
        made == all_parts() - before.len(),
        "{made} parts were made, with {} there",
        before.len()
    );
    let after = stored(&owner).await?;
    ensure!(after.len() == all_parts(), "{} parts", after.len());
    ensure!(
        before
            .iter()
            .all(|(id, digest)| after.get(id) == Some(digest)),
        "parts that were there were made again"
    );
    page.photograph("large-key-3-ready").await?;

    // Deleting everything deletes it as well; deleting one result does not.
    analyse_one(&page).await?;
    page.click("[data-test=history-entry] [data-test=delete]")
        .await?;
    page.click("#ask-yes").await?;
    steps::history(&page, 0).await?;
    ensure!(
        stored(&owner).await?.len() == all_parts(),
        "deleted with a result"
    );
    analyse_one(&page).await?;
    page.click("#delete-all").await?;
    page.click("#ask-yes").await?;
    steps::history(&page, 0).await?;
    page.wait_for("#large-key[data-state=absent]").await?;
    owner
        .storage
        .open_vault(owner.vault, &owner.vault_token)
        .await?;
    ensure!(
        stored(&owner).await?.is_empty(),
        "parts are left in storage"
    );
    drop(room);
    Ok(())
}

async fn analyse_one(page: &Page) -> Result<()> {
    let before = results(page).await?;
    steps::draw(page, &[vec![(0.5, 0.2), (0.5, 0.5), (0.5, 0.8)]]).await?;
    page.click("#analyse:not([disabled])").await?;
    steps::opened(page, 1).await?;
    steps::history(page, before + 1).await
}

async fn results(page: &Page) -> Result<usize> {
    Ok(page.texts("[data-test=history-entry]").await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_it_stops_and_keeps_what_is_there() {
    let room = Room::open().await.unwrap();
    let (page, owner) = with_a_key(&room, "laptop").await.unwrap();
    let watched = page.clone();
    watched
        .watched("large-key-cancelled", cancelled(&room, page, owner))
        .await
        .unwrap();
    watched.close().await.unwrap();
}

async fn cancelled(room: &Room, page: Page, owner: Owner) -> Result<()> {
    room.recorder.hold_uploads(true);
    page.click("#make-large-key").await?;
    some_stored(&owner).await?;
    page.click("#cancel-large-key").await?;
    page.wait_for("#large-key[data-state=absent]").await?;
    room.recorder.hold_uploads(false);
    // What was on its way may still arrive; nothing is made after it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let kept = stored(&owner).await?.len();
    ensure!(
        kept < all_parts(),
        "all {kept} parts were sent all the same"
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(
        stored(&owner).await?.len() == kept,
        "it goes on although it was cancelled"
    );

    // Forgotten, it is gone from the server as well.
    page.click("#forget").await?;
    page.click("#forget-yes").await?;
    page.wait_for("#create-key").await?;
    ensure!(
        stored(&owner).await?.is_empty(),
        "parts are left in storage"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_make_it_once() {
    let room = Room::open().await.unwrap();
    let (page, owner) = with_a_key(&room, "laptop").await.unwrap();
    let watched = page.clone();
    watched
        .watched("two-tabs", two_tabs(&room, page, owner))
        .await
        .unwrap();
    watched.close().await.unwrap();
}

async fn two_tabs(room: &Room, page: Page, owner: Owner) -> Result<()> {
    let first = page.client.window().await?;
    let second = page.client.new_window(true).await?.handle;
    page.client.switch_to_window(second.clone()).await?;
    page.visit().await?;
    steps::choose_model(&page, MODEL).await?;
    page.wait_for("#make-large-key").await?;
    page.client.switch_to_window(first.clone()).await?;
    room.recorder.hold_uploads(true);
    page.click("#make-large-key").await?;
    some_stored(&owner).await?;
    // While the first is at it and cannot end, the second is asked for it as well.
    page.client.switch_to_window(second.clone()).await?;
    page.click("#make-large-key").await?;
    page.wait_for("#large-key[data-state=elsewhere]").await?;
    let before = stored(&owner).await?;
    ensure!(before.len() < all_parts(), "nothing is left to make");
    room.recorder.hold_uploads(false);
    let by_the_second = ready(&page).await?;
    page.client.switch_to_window(first).await?;
    ready(&page).await?;
    ensure!(
        by_the_second == 0,
        "{by_the_second} parts were made by both"
    );
    let after = stored(&owner).await?;
    ensure!(after.len() == all_parts(), "parts are missing");
    ensure!(
        before
            .iter()
            .all(|(id, digest)| after.get(id) == Some(digest)),
        "parts that were there were made again"
    );
    page.client.switch_to_window(second).await?;
    page.client.close_window().await?;
    let last = page.client.windows().await?;
    let last = last.into_iter().next().context("no window left")?;
    Ok(page.client.switch_to_window(last).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_gets_lost_is_made_again_and_the_job_submitted_again() {
    let room = Room::open().await.unwrap();
    let (page, owner) = with_a_key(&room, "laptop").await.unwrap();
    let watched = page.clone();
    watched
        .watched("part-lost", part_lost(room, page, owner))
        .await
        .unwrap();
    watched.close().await.unwrap();
}

async fn part_lost(mut room: Room, page: Page, owner: Owner) -> Result<()> {
    page.click("#make-large-key").await?;
    ready(&page).await?;
    let before = stored(&owner).await?;
    // Compute is away, so that the part is lost between the page's look and compute's.
    room.darkroom.compute.kill()?;
    steps::draw(&page, &[vec![(0.5, 0.2), (0.5, 0.8)]]).await?;
    page.click("#analyse:not([disabled])").await?;
    page.wait_for("#unreachable").await?;
    let lost = *before.keys().next().context("no parts")?;
    owner
        .storage
        .delete(owner.vault, KEYS, lost, &owner.vault_token)
        .await?;
    room.darkroom.compute.start().await?;
    steps::opened(&page, 1).await?;
    let after = stored(&owner).await?;
    ensure!(after.len() == all_parts(), "{} parts", after.len());
    let anew: Vec<_> = after
        .iter()
        .filter(|(id, digest)| before.get(*id) != Some(*digest))
        .collect();
    ensure!(
        matches!(anew[..], [(id, _)] if *id == lost),
        "made anew: {anew:?}, lost: {lost}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linear_model_asks_for_none() {
    let room = Room::open().await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    let watched = page.clone();
    let linear = async move {
        steps::make_key(&page).await?;
        steps::choose_model(&page, "chest-view").await?;
        let hidden =
            "return document.querySelector('#large-key').hidden && !document.querySelector('#pad')";
        page.wait_until("no large key and no pad", hidden, |hidden: Value| {
            hidden == json!(true)
        })
        .await?;
        drop(room);
        Ok::<(), anyhow::Error>(())
    };
    watched.watched("linear", linear).await.unwrap();
    watched.close().await.unwrap();
}
