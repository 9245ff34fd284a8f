//! A storage, a folder of models, owners with images, and compute to run.

pub mod key;
pub mod model;
pub mod postgres;
pub mod process;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use backend_compute::config::Database;
use backend_compute::{Config, Handle, serve};
use darkroom_api::client::{Access, ClientError, Compute as Client, Storage as StorageClient};
use darkroom_api::compute::{ItemRef, Job, State, SubmitJob};
use darkroom_api::header::{ObjectKind, ParameterSetId, seal};
use darkroom_api::ids::{JobId, KeyId, ObjectId, VaultId};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use darkroom_api::token::Token;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Longer than any test.
pub const AN_HOUR_MS: u64 = 3_600_000;

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Everything but compute itself.
pub struct World {
    pub folder: TempDir,
    pub storage: Storage,
}

impl World {
    /// With a running storage and one model, `linear`, of 128 x 128 pixels.
    pub async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        model::write(&folder.path().join("models/linear"), 128, 128);
        let storage = Storage::start(folder.path().join("storage")).await;
        Self { folder, storage }
    }

    pub fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    pub fn database_file(&self) -> PathBuf {
        self.folder.path().join("compute.sqlite")
    }

    pub fn config(&self) -> Config {
        Config {
            listen: ([127, 0, 0, 1], 0).into(),
            storage_url: format!("http://{}", self.storage.address),
            models: vec![self.models()],
            database: Database::Sqlite(self.database_file()),
            threads: 1,
            ..Config::default()
        }
    }

    pub async fn compute(&self) -> Compute {
        Compute::start(self.config()).await
    }

    pub async fn owner(&self) -> Owner {
        let owner = Owner {
            storage: StorageClient::new(&format!("http://{}", self.storage.address)).unwrap(),
            vault: VaultId(random()),
            vault_token: Token::new(random()),
            compute_token: Token::new(random()),
            key: KeyId(random()),
        };
        owner
            .storage
            .open_vault(owner.vault, &owner.vault_token)
            .await
            .unwrap();
        owner
    }
}

/// A storage that can be stopped and started again at the same address.
pub struct Storage {
    pub address: SocketAddr,
    pub data_dir: PathBuf,
    running: Option<(
        actix_web::dev::ServerHandle,
        JoinHandle<std::io::Result<()>>,
    )>,
}

impl Storage {
    async fn start(data_dir: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut storage = Self {
            address,
            data_dir,
            running: None,
        };
        storage.listen(listener).await;
        storage
    }

    async fn listen(&mut self, listener: TcpListener) {
        let config = backend_storage::Config {
            data_dir: self.data_dir.clone(),
            workers: 1,
            ..Default::default()
        };
        let server = backend_storage::serve(listener, config).await.unwrap();
        self.running = Some((server.handle(), tokio::spawn(server)));
    }

    pub async fn stop(&mut self) {
        let (handle, task) = self.running.take().unwrap();
        handle.stop(false).await;
        task.await.unwrap().unwrap();
    }

    pub async fn start_again(&mut self) {
        self.listen(TcpListener::bind(self.address).unwrap()).await;
    }
}

/// Compute in this process.
pub struct Compute {
    pub base: String,
    pub client: Client,
    pub handle: Handle,
    pub task: JoinHandle<Result<(), backend_compute::Error>>,
}

impl Compute {
    pub async fn start(config: Config) -> Self {
        let listener = TcpListener::bind(config.listen).unwrap();
        let server = serve(listener, config).await.unwrap();
        let base = format!("http://{}", server.address());
        let (client, handle) = (Client::new(&base).unwrap(), server.handle());
        Self {
            base,
            client,
            handle,
            task: tokio::spawn(server.run()),
        }
    }

    /// A figure of its metrics.
    pub async fn figure(&self, name: &str) -> u64 {
        figure(&self.base, name).await
    }

    pub async fn stop(self) {
        self.handle.stop();
        self.task.await.unwrap().unwrap();
    }
}

async fn figure(base: &str, name: &str) -> u64 {
    let url = format!("{base}{}", routes::METRICS);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let name = format!("darkroom_compute_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Somebody with a vault and a key, though the key is only a name here.
pub struct Owner {
    pub storage: StorageClient,
    pub vault: VaultId,
    pub vault_token: Token,
    pub compute_token: Token,
    pub key: KeyId,
}

/// The payload of an image whose bodies are all this byte.
pub fn payload(width: u16, height: u16, byte: u8) -> Vec<u8> {
    let mut payload: Vec<u8> = [1, width, height, 0]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    payload.extend_from_slice(&random::<16>());
    payload.resize(
        payload.len() + usize::from(width) * usize::from(height) * 5,
        byte,
    );
    payload
}

impl Owner {
    /// Stores an image that fits the model `linear`.
    pub async fn image(&self) -> ObjectId {
        self.put(1, self.key, &payload(128, 128, 7)).await
    }

    pub async fn put(&self, parameters: u32, key: KeyId, payload: &[u8]) -> ObjectId {
        let id = ObjectId(random());
        let object = seal(ObjectKind::Image, ParameterSetId(parameters), key, payload);
        let access = Access::Owner(&self.vault_token);
        self.storage
            .put(self.vault, ObjectKind::Image, id, access, object)
            .await
            .unwrap();
        id
    }

    /// A job for these images, with a grant for all of them.
    pub async fn job(&self, images: &[ObjectId]) -> SubmitJob {
        let items: Vec<_> = images
            .iter()
            .map(|&image| ItemRef {
                image,
                result: ObjectId(random()),
            })
            .collect();
        let grant = self.grant(&items, AN_HOUR_MS).await;
        SubmitJob {
            model: "linear".parse().unwrap(),
            vault: self.vault,
            key: self.key,
            items,
            grant,
            evaluation_key: None,
            idempotency_key: ObjectId(random()),
        }
    }

    pub async fn grant(&self, items: &[ItemRef], valid_ms: u64) -> String {
        let mut images: Vec<_> = items.iter().map(|item| item.image).collect();
        images.sort();
        images.dedup();
        let request = GrantRequest {
            reads: images
                .iter()
                .map(|&id| ObjectRef {
                    kind: ObjectKind::Image,
                    id,
                })
                .collect(),
            writes: items.iter().map(|item| item.result).collect(),
            valid_ms,
        };
        self.storage
            .grant(self.vault, &self.vault_token, &request)
            .await
            .unwrap()
            .grant
    }

    /// A job of so many images, all the same one.
    pub async fn big_job(&self, images: usize) -> SubmitJob {
        self.job(&vec![self.image().await; images]).await
    }

    pub async fn submit(&self, compute: &Client, job: &SubmitJob) -> JobId {
        let submit = || compute.submit(&self.compute_token, job);
        patiently(submit).await.id
    }

    /// Follows the job to its end.
    pub async fn end_of(&self, compute: &Client, job: JobId) -> Job {
        self.until(compute, job, |job| job.state.is_final()).await
    }

    /// Follows the job until it is so.
    pub async fn until(&self, compute: &Client, job: JobId, so: impl Fn(&Job) -> bool) -> Job {
        let mut events = patiently(|| compute.events(&self.compute_token, job)).await;
        while let Some(job) = events.next().await.unwrap() {
            if so(&job) {
                return job;
            }
            assert!(!job.state.is_final(), "{job:?}");
        }
        panic!("the events ended before the job");
    }

    pub async fn result(&self, id: ObjectId) -> Vec<u8> {
        let access = Access::Owner(&self.vault_token);
        let kind = ObjectKind::Result;
        self.storage
            .object(self.vault, kind, id, access, 1 << 20)
            .await
            .unwrap()
            .to_vec()
    }

    pub async fn results(&self) -> usize {
        let kind = ObjectKind::Result;
        self.storage
            .list(self.vault, kind, &self.vault_token)
            .await
            .unwrap()
            .len()
    }
}

/// On a machine that is busy with other tests a database may be late.
async fn patiently<T, F>(call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, ClientError>>,
{
    for _ in 0..10 {
        match call().await {
            Err(ClientError::Problem(problem)) if problem.kind == ProblemType::QueueUnavailable => {
            }
            answer => return answer.unwrap(),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the database stays away");
}

/// How many images of the job stand so.
pub fn count(job: &Job, state: State) -> usize {
    job.items.iter().filter(|item| item.state == state).count()
}
