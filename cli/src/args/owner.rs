//! The command lines of a vault's owner, and of whoever holds a limited token of one.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use darkroom_api::access::Scope;
use darkroom_api::ids::{TokenId, VaultId};
use darkroom_api::token::Token;

use super::Server;

/// An owner, and where her vault is.
#[derive(Debug, clap::Args)]
pub struct Owner {
    /// Where the server is.
    #[command(flatten)]
    pub server: Server,
    /// Your key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What opens a new vault.
    #[command(flatten)]
    pub invitation: Invitation,
}

/// What opens a new vault.
#[derive(Debug, clap::Args)]
pub struct Invitation {
    /// The invitation that opens your vault, where a server wants one: 64 hexadecimal digits, needed once
    #[arg(
        id = "invitation",
        long = "invitation",
        env = "DARKROOM_INVITATION",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    pub secret: Option<Token>,
}

/// A limited token, in the place of what the key derives.
#[derive(Debug, clap::Args)]
pub struct Limited {
    /// A file with a limited token of scope submit, in the place of your own; or the token itself in
    /// the environment's DARKROOM_TOKEN
    #[arg(id = "token", long = "token", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The vault of that token, if it is not the one of your key
    #[arg(long, value_name = "ID")]
    pub vault: Option<VaultId>,
}

/// `darkroom vault`
#[derive(Debug, clap::Args)]
pub struct Vault {
    /// Whose vault.
    #[command(flatten)]
    pub owner: Owner,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `darkroom log`
#[derive(Debug, clap::Args)]
pub struct Log {
    /// Whose vault.
    #[command(flatten)]
    pub owner: Owner,
    /// Print one JSON object an entry and line
    #[arg(long)]
    pub json: bool,
    /// Remember the last entry in this file, and check that the log still holds what it remembers
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
}

/// `darkroom token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Puts a new token of yours in the place of the present one, which opens nothing from then on
    Rotate {
        /// Whose vault.
        #[command(flatten)]
        owner: Owner,
    },
    /// Makes a limited token and prints it: it is kept nowhere else
    Make {
        /// Whose vault.
        #[command(flatten)]
        owner: Owner,
        /// What it is good for
        #[arg(long, value_name = "SCOPE")]
        scope: ScopeName,
        /// Whose it is, in 128 bytes; the server can read it
        #[arg(long, value_name = "TEXT")]
        label: String,
        /// For how many days it is good [default: until it is revoked]
        #[arg(long, value_name = "N")]
        days: Option<NonZeroU32>,
    },
    /// Lists the limited tokens, also those that ended or were revoked
    List {
        /// Whose vault.
        #[command(flatten)]
        owner: Owner,
        /// Print one JSON object a token and line
        #[arg(long)]
        json: bool,
    },
    /// Revokes a limited token: it opens nothing from then on
    Revoke {
        /// Whose vault.
        #[command(flatten)]
        owner: Owner,
        /// Its id, as `darkroom token list` prints it
        #[arg(value_name = "ID")]
        id: TokenId,
    },
}

/// What a limited token is good for, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeName {
    /// Look at everything, change nothing
    Read,
    /// Have pictures analysed
    Submit,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Read => Self::Read,
            ScopeName::Submit => Self::Submit,
        }
    }
}
