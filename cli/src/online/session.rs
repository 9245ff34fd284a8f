//! Who asks, whom, for which model.

use std::sync::Arc;
use std::time::Duration;

use darkroom_api::client::{Access, ClientError, Compute, Storage, patient};
use darkroom_api::compute::ModelCard;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{KeyId, ModelId, ObjectId, VaultId};
use darkroom_api::problem::ProblemType;
use darkroom_api::routes::{GATEWAY_COMPUTE, GATEWAY_STORAGE};
use darkroom_api::token::Token;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::params::IMAGE;
use darkroom_fhe::seed::Randomness;
use darkroom_tls::ClientSettings;

use crate::args::{Analyse, Server};
use crate::error::Error;
use crate::key_file::KeyFile;
use crate::progress::Progress;
use crate::vault;

/// How long to wait before each new try of a call that may succeed a little later.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// An owner with an open vault, and the model to run.
pub struct Session {
    pub key: ClientKey,
    pub storage: Storage,
    pub compute: Compute,
    pub vault: VaultId,
    pub vault_token: Token,
    pub compute_token: Token,
    pub card: ModelCard,
}

impl Session {
    /// Finds the model and opens the vault.
    pub async fn begin(
        args: &Analyse,
        mut file: KeyFile,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let (storage, compute) = connect(&args.server)?;
        let server = &args.server.url;
        let card = card(&compute, server, &args.model).await?;
        let (vault, vault_token) = match vault::limited(&args.limited)? {
            Some(_) if args.forget => return Err(Error::LimitedForgets),
            None if args.limited.vault.is_some() => return Err(Error::VaultWithoutToken),
            Some(token) => {
                let own = VaultId(file.key.vault_id());
                limited(&storage, args.limited.vault.unwrap_or(own), token).await?
            }
            None => {
                let invitation = args.invitation.secret.as_ref();
                let opened = vault::open(&storage, server, &mut file, invitation, progress).await?;
                (opened.id, opened.token)
            }
        };
        Ok(Self {
            vault,
            vault_token,
            compute_token: Token::new(file.key.compute_token()),
            key: file.key,
            storage,
            compute,
            card,
        })
    }

    /// The key's public name.
    pub fn own(&self) -> KeyId {
        KeyId(self.key.key_id())
    }

    /// What opens the vault's objects.
    pub fn access(&self) -> Access<'_> {
        Access::Owner(&self.vault_token)
    }

    /// Deletes an object if it is there. What cannot be deleted stays: nobody waits for it.
    pub async fn delete(&self, kind: ObjectKind, id: ObjectId) {
        let _ = self
            .storage
            .delete(self.vault, kind, id, &self.vault_token)
            .await;
    }
}

/// A vault that a limited token opens.
async fn limited(
    storage: &Storage,
    vault: VaultId,
    token: Token,
) -> Result<(VaultId, Token), Error> {
    match patiently(async || storage.vault(vault, &token).await).await {
        Ok(_) => Ok((vault, token)),
        Err(ClientError::Problem(problem)) if problem.kind == ProblemType::Unauthorized => {
            Err(Error::LimitedRefused { vault })
        }
        Err(error) => Err(Error::service("opening the vault")(error)),
    }
}

/// Storage and compute behind a gateway.
pub fn connect(server: &Server) -> Result<(Storage, Compute), Error> {
    let settings = ClientSettings {
        roots: server.roots.clone(),
        ..ClientSettings::default()
    };
    let http = patient(darkroom_tls::http_client(&settings)?).build();
    let http = http.map_err(Error::HttpClient)?;
    let carrier = Arc::new(http.clone());
    let url = server.url.trim_end_matches('/');
    let storage = format!("{url}{GATEWAY_STORAGE}");
    let compute = format!("{url}{GATEWAY_COMPUTE}");
    Ok((
        Storage::over(&storage, http.clone(), Arc::clone(&carrier) as _),
        Compute::over(&compute, http, carrier),
    ))
}

/// The first call: says what to do if nobody is there.
pub fn first_call(server: &str) -> impl FnOnce(ClientError) -> Error {
    move |source| match source {
        ClientError::Unreachable { .. } => Error::NobodyThere {
            server: server.to_owned(),
            source: Box::new(source),
        },
        source => Error::service("asking the server for its models")(source),
    }
}

/// Tries a call again while it may succeed a little later. The call must be one that can be repeated.
pub async fn patiently<T>(
    mut call: impl AsyncFnMut() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    for pause in PAUSES {
        match call().await {
            Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
            other => return other,
        }
    }
    call().await
}

/// A new id.
pub fn draw() -> Result<ObjectId, Error> {
    Ok(ObjectId(Randomness::system()?.bytes()))
}

async fn card(compute: &Compute, server: &str, model: &ModelId) -> Result<ModelCard, Error> {
    let card = match compute.model(model).await {
        Err(ClientError::Problem(problem)) if problem.kind == ProblemType::ModelNotFound => {
            return Err(no_such_model(compute, server, model).await);
        }
        other => other.map_err(first_call(server))?,
    };
    if card.parameters.0 != IMAGE.id {
        let found = card.parameters.0;
        return Err(Error::TooNew(format!(
            "it takes images of parameter set {found}"
        )));
    }
    Ok(card)
}

async fn no_such_model(compute: &Compute, server: &str, model: &ModelId) -> Error {
    let catalogue = match compute.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(error) => return first_call(server)(error),
    };
    let known: Vec<&str> = catalogue
        .models
        .iter()
        .map(|card| card.id.as_str())
        .collect();
    Error::NoSuchModel {
        model: model.to_string(),
        known: if known.is_empty() {
            "none".into()
        } else {
            known.join(", ")
        },
    }
}
