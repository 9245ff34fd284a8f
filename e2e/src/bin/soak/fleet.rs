//! All processes: the services, and on a bucket its server and PostgreSQL.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use darkroom_api::client::{Compute, Storage};
use darkroom_api::routes::{GATEWAY_COMPUTE, GATEWAY_STORAGE};
use e2e::postgres::Postgres;
use e2e::services::Service;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::bucket;
use crate::dice::Dice;
use crate::pace::Pace;

/// Ports that no outgoing connection is given, so that a process finds its own again.
const PORTS: (u16, u16) = (20_000, 32_000);
/// How long a process may take until it is there, whatever else is down.
const START: Duration = Duration::from_secs(120);
/// More than any job here is begun: what ends after so many attempts is a fault.
const ATTEMPTS: &str = "200";
/// What the gateway takes for a page.
const PAGE: &str =
    "<!doctype html><title>Soak</title><script nonce=\"{{__TRUNK NONCE__}}\"></script>";
/// Of a vault. Little enough that one more object than fits is quickly sent.
pub const VAULT_BYTES: u64 = 24 << 20;

/// Where everything is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// A folder and SQLite, one process of each service.
    Disk,
    /// A bucket and PostgreSQL, two processes of each service.
    S3,
}

/// One process and what is known of it.
pub struct Node {
    pub kind: &'static str,
    pub name: String,
    pub running: Mutex<Running>,
}

pub enum Running {
    Service(Service),
    Postgres { server: Postgres, is_up: bool },
}

/// The way of a client to the services, through one gateway.
#[derive(Clone)]
pub struct Way {
    pub storage: Storage,
    pub compute: Compute,
}

pub struct Fleet {
    pub store: Store,
    pub nodes: Vec<Node>,
    pub ways: Vec<Way>,
    /// Storage without a gateway.
    pub storages: Vec<Storage>,
    pub folder: TempDir,
}

struct Wiring<'a> {
    folder: &'a TempDir,
    models: &'a Path,
    pace: &'a Pace,
    dice: &'a Dice,
}

impl Fleet {
    /// Starts everything; `None` where there is no PostgreSQL and it is needed.
    pub async fn start(
        store: Store,
        models: &Path,
        pace: &Pace,
        dice: &Dice,
    ) -> Result<Option<Self>> {
        let folder = tempfile::Builder::new().prefix("soak").tempdir()?;
        let page = folder.path().join("page");
        std::fs::create_dir(&page)?;
        std::fs::write(page.join("index.html"), PAGE)?;
        let wiring = Wiring {
            folder: &folder,
            models,
            pace,
            dice,
        };
        let mut nodes = Vec::new();
        let mut database = text(&folder.path().join("jobs.sqlite"))?;
        let mut bucket = None;
        if store == Store::S3 {
            let Some(postgres) = tokio::task::block_in_place(|| Postgres::start(&[])) else {
                return Ok(None);
            };
            database = postgres.database();
            let running = Running::Postgres {
                server: postgres,
                is_up: true,
            };
            nodes.push(node("PostgreSQL", running, 0));
            let server = wiring
                .service("soak", "s3")
                .await?
                .with("BUCKET_ROOT", &text(&folder.path().join("bucket"))?);
            bucket = Some(server.url());
            nodes.push(node("S3", Running::Service(server), 0));
        }
        let count = if store == Store::S3 { 2 } else { 1 };
        let mut storages = Vec::new();
        for number in 0..count {
            let storage = wiring.storage(number, bucket.as_deref()).await?;
            storages.push(storage.url());
            nodes.push(node("storage", Running::Service(storage), number));
        }
        let mut computes = Vec::new();
        for number in 0..count {
            // Crosswise, so that everybody meets everybody.
            let storage = &storages[(number + 1) % count];
            let compute = wiring.compute(number, storage, &database).await?;
            computes.push(compute.url());
            nodes.push(node("compute", Running::Service(compute), number));
        }
        let mut ways = Vec::new();
        for (number, (storage, compute)) in storages.iter().zip(&computes).enumerate() {
            let gateway = wiring.gateway(number, &page, storage, compute).await?;
            ways.push(Way::through(&gateway.url())?);
            nodes.push(node("gateway", Running::Service(gateway), number));
        }
        for node in &nodes {
            node.running.lock().await.stand_up(&mut |_| ()).await?;
        }
        let storages = storages.iter().map(|url| Ok(Storage::new(url)?));
        Ok(Some(Self {
            store,
            nodes,
            ways,
            storages: storages.collect::<Result<_>>()?,
            folder,
        }))
    }

    /// The folder of the store.
    pub fn kept(&self) -> PathBuf {
        match self.store {
            Store::Disk => self.folder.path().join("storage"),
            Store::S3 => self.folder.path().join("bucket").join(bucket::NAME),
        }
    }

    /// What the services said when they broke.
    pub async fn panics(&self) -> Vec<String> {
        let mut panics = Vec::new();
        for node in &self.nodes {
            if let Running::Service(service) = &*node.running.lock().await {
                let log = service.log();
                let lines = log.lines().filter(|line| line.contains("panicked at"));
                panics.extend(lines.map(|line| format!("{}: {line}", node.name)));
            }
        }
        panics
    }
}

impl Way {
    fn through(gateway: &str) -> Result<Self> {
        Ok(Self {
            storage: Storage::new(&format!("{gateway}{GATEWAY_STORAGE}"))?,
            compute: Compute::new(&format!("{gateway}{GATEWAY_COMPUTE}"))?,
        })
    }
}

impl Running {
    /// Starts it until it stands. What it needs may be down as well, and then it ends at once.
    pub async fn stand_up(&mut self, failed: &mut impl FnMut(&anyhow::Error)) -> Result<()> {
        let service = match self {
            Self::Postgres { server, is_up } => {
                if !std::mem::replace(is_up, true) {
                    tokio::task::block_in_place(|| server.start_again());
                }
                return Ok(());
            }
            Self::Service(service) => service,
        };
        let began = Instant::now();
        loop {
            match service.start().await {
                Ok(()) => return Ok(()),
                Err(error) if began.elapsed() < START => failed(&error),
                Err(error) => return Err(error.context("it does not start any more")),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub fn kill(&mut self) -> Result<()> {
        match self {
            Self::Service(service) => service.kill(),
            Self::Postgres { server, is_up } => {
                *is_up = false;
                tokio::task::block_in_place(|| server.kill());
                Ok(())
            }
        }
    }

    pub fn hold_still(&self, still: bool) -> Result<()> {
        match self {
            Self::Service(service) => service.hold_still(still),
            Self::Postgres { server, .. } => {
                tokio::task::block_in_place(|| server.freeze(still));
                Ok(())
            }
        }
    }

    pub async fn stop(&mut self) -> Result<()> {
        match self {
            Self::Service(service) => service.stop().await,
            Self::Postgres { server, is_up } => {
                *is_up = false;
                tokio::task::block_in_place(|| server.stop());
                Ok(())
            }
        }
    }
}

impl Wiring<'_> {
    async fn service(&self, program: &str, name: &str) -> Result<Service> {
        let address = self.free_address()?;
        Ok(Service::alone(program, name, self.folder, address))
    }

    async fn storage(&self, number: usize, bucket: Option<&str>) -> Result<Service> {
        let name = format!("storage-{number}");
        let pace = self.pace;
        let service = self.service("backend-storage", &name).await?;
        let service = service
            .with("UPLOAD__IDLE_MS", &ms(pace.upload))
            .with("UPLOAD__TOTAL_MS", &ms(pace.upload))
            .with("SWEEP__EVERY_MS", &ms(pace.sweep_every))
            .with("SWEEP__OLDER_THAN_MS", &ms(pace.swept))
            .with("LIMITS__VAULT_BYTES", &VAULT_BYTES.to_string())
            .with("STOP_MS", "5000");
        let Some(endpoint) = bucket else {
            let kept = self.folder.path().join("storage");
            return Ok(service.with("DATA_DIR", &text(&kept)?));
        };
        Ok(service
            .with("S3__BUCKET", bucket::NAME)
            .with("S3__ENDPOINT", endpoint)
            .with("S3__ALLOW_HTTP", "true")
            .with("S3__ACCESS_KEY_ID", bucket::ACCESS_KEY_ID)
            .with("S3__SECRET_ACCESS_KEY", bucket::SECRET_ACCESS_KEY))
    }

    async fn compute(&self, number: usize, storage: &str, database: &str) -> Result<Service> {
        let name = format!("compute-{number}");
        let service = self.service("backend-compute", &name).await?;
        Ok(service
            .with("STORAGE_URL", storage)
            .with("DATABASE", database)
            .with("MODELS", &serde_json::to_string(&[self.models])?)
            .with("DRAIN_MS", "3000")
            .with("QUEUE__LEASE_MS", &ms(self.pace.lease))
            .with("QUEUE__ATTEMPTS_MAX", ATTEMPTS)
            .with("QUEUE__POLL_MS", "200")
            .with("QUEUE__RETRY_PAUSE_MS", "100")
            .with("STORAGE__PATIENCE_MS", "5000"))
    }

    async fn gateway(
        &self,
        number: usize,
        page: &Path,
        storage: &str,
        compute: &str,
    ) -> Result<Service> {
        let service = self
            .service("gateway", &format!("gateway-{number}"))
            .await?;
        Ok(service
            .with("PAGE_DIR", &text(page)?)
            .with("STORAGE_URL", storage)
            .with("COMPUTE_URL", compute))
    }

    fn free_address(&self) -> Result<SocketAddr> {
        let (first, last) = PORTS;
        for _ in 0..100 {
            let offset = u16::try_from(self.dice.below(usize::from(last - first)))?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, first + offset));
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        bail!("no port is free")
    }
}

fn node(kind: &'static str, running: Running, number: usize) -> Node {
    Node {
        kind,
        name: format!("{kind} {number}"),
        running: Mutex::new(running),
    }
}

fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path is not Unicode")?.to_owned())
}
