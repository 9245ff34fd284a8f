//! Many clients at once, each with a vault of its own: uploads of mixed sizes and lists, through the
//! gateway and at storage itself. Whatever is not done is an error.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use darkroom_api::client::{Access, ClientError, Storage};
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::{KeyId, ObjectId, VaultId};
use darkroom_api::token::Token;
use darkroom_fhe::seed::Randomness;
use e2e::services::Darkroom;
use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::report;

const CLIENTS: usize = 500;
/// What each of them stores, one after the other.
const SIZES: [usize; 6] = [2_000, 82_000, 2_000, 400_000, 82_000, 2_000_000];

/// What one client saw.
#[derive(Default)]
struct Seen {
    uploads: Vec<Duration>,
    lists: Vec<Duration>,
    errors: BTreeMap<String, usize>,
}

pub async fn measure(darkroom: &Darkroom) -> Result<()> {
    // Each client has a connection, and so have the services.
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit })?;
    darkroom.gateway.settled().await?;
    let objects: Arc<Vec<Vec<u8>>> = Arc::new(SIZES.iter().map(|&bytes| object(bytes)).collect());
    for (way, url) in [
        ("directly", darkroom.storage.url()),
        ("through the gateway", darkroom.storage_url()),
    ] {
        let began = Instant::now();
        let before = darkroom.storage.processor_s()?;
        let clients = (0..CLIENTS).map(|number| {
            let (url, objects) = (url.clone(), Arc::clone(&objects));
            tokio::spawn(async move { client(&url, &objects, number).await })
        });
        let mut all = Seen::default();
        for seen in join_all(clients).await {
            let seen = seen??;
            all.uploads.extend(seen.uploads);
            all.lists.extend(seen.lists);
            for (error, count) in seen.errors {
                *all.errors.entry(error).or_default() += count;
            }
        }
        let subject = format!("{CLIENTS} clients {way}");
        let wall = began.elapsed().as_secs_f64();
        tell(&subject, "upload", &mut all.uploads)?;
        tell(&subject, "list", &mut all.lists)?;
        let errors: usize = all.errors.values().sum();
        report(&format!("{subject}, errors"), errors as f64, "");
        for (error, count) in &all.errors {
            println!("{count} times: {error}");
        }
        let bytes = CLIENTS * SIZES.iter().sum::<usize>();
        report(
            &format!("{subject}, stored"),
            bytes as f64 / wall / 1e6,
            "MB/s",
        );
        let used = darkroom.storage.processor_s()? - before;
        report(&format!("{subject}, processor of storage"), used, "s");
        let memory = darkroom.storage.peak_mib()?;
        report(&format!("{subject}, most memory of storage"), memory, "MiB");
    }
    let memory = darkroom.gateway.peak_mib()?;
    report(
        &format!("{CLIENTS} clients, most memory of the gateway"),
        memory,
        "MiB",
    );
    Ok(())
}

fn object(bytes: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..bytes)
        .map(|at| ((at * at) >> 5).to_le_bytes()[0])
        .collect();
    header::seal(
        ObjectKind::Image,
        ParameterSetId(1),
        KeyId([7; 16]),
        &payload,
    )
}

async fn client(url: &str, objects: &[Vec<u8>], number: usize) -> Result<Seen> {
    let mut randomness = Randomness::system()?;
    let ids: Vec<_> = objects
        .iter()
        .map(|_| ObjectId(randomness.bytes()))
        .collect();
    let storage = Storage::new(url)?;
    let (vault, token) = (VaultId(randomness.bytes()), Token::new(randomness.bytes()));
    let mut seen = Seen::default();
    if let Err(error) = storage.open_vault(vault, &token).await {
        seen.note(&error);
        return Ok(seen);
    }
    let mut stored = 0;
    // Not all the same size at the same time.
    for turn in 0..objects.len() {
        let object = objects[(turn + number) % objects.len()].clone();
        let (id, access) = (ids[turn], Access::Owner(&token));
        let began = Instant::now();
        match storage
            .put(vault, ObjectKind::Image, id, access, object)
            .await
        {
            Ok(_) => {
                seen.uploads.push(began.elapsed());
                stored += 1;
            }
            Err(error) => seen.note(&error),
        }
        let began = Instant::now();
        match storage.list(vault, ObjectKind::Image, &token).await {
            Ok(listed) => {
                seen.lists.push(began.elapsed());
                ensure!(
                    listed.len() == stored,
                    "{} listed of {stored}",
                    listed.len()
                );
            }
            Err(error) => seen.note(&error),
        }
    }
    Ok(seen)
}

impl Seen {
    fn note(&mut self, error: &ClientError) {
        *self.errors.entry(error.to_string()).or_default() += 1;
    }
}

fn tell(subject: &str, what: &str, times: &mut [Duration]) -> Result<()> {
    times.sort();
    for hundredth in [50, 99] {
        let time = times.get(times.len() * hundredth / 100);
        let ms = time.context("nothing was done")?.as_secs_f64() * 1e3;
        report(&format!("{subject}, {what}, p{hundredth}"), ms, "ms");
    }
    Ok(())
}
