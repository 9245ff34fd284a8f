//! The whole way as one person goes it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_fhe::keys::ClientKey;
use e2e::browser::Page;
use e2e::owner::Owner;
use serde_json::json;

use crate::pictures;
use crate::secrecy;
use crate::steps::{self, Room, Shown};

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_visit_to_a_restored_device() {
    let room = Room::open().await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    page.watched("journey", journey(&room, &page))
        .await
        .unwrap();
    page.close().await.unwrap();
}

async fn journey(room: &Room, page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = pictures::coloured(folder.path());

    page.wait_for("#create-key").await?;
    page.photograph("1-first-visit").await?;
    let key = steps::make_key(page).await?;
    let words = page
        .wait_for("#fingerprint")
        .await?
        .attr("data-words")
        .await?;

    // Several pictures at once, and every model that is there.
    steps::add_pictures(page, &files).await?;
    page.photograph("2-pictures").await?;
    let models = ["chest-view", "scan-type"];
    let mut told: Vec<Shown> = Vec::new();
    for id in models {
        steps::choose_model(page, id).await?;
        let open = steps::analyse(page, id, files.len()).await?;
        let model = pictures::model(id);
        let fresh: Vec<Shown> = open
            .iter()
            .filter(|shown| !told.contains(shown))
            .cloned()
            .collect();
        ensure!(fresh.len() == files.len(), "{id}: {} results", fresh.len());
        for shown in &fresh {
            let file = files.iter().find(|file| file.ends_with(&shown.name));
            let expected = pictures::twin(&model, file.with_context(|| shown.name.clone())?);
            pictures::assert_close(shown, &expected, &model);
        }
        told.extend(fresh);
    }
    page.photograph("3-results").await?;
    steps::phone_view(page, "4-results-on-a-phone", "[data-test=result]").await?;

    // Loaded again: the same key, the same history, the same answers.
    let entries = told.len();
    page.visit().await?;
    ensure!(
        steps::key_here(page).await? == key,
        "another key after a reload"
    );
    let again = page
        .wait_for("#fingerprint")
        .await?
        .attr("data-words")
        .await?;
    ensure!(again == words, "another fingerprint after a reload");
    steps::history(page, entries).await?;
    page.photograph("5-history-after-reload").await?;
    assert_same(&steps::open_history(page, entries).await?, &told)?;

    // Backed up, wiped, and brought back by the words.
    let words = steps::back_up(page).await?;
    page.photograph("6-backed-up").await?;
    steps::forget(page).await?;
    wipe(page).await?;
    page.visit().await?;
    page.wait_for("#create-key").await?;
    ensure!(
        page.texts("[data-test=history-entry]").await?.is_empty(),
        "a history without a key"
    );
    ensure!(
        steps::restore(page, &words).await? == key,
        "the words gave another key"
    );
    steps::history(page, entries).await?;
    page.photograph("7-restored").await?;
    assert_same(&steps::open_history(page, entries).await?, &told)?;

    // Another device with the same words sees the same.
    let phone = room.visit("phone").await?;
    phone.client.set_window_size(400, 850).await?;
    ensure!(
        steps::restore(&phone, &words).await? == key,
        "another key on the phone"
    );
    steps::history(&phone, entries).await?;
    phone.photograph("8-on-a-phone").await?;
    phone.close().await?;

    let master = secrecy::master_of(&words)?;
    secrecy::nothing_secret_was_sent(room, page, &master, &words).await?;
    delete_everything(room, page, &master).await
}

/// Deletion on the page deletes in storage.
async fn delete_everything(room: &Room, page: &Page, master: &[u8; 32]) -> Result<()> {
    let owner = Owner::with_key(&room.darkroom, ClientKey::from_master(*master)).await?;
    let results = || {
        owner
            .storage
            .list(owner.vault, ObjectKind::Result, &owner.vault_token)
    };
    let before = results().await?.len();
    page.click("[data-test=history-entry] [data-test=delete]")
        .await?;
    page.click("#ask-yes").await?;
    steps::history(page, before - 1).await?;
    ensure!(
        results().await?.len() == before - 1,
        "deleted on the page only"
    );
    page.click("#delete-all").await?;
    page.click("#ask-yes").await?;
    steps::history(page, 0).await?;
    // Storage knows nothing of the vault any more: no image, no result, no note.
    let gone = results().await.err().context("the vault is still there")?;
    let kind = gone.problem().map(|problem| problem.kind);
    ensure!(kind == Some(ProblemType::Unauthorized), "{gone}");
    Ok(())
}

/// The same results, in whatever order.
fn assert_same(found: &[Shown], expected: &[Shown]) -> Result<()> {
    let key = |shown: &Shown| {
        (
            shown.name.clone(),
            format!("{:?}", shown.scores),
            shown.label.clone(),
        )
    };
    let found: BTreeSet<_> = found.iter().map(key).collect();
    let expected: BTreeSet<_> = expected.iter().map(key).collect();
    ensure!(found == expected, "{found:#?} instead of {expected:#?}");
    Ok(())
}

/// Everything that the browser keeps for the page, gone.
async fn wipe(page: &Page) -> Result<()> {
    let script = "for (const { name } of await indexedDB.databases()) \
                  await new Promise(done => { const r = indexedDB.deleteDatabase(name); \
                  r.onsuccess = r.onerror = r.onblocked = done; }); \
                  localStorage.clear(); sessionStorage.clear(); \
                  const root = await navigator.storage.getDirectory(); \
                  for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });";
    page.run(script, vec![json!(null)]).await?;
    Ok(())
}
