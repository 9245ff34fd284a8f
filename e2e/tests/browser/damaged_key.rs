//! A large key that is damaged where storage keeps it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use darkroom_api::client::Access;
use darkroom_api::header;
use darkroom_api::ids::ObjectId;
use e2e::browser::Page;
use e2e::owner::Owner;

use crate::large_key::{KEYS, all_parts, ready, stored, with_a_key};
use crate::steps::{self, Room};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_large_key_is_made_again_and_the_page_says_why() {
    let room = Room::open().await.unwrap();
    let (page, owner) = with_a_key(&room, "laptop").await.unwrap();
    let watched = page.clone();
    watched
        .watched("key-damaged", damaged(room, page, owner))
        .await
        .unwrap();
    watched.close().await.unwrap();
}

async fn damaged(room: Room, page: Page, owner: Owner) -> Result<()> {
    page.click("#make-large-key").await?;
    ready(&page).await?;
    let before = stored(&owner).await?;
    let files = before
        .keys()
        .map(|id| file_of(&room, *id))
        .collect::<Result<Vec<PathBuf>>>()?;
    // Storage sees that one is cut short and leaves it out of lists, so the page makes it again at
    // once. That a bit is another one in the middle of the other, only compute can see.
    OpenOptions::new()
        .write(true)
        .open(&files[3])?
        .set_len(1000)?;
    flip(&files[9], 200_000)?;

    steps::draw(&page, &[vec![(0.5, 0.2), (0.5, 0.8)]]).await?;
    page.click("#analyse:not([disabled])").await?;
    let said = "return document.querySelector('[data-test=large-key-first]')?.textContent ?? ''";
    page.wait_until("what is wrong with the large key", said, |said| {
        let said = said.as_str().unwrap_or_default();
        said.contains("damaged") && said.contains("nothing is lost")
    })
    .await?;
    page.photograph("large-key-damaged").await?;
    steps::opened(&page, 1).await?;
    let shown = page.wait_for("#large-key[data-state=ready]").await?;
    let shown = shown.text().await?;
    ensure!(shown.contains("damaged on the server"), "{shown:?}");

    steps::history(&page, 1).await?;
    all_are_new_and_whole(&owner, &before).await
}

async fn all_are_new_and_whole(owner: &Owner, before: &BTreeMap<ObjectId, String>) -> Result<()> {
    let after = stored(owner).await?;
    ensure!(after.len() == all_parts(), "{} parts", after.len());
    for (id, digest) in &after {
        ensure!(before.get(id) != Some(digest), "{id} is the old one");
        let access = Access::Owner(&owner.vault_token);
        let object = owner
            .storage
            .object(owner.vault, KEYS, *id, access, 4 << 20);
        header::open(&object.await?, KEYS)?;
    }
    Ok(())
}

/// Where storage keeps a part.
fn file_of(room: &Room, id: ObjectId) -> Result<PathBuf> {
    let name = format!("{}/{id}", KEYS.segment());
    let folder = room.darkroom.folder().join("storage");
    find(&folder, &name)?.with_context(|| format!("no {name} in {}", folder.display()))
}

fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.ends_with(name) {
            return Ok(Some(path));
        }
        if path.is_dir()
            && let Some(found) = find(&path, name)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Turns one bit over.
fn flip(file: &Path, at: u64) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1;
    Ok(file.write_all_at(&byte, at)?)
}
