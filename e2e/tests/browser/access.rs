//! Who gets in: an invitation, a rotated token and a device that missed it, a token for a colleague,
//! and the log that tells of all this.

use anyhow::{Context, Result, ensure};
use darkroom_api::audit::EntryHash;
use darkroom_api::client::Storage;
use darkroom_api::ids::VaultId;
use darkroom_api::token::Token;
use darkroom_fhe::keys::ClientKey;
use e2e::browser::Page;
use e2e::services::Plan;
use serde_json::json;

use crate::steps::{self, Room};
use crate::{pictures, secrecy};

#[tokio::test(flavor = "multi_thread")]
async fn invited_rotated_found_again_and_written_down() {
    let plan = Plan {
        storage: &[("OPENING", "invitation")],
        ..Plan::default()
    };
    let mut room = Room::open_as(plan).await.unwrap();
    let page = room.visit("desk").await.unwrap();
    page.watched("access", access(&mut room, &page))
        .await
        .unwrap();
    page.close().await.unwrap();
}

async fn access(room: &mut Room, page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = pictures::coloured(folder.path());
    page.wait_for("#create-key").await?;
    let key = steps::make_key(page).await?;
    invited(room, page).await?;
    steps::add_pictures(page, &files[..1]).await?;
    steps::choose_model(page, "scan-type").await?;
    steps::analyse(page, "scan-type", 1).await?;

    let words = steps::back_up(page).await?;
    rotate(page).await?;
    rotate(page).await?;
    // This device remembers it, and is not asked for an invitation again.
    page.visit().await?;
    ensure!(steps::key_here(page).await? == key, "another key");
    steps::history(page, 1).await?;
    ensure!(page.texts("#invitation").await?.is_empty(), "invited again");

    // Another one does not know it, and finds it.
    let phone = room.visit("phone").await?;
    phone.client.set_window_size(400, 850).await?;
    ensure!(steps::restore(&phone, &words).await? == key, "another key");
    steps::history(&phone, 1).await?;
    ensure!(
        steps::open_history(&phone, 1).await?.len() == 1,
        "no result"
    );

    let owner = ClientKey::from_master(secrecy::master_of(&words)?);
    let vault = VaultId(owner.vault_id());
    let storage = Storage::new(&room.darkroom.storage_url())?;
    let opens = async |token: &Token| storage.vault(vault, token).await.is_ok();
    ensure!(
        opens(&Token::new(owner.vault_token(2))).await,
        "not rotated twice"
    );
    ensure!(
        !opens(&Token::new(owner.vault_token(0))).await,
        "the old one opens"
    );

    let colleague = make_token(page).await?;
    ensure!(
        opens(&colleague).await,
        "the colleague's token does not open"
    );
    check_log(page).await?;
    page.photograph("access-log").await?;
    page.click("[data-test=revoke]").await?;
    page.click("[data-test=revoke-yes]").await?;
    page.wait_for("[data-test=token][data-live=false]").await?;
    ensure!(!opens(&colleague).await, "a revoked token opens");

    // The same on the phone, where the log is seen for the first time, and then again.
    phone.click("#access").await?;
    phone.wait_for("#space-used").await?;
    phone.photograph("access-on-a-phone").await?;
    check_log(&phone).await?;
    steps::show(&phone, "#token-make").await?;
    phone.photograph("access-tokens-on-a-phone").await?;
    steps::show(&phone, "#log-verdict").await?;
    phone.photograph("access-log-on-a-phone").await?;
    phone.click("#log-read").await?;
    let past = "return document.querySelector('#log-past').innerText";
    let held = |text: serde_json::Value| text.as_str().is_some_and(|t| t.contains("still holds"));
    phone
        .wait_until("the past to be compared", past, held)
        .await?;
    room.darkroom.storage.stop().await?;
    rewrite(room)?;
    room.darkroom.storage.start().await?;
    phone.visit().await?;
    phone.click("#access").await?;
    phone.click("#log-read").await?;
    phone.wait_for("#log-verdict[data-chain=broken]").await?;
    phone.photograph("access-rewritten-on-a-phone").await?;
    phone.close().await
}

/// Gives a wrong invitation and then a right one.
async fn invited(room: &Room, page: &Page) -> Result<()> {
    let field = page.wait_for("#invitation-text").await?;
    page.photograph("access-invitation").await?;
    steps::phone_view(page, "access-invitation-on-a-phone", "#invitation").await?;
    let fault = "return document.querySelector('#invitation-fault').innerText";
    for (wrong, words) in [
        ("let me in", "64 characters"),
        (&"ab".repeat(32), "not good"),
    ] {
        field.clear().await?;
        field.send_keys(wrong).await?;
        page.click("#invitation-give").await?;
        let told = |text: serde_json::Value| text.as_str().is_some_and(|t| t.contains(words));
        page.wait_until(words, fault, told).await?;
    }
    field.clear().await?;
    field.send_keys(&room.darkroom.invite()?).await?;
    page.click("#invitation-give").await?;
    page.wait_gone("#invitation").await
}

async fn rotate(page: &Page) -> Result<()> {
    page.click("#access").await?;
    page.click("#rotate").await?;
    page.click("#rotate-yes").await?;
    page.wait_for("#rotated").await?;
    page.photograph("access-rotated").await?;
    page.click("#access-dialog .close").await?;
    page.wait_gone("#access-dialog").await
}

/// Makes a token in the dialog, which stays open.
async fn make_token(page: &Page) -> Result<Token> {
    page.click("#access").await?;
    page.click("#scope-read").await?;
    let label = page.wait_for("#token-label").await?;
    label.send_keys("Dr Second Opinion").await?;
    page.click("#token-make").await?;
    let secret = page.wait_for("#token-secret").await?.text().await?;
    steps::show(page, "#made-token").await?;
    page.photograph("access-token").await?;
    page.click("#token-done").await?;
    page.wait_gone("#token-secret").await?;
    let listed = page.texts("[data-test=token]").await?.join("\n");
    ensure!(listed.contains("Dr Second Opinion"), "{listed}");
    secret.trim().parse().context("no token is shown")
}

async fn check_log(page: &Page) -> Result<()> {
    page.click("#log-read").await?;
    page.wait_for("#log-verdict[data-chain=holds]").await?;
    while page.texts("#log-older").await?.len() == 1 {
        let count = "return document.querySelectorAll('[data-test=log-entry]').length";
        let before = page.client.execute(count, Vec::new()).await?;
        page.click("#log-older").await?;
        page.wait_until("older entries", count, |now| now != before)
            .await?;
    }
    let log = page.texts("[data-test=log-entry]").await?.join("\n");
    for words in [
        "You opened this place.",
        "You rotated the token.",
        "You made a token for others.",
        "Someone with an old token of yours was refused",
        "“Dr Second Opinion” asked how full it is",
    ] {
        ensure!(log.contains(words), "{words}: {log}");
    }
    Ok(())
}

/// Puts another past in the place of the log, as whoever runs storage could: all of it is one chain.
fn rewrite(room: &Room) -> Result<()> {
    let logs = room.darkroom.folder().join("storage/logs");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&logs).context("no logs")? {
        for file in std::fs::read_dir(folder?.path())? {
            files.push(file?.path());
        }
    }
    files.sort();
    let mut previous = EntryHash::default();
    for file in files {
        let mut text = String::new();
        for line in std::fs::read_to_string(&file)?.lines() {
            let mut entry: serde_json::Value = serde_json::from_str(line)?;
            entry["time_ms"] = json!(1_000);
            entry["previous_sha256"] = json!(previous.to_string());
            let line = entry.to_string();
            previous = EntryHash::of(&line);
            text = text + &line + "\n";
        }
        std::fs::write(&file, text)?;
    }
    Ok(())
}
