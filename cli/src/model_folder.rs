//! A model from its folder on disk.

use std::path::Path;

use darkroom_api::ids::ModelId;
use darkroom_fhe::model::Model;

use crate::error::Error;
use crate::files;

const FILE_BYTES_MAX: u64 = 64 << 20;

/// Loads the model in a folder; its id is the folder's name.
pub fn load(folder: &Path) -> Result<Model, Error> {
    let id = id(folder)?;
    let form = files::read(&folder.join("model.toml"), "model", FILE_BYTES_MAX)?;
    let form = String::from_utf8_lossy(&form);
    let mut read = |name: &str| {
        files::read(&folder.join(name), "model", FILE_BYTES_MAX).map_err(|error| match error {
            Error::Read { source, .. } => source,
            other => std::io::Error::other(other.to_string()),
        })
    };
    Model::load(id.as_str(), &form, &mut read).map_err(|source| Error::Model {
        path: folder.to_owned(),
        source,
    })
}

fn id(folder: &Path) -> Result<ModelId, Error> {
    // "models/chest-view/..": the folder's own name is behind links and dots.
    let path = folder.canonicalize().map_err(|source| Error::Read {
        path: folder.to_owned(),
        source,
    })?;
    let name = path.file_name().and_then(|name| name.to_str());
    let id = name.and_then(|name| name.parse().ok());
    id.ok_or_else(|| Error::ModelName {
        path: folder.to_owned(),
    })
}
