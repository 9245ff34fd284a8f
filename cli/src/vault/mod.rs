//! An owner's vault: how it is opened, what is in it, who may do what there, and what was done.

mod log;
mod opening;
mod time;
mod token;

use darkroom_api::client::Storage;

pub use log::log;
pub use opening::{Opened, hint, open};
pub use token::{limited, token};

use crate::args::owner::{Owner, Vault};
use crate::error::Error;
use crate::key_file::KeyFile;
use crate::online::connect;
use crate::output;
use crate::progress::Progress;

/// The vault of an owner's key, opened.
struct Own {
    file: KeyFile,
    storage: Storage,
    opened: Opened,
}

impl Own {
    async fn open(owner: &Owner) -> Result<Self, Error> {
        let mut file = KeyFile::read(&owner.key)?;
        let (storage, _) = connect(&owner.server)?;
        let progress = Progress::begin("opening your vault");
        let invitation = owner.invitation.secret.as_ref();
        let opened = open(
            &storage,
            &owner.server.url,
            &mut file,
            invitation,
            &progress,
        )
        .await?;
        Ok(Self {
            file,
            storage,
            opened,
        })
    }
}

/// `darkroom vault`
pub async fn show(args: &Vault) -> Result<(), Error> {
    let own = Own::open(&args.owner).await?;
    let info = &own.opened.info;
    if args.json {
        return Ok(output::json(info)?);
    }
    println!(
        "vault {}, opened {}",
        info.vault,
        time::utc(info.created_ms)
    );
    println!("objects: {} of {}", info.objects, info.objects_max);
    let bytes = output::bytes(info.bytes);
    match info.bytes_max {
        Some(most) => println!("bytes: {bytes} of {}", output::bytes(most)),
        None => println!("bytes: {bytes}"),
    }
    for (what, kept_ms) in [
        ("pictures", info.images_kept_ms),
        ("results", info.results_kept_ms),
    ] {
        if let Some(ms) = kept_ms {
            println!("{what} are deleted by the server after {}", time::span(ms));
        }
    }
    println!("token: generation {}", own.file.generation);
    Ok(())
}
