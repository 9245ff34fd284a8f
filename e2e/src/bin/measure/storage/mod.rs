//! What storage is worth beside programs that do nothing else: nginx for reading, a plain write with
//! fsync for storing. Rounds in turn, on one disk; what the machine does besides falls on all.

mod nginx;
mod rivals;
mod wire;

use anyhow::{Context, Result};
use e2e::services::{Service, storage_alone};
use tempfile::TempDir;

use self::nginx::Nginx;
use self::rivals::{Kept, Run, Vault, plain_writes, reads, writes};
use crate::report;

/// An object, header included: an evaluation key that has come in one piece.
const OBJECT_BYTES: usize = 30_000_000;
const SMALL_BYTES: usize = 2_000;
const ROUNDS: usize = 9;
const AT_ONCE: [usize; 2] = [1, 4];
/// Objects that each reader and each writer takes in a round.
const READS: usize = 8;
const WRITES: usize = 2;
const SMALL_WRITES: usize = 25;

/// All of it.
pub async fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let storage = storage_alone(&folder, &[]).await?;
    let vault = Vault::open(storage.address())?;
    reading(&folder, &storage, &vault).await?;
    writing(&folder, &storage, &vault, OBJECT_BYTES, WRITES)?;
    writing(&folder, &storage, &vault, SMALL_BYTES, SMALL_WRITES)?;
    logging(&vault)?;
    report(
        "storage, most memory of large objects",
        storage.peak_mib()?,
        "MiB",
    );
    Ok(())
}

async fn reading(folder: &TempDir, storage: &Service, vault: &Vault) -> Result<()> {
    let objects = vault.store(4, OBJECT_BYTES)?;
    let root = folder.path().join("storage");
    let Some(nginx) = Nginx::start(&root, &folder.path().join("nginx")).await? else {
        println!("not measured: nginx is not installed (apt-get install nginx-light)");
        return Ok(());
    };
    let files: Vec<String> = files_of(&root, &objects)?;
    for at_once in AT_ONCE {
        let mut runs = Vec::new();
        for _ in 0..ROUNDS {
            let theirs = reads(nginx.address, &files, "", at_once, READS, || {
                nginx.processor_s()
            })?;
            let paths = vault.paths(&objects);
            let ours = reads(
                storage.address(),
                &paths,
                &vault.authorization,
                at_once,
                READS,
                || storage.processor_s(),
            )?;
            runs.push((ours, theirs));
        }
        tell("read", OBJECT_BYTES, at_once, "nginx", &runs);
    }
    vault.delete(&objects)
}

fn writing(
    folder: &TempDir,
    storage: &Service,
    vault: &Vault,
    bytes: usize,
    each: usize,
) -> Result<()> {
    let plain = folder.path().join("plain");
    std::fs::create_dir_all(&plain)?;
    for at_once in AT_ONCE {
        let mut runs = Vec::new();
        for _ in 0..ROUNDS {
            let theirs = plain_writes(&plain, bytes, at_once, each)?;
            let (ours, stored) = writes(vault, bytes, at_once, each, || storage.processor_s())?;
            vault.delete(&stored)?;
            runs.push((ours, theirs));
        }
        tell("stored", bytes, at_once, "a write with fsync", &runs);
    }
    Ok(())
}

/// An object that is there already is stored again: nothing is written but the entry in the log.
fn logging(vault: &Vault) -> Result<()> {
    let (ids, object) = (vault.store(1, SMALL_BYTES)?, vault.object(SMALL_BYTES));
    let mut times = Vec::new();
    for _ in 0..SMALL_WRITES * ROUNDS {
        times.push(vault.put(&mut vault.connection()?, ids[0].id, &object)?);
    }
    report(
        "storage, an entry in the log of a vault",
        crate::median_ms(&mut times),
        "ms",
    );
    vault.delete(&ids)
}

/// Where the objects are on the disk, as nginx is asked for them.
fn files_of(root: &std::path::Path, objects: &[Kept]) -> Result<Vec<String>> {
    let mut folders = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if objects
                .iter()
                .any(|kept| name.to_str() == Some(&kept.id.to_string()))
            {
                let path = entry.path();
                let path = path.strip_prefix(root)?.to_str().context("a name")?;
                files.push(format!("/{path}"));
            }
        }
    }
    anyhow::ensure!(
        files.len() == objects.len(),
        "objects are not files of their name"
    );
    Ok(files)
}

/// The figures of rounds: throughput of both, their ratio within a round, processor time an object.
fn tell(what: &str, bytes: usize, at_once: usize, rival: &str, runs: &[(Run, Run)]) {
    let size = match bytes {
        OBJECT_BYTES => "30 MB".to_owned(),
        bytes => format!("{} kB", bytes / 1000),
    };
    let subject = format!("{size} {what}, {at_once} at once");
    let rate = |run: &Run| run.objects as f64 / run.wall.as_secs_f64();
    let each = |run: &Run| run.processor_s * 1e3 / run.objects as f64;
    let median = |value: &dyn Fn(&(Run, Run)) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ratio = median(&|(ours, theirs)| rate(ours) / rate(theirs));
    report(&format!("{subject}, beside {rival}"), ratio, "");
    report(
        &format!("{subject}, a second"),
        median(&|(ours, _)| rate(ours)),
        "",
    );
    report(
        &format!("{subject}, processor"),
        median(&|(ours, _)| each(ours)),
        "ms",
    );
    report(
        &format!("{subject}, {rival}, a second"),
        median(&|(_, theirs)| rate(theirs)),
        "",
    );
    report(
        &format!("{subject}, {rival}, processor"),
        median(&|(_, theirs)| each(theirs)),
        "ms",
    );
}
