//! An owner of pictures without a browser: the FHE core and the typed client, put together.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use std::sync::Arc;

use darkroom_api::client::{Access, Carrier, ClientError, Compute, Storage, patient};
use darkroom_api::compute::{ItemRef, Job, SubmitJob};
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::{JobId, KeyId, ModelId, ObjectId, VaultId};
use darkroom_api::storage::{Grant, GrantRequest, ObjectRef};
use darkroom_api::token::Token;
use darkroom_fhe::Answer;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::EncryptedResult;
use darkroom_tls::ClientSettings;

use crate::services::Darkroom;

/// Longer than any test.
pub const GRANT_MS: u64 = 600_000;
/// The longest result that is read.
const RESULT_BYTES_MAX: usize = 8 << 20;
/// How often the events of a job may break off.
const BREAKS_MAX: u32 = 5;

/// A key, the vault that belongs to it, and the way to the services.
pub struct Owner {
    /// The key.
    pub key: ClientKey,
    /// Its vault.
    pub vault: VaultId,
    /// What opens the vault.
    pub vault_token: Token,
    /// What owns the jobs.
    pub compute_token: Token,
    /// Storage behind the gateway.
    pub storage: Storage,
    /// Compute behind the gateway.
    pub compute: Compute,
    randomness: Randomness,
}

impl Owner {
    /// A new owner, with a vault opened.
    ///
    /// # Errors
    /// The services do not answer.
    pub async fn open(darkroom: &Darkroom) -> Result<Self> {
        let key = ClientKey::generate(&mut Randomness::system()?)?;
        Self::with_key(darkroom, key).await
    }

    /// The owner of this key, with the vault opened.
    ///
    /// # Errors
    /// The services do not answer.
    pub async fn with_key(darkroom: &Darkroom, key: ClientKey) -> Result<Self> {
        let roots = ClientSettings {
            roots: darkroom.protection.root(),
            ..ClientSettings::default()
        };
        let http = patient(darkroom_tls::http_client(&roots)?).build()?;
        let carrier: Arc<dyn Carrier> = Arc::new(http.clone());
        let storage = Storage::over(&darkroom.storage_url(), http.clone(), Arc::clone(&carrier));
        let compute = Compute::over(&darkroom.compute_url(), http, carrier);
        let owner = Self::at(key, storage, compute)?;
        owner
            .storage
            .open_vault(owner.vault, &owner.vault_token)
            .await?;
        Ok(owner)
    }

    /// The owner of this key, with nothing opened yet.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn at(key: ClientKey, storage: Storage, compute: Compute) -> Result<Self> {
        Ok(Self {
            vault: VaultId(key.vault_id()),
            vault_token: Token::new(key.vault_token(0)),
            compute_token: Token::new(key.compute_token()),
            storage,
            compute,
            randomness: Randomness::system()?,
            key,
        })
    }

    /// The key's public name.
    pub fn key_id(&self) -> KeyId {
        KeyId(self.key.key_id())
    }

    /// A new id.
    pub fn draw_id(&mut self) -> ObjectId {
        ObjectId(self.randomness.bytes())
    }

    /// An encrypted image as it is stored, header included.
    ///
    /// # Errors
    /// The picture is too large.
    pub fn encrypt(&mut self, pixels: &Pixels) -> Result<Vec<u8>> {
        let image = self.key.encrypt_image(pixels, &mut self.randomness)?;
        let parameters = ParameterSetId(image.parameters());
        Ok(header::seal(
            ObjectKind::Image,
            parameters,
            self.key_id(),
            &image.to_payload(),
        ))
    }

    /// Encrypts and stores a picture.
    ///
    /// # Errors
    /// Storage's.
    pub async fn upload(&mut self, pixels: &Pixels) -> Result<ObjectId> {
        let object = self.encrypt(pixels)?;
        Ok(self.put_image(object).await?)
    }

    /// Stores an object among the images, whatever it is.
    ///
    /// # Errors
    /// Storage's.
    pub async fn put_image(&mut self, object: Vec<u8>) -> Result<ObjectId, ClientError> {
        let id = self.draw_id();
        let access = Access::Owner(&self.vault_token);
        self.storage
            .put(self.vault, ObjectKind::Image, id, access, object)
            .await?;
        Ok(id)
    }

    /// New ids for the results of these images.
    pub fn items(&mut self, images: &[ObjectId]) -> Vec<ItemRef> {
        images
            .iter()
            .map(|&image| ItemRef {
                image,
                result: self.draw_id(),
            })
            .collect()
    }

    /// A grant for these items.
    ///
    /// # Errors
    /// Storage's.
    pub async fn grant(&self, items: &[ItemRef], valid_ms: u64) -> Result<Grant, ClientError> {
        let request = grant_request(items, valid_ms);
        self.storage
            .grant(self.vault, &self.vault_token, &request)
            .await
    }

    /// Has images analysed.
    ///
    /// # Errors
    /// Storage's and compute's.
    pub async fn submit(&mut self, model: &str, images: &[ObjectId]) -> Result<Job> {
        let items = self.items(images);
        let grant = self.grant(&items, GRANT_MS).await?;
        let job = self.job(model, items, &grant)?;
        Ok(self.compute.submit(&self.compute_token, &job).await?)
    }

    /// A job to submit.
    ///
    /// # Errors
    /// That is no name of a model.
    pub fn job(&mut self, model: &str, items: Vec<ItemRef>, grant: &Grant) -> Result<SubmitJob> {
        Ok(SubmitJob {
            model: model.parse::<ModelId>()?,
            vault: self.vault,
            key: self.key_id(),
            items,
            grant: grant.grant.clone(),
            evaluation_key: None,
            idempotency_key: self.draw_id(),
        })
    }

    /// Follows a job until it has ended.
    ///
    /// # Errors
    /// Compute's, or the stream ends early.
    pub async fn finished(&self, job: JobId) -> Result<Job> {
        let mut breaks = 0;
        loop {
            match self.followed(job).await {
                // As on a machine that is too busy to say that it still works.
                Err(error) if error.is_transient() && breaks < BREAKS_MAX => breaks += 1,
                followed => {
                    return followed?
                        .with_context(|| format!("the events of {job} ended before the job did"));
                }
            }
        }
    }

    async fn followed(&self, job: JobId) -> Result<Option<Job>, ClientError> {
        let mut events = self.compute.events(&self.compute_token, job).await?;
        while let Some(job) = events.next().await? {
            if job.state.is_final() {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// A new token.
    pub fn draw_token(&mut self) -> Token {
        Token::new(self.randomness.bytes())
    }

    /// Fetches and reads a result.
    ///
    /// # Errors
    /// Storage's, or it is not a result under this key.
    pub async fn answer(&self, result: ObjectId) -> Result<Answer> {
        let access = Access::Owner(&self.vault_token);
        let kind = ObjectKind::Result;
        let object = self
            .storage
            .object(self.vault, kind, result, access, RESULT_BYTES_MAX)
            .await?;
        self.open_result(&object)
    }

    /// Reads a result, header included.
    ///
    /// # Errors
    /// It is not a result under this key.
    pub fn open_result(&self, object: &[u8]) -> Result<Answer> {
        let (head, payload) = header::open(object, ObjectKind::Result)?;
        ensure!(head.key == self.key_id(), "the result is under another key");
        let result = EncryptedResult::from_payload(head.parameters.0, payload)?;
        Ok(self.key.decrypt_result(&result)?)
    }
}

/// What a job of these items has to be granted.
pub fn grant_request(items: &[ItemRef], valid_ms: u64) -> GrantRequest {
    let read = |item: &ItemRef| ObjectRef {
        kind: ObjectKind::Image,
        id: item.image,
    };
    GrantRequest {
        reads: items.iter().map(read).collect(),
        writes: items.iter().map(|item| item.result).collect(),
        valid_ms,
    }
}

/// A model from its folder, for its clear twin.
///
/// # Errors
/// There is none, or it is refused.
pub fn load_model(folder: &Path) -> Result<Model> {
    let id = folder
        .file_name()
        .and_then(|name| name.to_str())
        .context("a folder without a name")?;
    let form = std::fs::read_to_string(folder.join("model.toml"))?;
    Ok(Model::load(id, &form, &mut |file| {
        std::fs::read(folder.join(file))
    })?)
}

/// A picture without a meaning, the same for the same seed.
///
/// # Errors
/// The shape is none.
pub fn pattern(seed: u32, width: u32, height: u32) -> Result<Pixels> {
    let value = |index: u32| {
        let (x, y) = (index % width, index / width);
        let wave = x.wrapping_mul(seed.wrapping_mul(7) + 3) ^ y.wrapping_mul(seed + 5);
        wave.wrapping_add(x * y / 7).to_le_bytes()[0]
    };
    Ok(Pixels::new(
        width,
        height,
        (0..width * height).map(value).collect(),
    )?)
}
