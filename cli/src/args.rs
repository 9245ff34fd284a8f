//! The command line.

pub mod owner;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use darkroom_api::ids::ModelId;
use owner::{Invitation, Limited, Log, TokenCommand, Vault};

/// Analyses pictures that nobody but their owner ever sees.
#[derive(Debug, Parser)]
#[command(name = "darkroom", version, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the models that the server runs
    Models {
        /// Where the server is.
        #[command(flatten)]
        server: Server,
        /// Print the catalogue as JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a key and writes it to a new file that only you can read
    Keygen {
        /// The file to make; an existing one is left alone
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Prints the key as 24 words: whoever reads them can read your pictures
    Words {
        /// The key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Makes a key file from 24 words on standard input, or from a backup file of the page
    Restore {
        /// The file to make; an existing one is left alone
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// A backup file that the page saved; its passphrase is the first line of standard input
        #[arg(long, value_name = "FILE")]
        backup: Option<PathBuf>,
    },
    /// Encrypts pictures, has the server run a model on them, and reads the results
    Analyse(Analyse),
    /// Shows how full your vault is, and opens it if it is not there yet
    Vault(Vault),
    /// Rotates your vault's token; makes, lists and revokes limited ones for colleagues and machines
    #[command(subcommand)]
    Token(TokenCommand),
    /// Prints your vault's log, checked: who did what in it
    Log(Log),
    /// Encrypts one picture to a file
    Encrypt(Encrypt),
    /// Makes the evaluation key that networks need: public, made once for a key and all networks
    EvaluationKey(EvaluationKey),
    /// Runs a model on an encrypted picture; needs no secret key
    Compute(Compute),
    /// Reads an encrypted result
    Decrypt(Decrypt),
    /// Goes the whole way in one process, with a key of its own, and prints how long each stage takes
    Simulate(Simulate),
    /// Measures a model on pictures with known labels: in the clear, with simulated noise, encrypted
    Evaluate(Evaluate),
}

/// Where the server is.
#[derive(Debug, clap::Args)]
pub struct Server {
    /// The gateway
    #[arg(
        id = "server",
        long = "server",
        env = "DARKROOM_SERVER",
        value_name = "URL",
        default_value = "http://localhost:7000"
    )]
    pub url: String,
    /// Trust only these roots (PEM) with https; otherwise the system's
    #[arg(long, value_name = "FILE")]
    pub roots: Option<PathBuf>,
}

/// `darkroom analyse`
#[derive(Debug, clap::Args)]
pub struct Analyse {
    /// Where the server is.
    #[command(flatten)]
    pub server: Server,
    /// Your key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What opens a new vault.
    #[command(flatten)]
    pub invitation: Invitation,
    /// What is used in the place of the key's own token.
    #[command(flatten)]
    pub limited: Limited,
    /// The model to run; `darkroom models` lists them
    #[arg(long, value_name = "ID")]
    pub model: ModelId,
    /// Pictures: PNG, JPEG, WebP, BMP, GIF, or NumPy's .npy
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Print one JSON object a picture and line
    #[arg(long)]
    pub json: bool,
    /// Delete the encrypted pictures and results on the server once they are read; a limited token
    /// cannot
    #[arg(long, conflicts_with = "token")]
    pub forget: bool,
}

/// `darkroom encrypt`
#[derive(Debug, clap::Args)]
pub struct Encrypt {
    /// Your key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The model's folder: it says to which size the picture is brought
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// The picture
    pub image: PathBuf,
    /// Where the encrypted picture goes
    #[arg(short, long, value_name = "CT")]
    pub output: PathBuf,
}

/// How many threads work.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Threads {
    /// Work on so many threads at once [default: one a core]
    #[arg(id = "threads", long = "threads", value_name = "N")]
    pub wanted: Option<NonZeroUsize>,
}

/// `darkroom evaluation-key`
#[derive(Debug, clap::Args)]
pub struct EvaluationKey {
    /// Your key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The folder of a model that needs one; it then serves all models of its parameter set
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Where the evaluation key goes
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub force: bool,
    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,
}

/// `darkroom compute`
#[derive(Debug, clap::Args)]
pub struct Compute {
    /// The model's folder
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// The evaluation key of whoever encrypted the picture; networks need one
    #[arg(long, value_name = "FILE")]
    pub evaluation_key: Option<PathBuf>,
    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,
    /// The encrypted picture
    #[arg(value_name = "CT")]
    pub image: PathBuf,
    /// Where the encrypted result goes
    #[arg(short, long, value_name = "RESULT")]
    pub output: PathBuf,
}

/// `darkroom decrypt`
#[derive(Debug, clap::Args)]
pub struct Decrypt {
    /// Your key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The model's folder: the result has to be of this model
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// The encrypted result
    pub result: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `darkroom evaluate`
#[derive(Debug, clap::Args)]
pub struct Evaluate {
    /// The model's folder
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// A NumPy archive: images, uint8 of shape (n, height, width), and labels, integers from 0; or
    /// val_images and val_labels
    #[arg(long, value_name = "FILE.npz")]
    pub data: PathBuf,
    /// Also encrypt so many of the pictures, spread evenly over them, and compute on the ciphertexts
    #[arg(long, value_name = "N")]
    pub encrypted: Option<NonZeroUsize>,
    /// Where the simulated noise begins; the same seed, the same noise
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,
}

/// `darkroom simulate`
#[derive(Debug, clap::Args)]
pub struct Simulate {
    /// The model's folder
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,
    /// Pictures: PNG, JPEG, WebP, BMP, GIF, or NumPy's .npy
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Print one JSON object a picture and line
    #[arg(long)]
    pub json: bool,
}
