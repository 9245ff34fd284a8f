//! Clients of storage and of nginx, and writers without either.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::{KeyId, ObjectId, VaultId};
use darkroom_api::routes;
use darkroom_api::token::Token;
use darkroom_fhe::seed::Randomness;

use super::wire::{Connection, connect};

const KIND: ObjectKind = ObjectKind::EvaluationKey;

/// What a number of clients did together.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub wall: Duration,
    /// Of the server, or of the writers where there is none.
    pub processor_s: f64,
    pub objects: usize,
}

/// An object that is there.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    pub id: ObjectId,
}

/// A vault and how it is asked.
pub struct Vault {
    address: SocketAddr,
    id: VaultId,
    pub authorization: String,
}

impl Vault {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let mut randomness = Randomness::system()?;
        let vault = Self {
            address,
            id: VaultId(randomness.bytes()),
            authorization: Token::new(randomness.bytes()).authorization(),
        };
        let path = routes::vault(vault.id);
        let opened = vault
            .connection()?
            .ask("PUT", &path, &vault.authorization, b"")?;
        ensure!(opened.status == 201, "no vault: {opened:?}");
        Ok(vault)
    }

    pub fn connection(&self) -> Result<Connection> {
        Ok(Connection::new(connect(self.address)?))
    }

    /// An object of so many bytes, header included.
    pub fn object(&self, bytes: usize) -> Vec<u8> {
        let payload = bytes - header::HEADER_BYTES;
        let payload: Vec<u8> = (0..payload)
            .map(|at| ((at * at) >> 7).to_le_bytes()[0])
            .collect();
        header::seal(KIND, ParameterSetId(1), KeyId([7; 16]), &payload)
    }

    /// Stores one; how long that took.
    pub fn put(&self, to: &mut Connection, id: ObjectId, object: &[u8]) -> Result<Duration> {
        let path = routes::object(self.id, KIND, id);
        let began = Instant::now();
        let answer = to.ask("PUT", &path, &self.authorization, object)?;
        ensure!(matches!(answer.status, 200 | 201), "not stored: {answer:?}");
        Ok(began.elapsed())
    }

    pub fn store(&self, count: usize, bytes: usize) -> Result<Vec<Kept>> {
        let (object, mut to) = (self.object(bytes), self.connection()?);
        let mut kept = Vec::new();
        for _ in 0..count {
            let id = draw()?;
            self.put(&mut to, id, &object)?;
            kept.push(Kept { id });
        }
        Ok(kept)
    }

    pub fn paths(&self, objects: &[Kept]) -> Vec<String> {
        let path = |kept: &Kept| routes::object(self.id, KIND, kept.id);
        objects.iter().map(path).collect()
    }

    pub fn delete(&self, objects: &[Kept]) -> Result<()> {
        let mut to = self.connection()?;
        for path in self.paths(objects) {
            let answer = to.ask("DELETE", &path, &self.authorization, b"")?;
            ensure!(answer.status == 204, "not deleted: {answer:?}");
        }
        Ok(())
    }
}

fn draw() -> Result<ObjectId> {
    Ok(ObjectId(Randomness::system()?.bytes()))
}

/// Reads objects, some of them at once; all are in the page cache.
pub fn reads(
    address: SocketAddr,
    paths: &[String],
    authorization: &str,
    at_once: usize,
    each: usize,
    processor_s: impl Fn() -> Result<f64>,
) -> Result<Run> {
    let reader = |place: usize, start: &Barrier| -> Result<()> {
        let connected = connect(address);
        start.wait();
        let mut from = Connection::new(connected?);
        for turn in 0..each {
            let path = &paths[(place + turn) % paths.len()];
            let answer = from.ask("GET", path, authorization, b"")?;
            ensure!(
                answer.status == 200 && answer.bytes == super::OBJECT_BYTES,
                "{answer:?}"
            );
        }
        Ok(())
    };
    together(at_once, each, processor_s, reader)
}

/// Stores new objects, some of them at once.
pub fn writes(
    vault: &Vault,
    bytes: usize,
    at_once: usize,
    each: usize,
    processor_s: impl Fn() -> Result<f64>,
) -> Result<(Run, Vec<Kept>)> {
    let object = vault.object(bytes);
    let ids = (0..at_once * each)
        .map(|_| draw())
        .collect::<Result<Vec<_>>>()?;
    let writer = |place: usize, start: &Barrier| -> Result<()> {
        let connected = vault.connection();
        start.wait();
        let mut to = connected?;
        for id in &ids[place * each..(place + 1) * each] {
            vault.put(&mut to, *id, &object)?;
        }
        Ok(())
    };
    let run = together(at_once, each, processor_s, writer)?;
    Ok((run, ids.into_iter().map(|id| Kept { id }).collect()))
}

/// Writes files with fsync, and that alone: neither their folder is synced nor a digest taken.
pub fn plain_writes(folder: &Path, bytes: usize, at_once: usize, each: usize) -> Result<Run> {
    let content: Vec<u8> = (0..bytes)
        .map(|at| ((at * at) >> 7).to_le_bytes()[0])
        .collect();
    let file = |number: usize| folder.join(number.to_string());
    let writer = |place: usize, start: &Barrier| -> Result<()> {
        start.wait();
        for number in place * each..(place + 1) * each {
            let mut file = File::create_new(file(number))?;
            file.write_all(&content)?;
            file.sync_all()?;
        }
        Ok(())
    };
    let run = together(at_once, each, own_processor_s, writer)?;
    for number in 0..at_once * each {
        std::fs::remove_file(file(number))?;
    }
    Ok(run)
}

fn own_processor_s() -> Result<f64> {
    e2e::process::processor_s(std::process::id())
}

fn together(
    at_once: usize,
    each: usize,
    processor_s: impl Fn() -> Result<f64>,
    work: impl Fn(usize, &Barrier) -> Result<()> + Sync,
) -> Result<Run> {
    let start = Barrier::new(at_once + 1);
    let before = processor_s()?;
    let wall = thread::scope(|scope| {
        let (start, work) = (&start, &work);
        let workers: Vec<_> = (0..at_once)
            .map(|place| scope.spawn(move || work(place, start)))
            .collect();
        start.wait();
        let began = Instant::now();
        for worker in workers {
            worker
                .join()
                .map_err(|_| anyhow!("a client broke down"))??;
        }
        anyhow::Ok(began.elapsed())
    })?;
    Ok(Run {
        wall,
        processor_s: processor_s()? - before,
        objects: at_once * each,
    })
}
