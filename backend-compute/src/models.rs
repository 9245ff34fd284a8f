//! The catalogue: the models in the configured folders, read again when these change.

mod card;
mod folder;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use darkroom_api::compute::{self, ModelCard, RefusedModel};
use darkroom_api::ids::ModelId;
use darkroom_fhe::model::Model;

use self::folder::Folder;
use crate::config::Config;
use crate::error::Error;

/// A model that can be run.
#[derive(Debug)]
pub struct Loaded {
    /// The model.
    pub model: Model,
    /// What is told of it.
    pub card: ModelCard,
}

/// The models as they are; [`Catalogue::current`] looks whether that is still so.
#[derive(Debug)]
pub struct Catalogue {
    folders: Vec<PathBuf>,
    file_bytes_max: u64,
    threads: usize,
    /// What a bootstrap takes here; measured when the first network is read.
    bootstrap_ms: OnceLock<Result<f64, String>>,
    current: RwLock<Arc<Models>>,
    reading: Mutex<()>,
}

/// The models at one time, in the order of the folders.
#[derive(Debug, Default)]
pub struct Models(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    folder: Folder,
    /// Whether an earlier folder has the same name.
    shadowed: bool,
    outcome: Result<Arc<Loaded>, String>,
}

impl Models {
    /// The model of this name.
    pub fn model(&self, id: &ModelId) -> Option<Arc<Loaded>> {
        self.loaded().find(|loaded| loaded.card.id == *id).cloned()
    }

    /// All models and all refused folders, as they are told.
    pub fn to_catalogue(&self) -> compute::Catalogue {
        let mut models: Vec<_> = self.loaded().map(|loaded| loaded.card.clone()).collect();
        models.sort_by(|one, other| one.id.cmp(&other.id));
        let refused = self.0.iter().filter_map(|entry| {
            let reason = entry.outcome.as_ref().err()?.clone();
            Some(RefusedModel {
                folder: entry.folder.name.clone(),
                reason,
            })
        });
        compute::Catalogue {
            models,
            refused: refused.collect(),
        }
    }

    /// The digests of all models.
    pub fn digests(&self) -> impl Iterator<Item = String> {
        self.loaded().map(|loaded| loaded.card.digest.clone())
    }

    fn loaded(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        self.0
            .iter()
            .filter_map(|entry| entry.outcome.as_ref().ok())
    }

    fn is_of(&self, folders: &[Folder]) -> bool {
        self.0.iter().map(|entry| &entry.folder).eq(folders)
    }
}

impl Catalogue {
    /// A catalogue of the configured folders. Nothing is read yet.
    ///
    /// # Errors
    /// One of them cannot be read now.
    pub fn new(config: &Config) -> Result<Arc<Self>, Error> {
        for path in &config.models {
            std::fs::read_dir(path).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Arc::new(Self {
            folders: config.models.clone(),
            file_bytes_max: config.limits.model_file_bytes,
            threads: config.thread_count(),
            bootstrap_ms: OnceLock::new(),
            current: RwLock::default(),
            reading: Mutex::default(),
        }))
    }

    /// The models as the folders hold them now. What changed is read on a thread for blocking work.
    ///
    /// # Errors
    /// That thread broke.
    pub async fn current(self: &Arc<Self>) -> Result<Arc<Models>, Error> {
        let catalogue = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || catalogue.read());
        reading.await.map_err(|_| Error::BrokenOff)
    }

    fn read(&self) -> Arc<Models> {
        let known = self.known();
        if known.is_of(&folder::list(&self.folders)) {
            return known;
        }
        let _one_at_a_time = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, folders) = (self.known(), folder::list(&self.folders));
        if known.is_of(&folders) {
            return known;
        }
        let mut models = Models::default();
        for folder in folders {
            let shadowed = models
                .0
                .iter()
                .any(|entry| entry.folder.name == folder.name);
            let same = known
                .0
                .iter()
                .find(|entry| entry.folder == folder && !entry.shadowed);
            let outcome = match same {
                _ if shadowed => Err("another folder of this name comes before it".to_owned()),
                Some(entry) => entry.outcome.clone(),
                None => self.load(&folder),
            };
            models.0.push(Entry {
                folder,
                shadowed,
                outcome,
            });
        }
        let models = Arc::new(models);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&models);
        models
    }

    fn known(&self) -> Arc<Models> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn load(&self, folder: &Folder) -> Result<Arc<Loaded>, String> {
        let load = || {
            let (id, model) = load(folder, self.file_bytes_max)?;
            let card = card::describe(id, &model, || self.bootstrap_ms(&model))?;
            Ok(Loaded { model, card })
        };
        // A model is foreign; if it breaks its reader, the others still have to be there.
        let outcome = catch_unwind(AssertUnwindSafe(load))
            .unwrap_or_else(|_| Err("reading it broke; tell who made Darkroom".to_owned()));
        match &outcome {
            Ok(loaded) => {
                let (model, ms) = (&loaded.card.id, loaded.card.expected_ms);
                tracing::info!(%model, expected_ms = ms, "model ready");
            }
            Err(reason) => tracing::warn!(folder = folder.name, reason, "model refused"),
        }
        outcome.map(Arc::new)
    }

    fn bootstrap_ms(&self, model: &Model) -> Result<f64, String> {
        let measure = || card::bootstrap_ms(model, self.threads).map_err(|error| error.to_string());
        self.bootstrap_ms.get_or_init(measure).clone()
    }
}

fn load(folder: &Folder, file_bytes_max: u64) -> Result<(ModelId, Model), String> {
    let id: ModelId = folder
        .name
        .parse()
        .map_err(|error| format!("the folder's name: {error}"))?;
    let text = folder
        .read("model.toml", file_bytes_max)
        .map_err(|error| format!("model.toml: {error}"))?;
    let text = String::from_utf8(text).map_err(|_| "model.toml is not UTF-8".to_owned())?;
    let mut read = |file: &str| folder.read(file, file_bytes_max);
    let model = Model::load(id.as_str(), &text, &mut read).map_err(|error| error.to_string())?;
    for warning in model.warnings() {
        tracing::warn!(model = %id, warning, "a model to look at");
    }
    Ok((id, model))
}
