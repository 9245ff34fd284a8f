//! The tokens of a vault.

use std::time::{SystemTime, UNIX_EPOCH};

use darkroom_api::access::{GENERATION_LAST, Scope, TokenInfo, TokenRequest};
use darkroom_api::client::ClientError;
use darkroom_api::problem::ProblemType;
use darkroom_api::token::Token;
use darkroom_fhe::seed::Randomness;
use zeroize::Zeroizing;

use super::opening::{find, note, token_of};
use super::{Own, time};
use crate::args::owner::{Limited, TokenCommand};
use crate::error::Error;
use crate::online::patiently;
use crate::progress::Progress;
use crate::{files, output};

/// The token itself, where no file names it.
const VARIABLE: &str = "DARKROOM_TOKEN";
const FILE_BYTES_MAX: u64 = 4096;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// `darkroom token`
pub async fn token(command: TokenCommand) -> Result<(), Error> {
    match command {
        TokenCommand::Rotate { owner } => rotate(Own::open(&owner).await?).await,
        TokenCommand::Make {
            owner,
            scope,
            label,
            days,
        } => {
            let days = days.map(|days| u64::from(days.get()));
            make(&Own::open(&owner).await?, scope.into(), label, days).await
        }
        TokenCommand::List { owner, json } => list(&Own::open(&owner).await?, json).await,
        TokenCommand::Revoke { owner, id } => {
            let own = Own::open(&owner).await?;
            let (vault, token) = (own.opened.id, &own.opened.token);
            let revoked =
                patiently(async || own.storage.revoke_token(vault, token, id).await).await;
            revoked.map_err(Error::service("revoking the token"))?;
            eprintln!("token {id} opens nothing any more, nor do the grants that it made");
            Ok(())
        }
    }
}

async fn rotate(mut own: Own) -> Result<(), Error> {
    let old = own.file.generation;
    if old >= GENERATION_LAST {
        return Err(Error::RotatedOut);
    }
    let progress = Progress::begin("rotating the token");
    let (vault, before) = (own.opened.id, &own.opened.token);
    let after = token_of(&own.file.key, old + 1);
    let rotated = patiently(async || own.storage.rotate_token(vault, before, &after).await).await;
    let generation = match rotated {
        Ok(()) => old + 1,
        // Another device was quicker.
        Err(ClientError::Problem(problem)) if problem.kind == ProblemType::Unauthorized => {
            let found = find(&own.storage, vault, &own.file, &progress).await?;
            found.ok_or_else(|| Error::RotationUnknown {
                source: Box::new(problem.into()),
            })?
        }
        Err(source) => {
            let source = Box::new(source);
            return Err(Error::RotationUnknown { source });
        }
    };
    let told = format!(
        "the token of your vault is of generation {generation} now; those before open nothing any more"
    );
    note(&mut own.file, generation, &told, &progress);
    Ok(())
}

async fn make(own: &Own, scope: Scope, label: String, days: Option<u64>) -> Result<(), Error> {
    let secret = Token::new(Randomness::system()?.bytes());
    let not_after_ms = days.map(|days| now_ms().saturating_add(days.saturating_mul(DAY_MS)));
    let wanted = TokenRequest {
        token_sha256: secret.hash(),
        label,
        scope,
        not_after_ms,
    };
    let (vault, token) = (own.opened.id, &own.opened.token);
    let made = patiently(async || own.storage.make_token(vault, token, &wanted).await).await;
    let made = made.map_err(Error::service("making the token"))?;
    let text = Zeroizing::new(secret.danger_reveal());
    println!("{}", *text);
    eprintln!(
        "token {} of vault {vault}: {}. It is shown this once; hand it on over a way that you trust.",
        made.id,
        words(&made, now_ms())
    );
    Ok(())
}

async fn list(own: &Own, json: bool) -> Result<(), Error> {
    let (vault, token) = (own.opened.id, &own.opened.token);
    let tokens = patiently(async || own.storage.tokens(vault, token).await).await;
    let tokens = tokens.map_err(Error::service("listing the tokens"))?;
    for token in &tokens {
        if json {
            output::json(token)?;
        } else {
            println!("{}  {}", token.id, words(token, now_ms()));
        }
    }
    if tokens.is_empty() {
        eprintln!("your vault has no limited tokens");
    }
    Ok(())
}

/// What a token is, in words.
fn words(token: &TokenInfo, now_ms: u64) -> String {
    let scope = match token.scope {
        Scope::Read => "read",
        Scope::Submit => "submit",
    };
    let made = time::utc(token.created_ms);
    let end = match (token.revoked_ms, token.not_after_ms) {
        (Some(revoked), _) => format!("revoked {}", time::utc(revoked)),
        (None, Some(end)) if end <= now_ms => format!("ended {}", time::utc(end)),
        (None, Some(end)) => format!("good until {}", time::utc(end)),
        (None, None) => "good until it is revoked".to_owned(),
    };
    format!("{scope}  {:?}  made {made}, {end}", token.label)
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// The limited token that the command line or the environment names, if one does.
pub fn limited(args: &Limited) -> Result<Option<Token>, Error> {
    let (text, place) = match &args.file {
        Some(path) => {
            let bytes = Zeroizing::new(files::read(path, "file with a token", FILE_BYTES_MAX)?);
            let text = std::str::from_utf8(&bytes).unwrap_or_default().to_owned();
            (Zeroizing::new(text), path.display().to_string())
        }
        None => match std::env::var(VARIABLE) {
            Ok(text) => (Zeroizing::new(text), VARIABLE.to_owned()),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Error::NotAToken {
                    place: VARIABLE.to_owned(),
                });
            }
        },
    };
    let token = text.trim().parse();
    token.map(Some).map_err(|_| Error::NotAToken { place })
}
