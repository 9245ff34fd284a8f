//! A vault is opened with whichever generation of its token is the present one.

use darkroom_api::access::GENERATION_LAST;
use darkroom_api::client::{ClientError, Storage};
use darkroom_api::ids::VaultId;
use darkroom_api::problem::{Problem, ProblemType, QuotaUnit};
use darkroom_api::storage::VaultInfo;
use darkroom_api::token::Token;
use darkroom_fhe::keys::ClientKey;

use crate::error::Error;
use crate::key_file::KeyFile;
use crate::online::patiently;
use crate::progress::Progress;

const OPENING: &str = "opening your vault";

/// A vault, and the token that opens it.
pub struct Opened {
    pub id: VaultId,
    pub token: Token,
    pub info: VaultInfo,
}

/// Opens the vault of a key, for the first time or again. Where the token that the key's file knows is
/// refused, it looks for the present one, and writes down which that is.
pub async fn open(
    storage: &Storage,
    server: &str,
    file: &mut KeyFile,
    invitation: Option<&Token>,
    progress: &Progress,
) -> Result<Opened, Error> {
    let id = VaultId(file.key.vault_id());
    let first = token_of(&file.key, file.generation);
    let put = async || match invitation {
        Some(invitation) => storage.open_vault_invited(id, &first, invitation).await,
        None => storage.open_vault(id, &first).await,
    };
    let refused = match patiently(put).await {
        Ok(info) => {
            let token = first;
            return Ok(Opened { id, token, info });
        }
        Err(ClientError::Problem(problem)) if may_be_another_generation(problem.kind) => problem,
        Err(error) => return Err(failed(server, error)),
    };
    let found = find(storage, id, file, progress).await?;
    let generation = found.ok_or_else(|| closed(server, &refused))?;
    let told =
        format!("the token of your vault was rotated elsewhere: it is of generation {generation}");
    note(file, generation, &told, progress);
    let token = token_of(&file.key, generation);
    let info = patiently(async || storage.vault(id, &token).await).await;
    let info = info.map_err(Error::service(OPENING))?;
    Ok(Opened { id, token, info })
}

/// The generation whose token opens the vault now.
pub async fn find(
    storage: &Storage,
    id: VaultId,
    file: &KeyFile,
    progress: &Progress,
) -> Result<Option<u32>, Error> {
    progress.set("looking for the present token of your vault", String::new());
    let token = |generation| token_of(&file.key, generation);
    let told = |tried| progress.detail(format!(", {tried} of {GENERATION_LAST} tried"));
    let find = async || {
        storage
            .find_generation(id, file.generation, token, told)
            .await
    };
    patiently(find).await.map_err(Error::service(OPENING))
}

/// Writes down a generation. A file that cannot be written is no harm: it is looked for again.
pub fn note(file: &mut KeyFile, generation: u32, told: &str, progress: &Progress) {
    let noted = match file.note_generation(generation) {
        Ok(()) => "noted in the key file".to_owned(),
        Err(error) => format!("not noted ({error}), so it is looked for each time"),
    };
    progress.clear();
    eprintln!("{told}, {noted}");
}

/// The token of a generation.
pub fn token_of(key: &ClientKey, generation: u32) -> Token {
    Token::new(key.vault_token(generation))
}

/// Where not everybody may open a vault, a token that is wrong and one that is new are answered alike.
fn may_be_another_generation(kind: ProblemType) -> bool {
    matches!(
        kind,
        ProblemType::Unauthorized
            | ProblemType::InvitationNeeded
            | ProblemType::InvitationRefused
            | ProblemType::OpeningClosed
    )
}

fn closed(server: &str, problem: &Problem) -> Error {
    let server = server.to_owned();
    match problem.kind {
        ProblemType::InvitationNeeded => Error::InvitationNeeded { server },
        ProblemType::InvitationRefused => Error::InvitationRefused { server },
        ProblemType::OpeningClosed => Error::OpeningClosed { server },
        _ => Error::NoGeneration { server },
    }
}

fn failed(server: &str, source: ClientError) -> Error {
    match source {
        ClientError::Unreachable { .. } => Error::NobodyThere {
            server: server.to_owned(),
            source: Box::new(source),
        },
        source => Error::service(OPENING)(source),
    }
}

/// What to do about a problem, where its own words do not know the command line.
pub fn hint(problem: &Problem) -> Option<&'static str> {
    Some(match problem.kind {
        ProblemType::VaultFull => match problem.quota.map(|quota| quota.unit) {
            Some(QuotaUnit::Bytes) => {
                "room comes back when pictures are deleted, in the page or by --forget; darkroom vault \
                 shows what is used"
            }
            _ => {
                "each picture takes two objects until it is deleted, in the page or by --forget; \
                 darkroom vault shows what is used"
            }
        },
        ProblemType::TooManyTokens => {
            "darkroom token list shows them, darkroom token revoke ends one"
        }
        ProblemType::TokenNotFound => "darkroom token list prints the ids",
        ProblemType::TokenRefused => {
            "a limited token is good for analyse only, and for that in scope submit"
        }
        _ => return None,
    })
}
