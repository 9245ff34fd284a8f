//! Evaluation keys: made here, kept in a file, brought into the form that evaluation takes.

mod file;
mod make;

use darkroom_api::header::{self, ObjectKind};
use darkroom_api::ids::KeyId;
use darkroom_fhe::eval::{EvaluationKey, EvaluationKeyBuilder};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::KeyPart;
use serde::Serialize;

pub use file::read;
pub use make::{Maker, part_bytes};

use crate::args;
use crate::error::{Error, EvaluationKeyError};
use crate::progress::Progress;
use crate::timing::timed;
use crate::{files, key_file, model_folder, output, threads};

/// `darkroom evaluation-key`
pub fn make(args: &args::EvaluationKey) -> Result<(), Error> {
    let key = key_file::read(&args.key)?;
    let model = model_folder::load(&args.model)?;
    let Some(parameters) = model.evaluation_key_parameters() else {
        let id = model.id();
        eprintln!(
            "{id} needs no evaluation key: darkroom compute runs it without; nothing is made"
        );
        return Ok(());
    };
    if !args.force && args.output.is_file() {
        return Err(Error::Exists {
            path: args.output.clone(),
        });
    }
    let progress = Progress::begin("making the evaluation key");
    let threads = threads::count(args.threads.wanted);
    let objects = all(&key, parameters, threads, &progress)?;
    drop(progress);
    let bytes: usize = objects.iter().map(Vec::len).sum();
    files::write(&args.output, &objects.concat())?;
    let (own, bytes) = (KeyId(key.key_id()), output::bytes(bytes as u64));
    let path = args.output.display();
    eprintln!("the evaluation key of key {own} is in {path}: {bytes}, public");
    Ok(())
}

/// Makes all parts on so many threads, as the objects that are stored and sent.
fn all(
    key: &ClientKey,
    parameters: u32,
    threads: usize,
    progress: &Progress,
) -> Result<Vec<Vec<u8>>, Error> {
    let maker = Maker::new(key, parameters)?;
    progress.set("making the evaluation key", String::new());
    let indices: Vec<u16> = (0..maker.parts()).collect();
    let parts = indices.len();
    let (mut made, mut objects) = (0, vec![Vec::new(); parts]);
    let keep = |place: usize, object| {
        objects[place] = object;
        made += 1;
        progress.detail(format!(", part {made} of {parts}"));
        std::ops::ControlFlow::Continue(())
    };
    threads::each(
        threads,
        &indices,
        || Ok(Randomness::system()?),
        |randomness, _, &index| maker.part(index, randomness),
        keep,
    )?;
    Ok(objects)
}

/// An evaluation key just made, ready for use, in figures.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// What is sent and stored, headers included.
    pub bytes: u64,
    pub memory_bytes: u64,
    /// Making it, on all threads.
    pub make_ms: f64,
    pub make_cpu_ms: f64,
    /// Bringing it into the form that evaluation takes, on one thread.
    pub expand_ms: f64,
    pub expand_cpu_ms: f64,
}

/// Makes a key and brings it into the form that evaluation takes.
pub fn fresh(
    key: &ClientKey,
    parameters: u32,
    threads: usize,
    progress: &Progress,
) -> Result<(EvaluationKey, Figures), Error> {
    let (objects, make) = timed(|| all(key, parameters, threads, progress))?;
    progress.set("expanding the evaluation key", String::new());
    let (expanded, expand) = timed(|| {
        let objects = objects.iter().map(Vec::as_slice);
        expand(parameters, KeyId(key.key_id()), objects).map_err(|source| {
            let what = "what was just made".to_owned();
            Error::EvaluationKey { what, source }
        })
    })?;
    let figures = Figures {
        bytes: objects.iter().map(|object| object.len() as u64).sum(),
        memory_bytes: expanded.memory_bytes(),
        make_ms: make.wall_ms,
        make_cpu_ms: make.cpu_ms,
        expand_ms: expand.wall_ms,
        expand_cpu_ms: expand.cpu_ms,
    };
    Ok((expanded, figures))
}

/// Brings the objects of all parts into the form that evaluation takes, checking each.
fn expand<'a>(
    parameters: u32,
    owner: KeyId,
    objects: impl IntoIterator<Item = &'a [u8]>,
) -> Result<EvaluationKey, EvaluationKeyError> {
    let mut builder = EvaluationKeyBuilder::new(parameters)?;
    for (place, object) in objects.into_iter().enumerate() {
        let (header, payload) = header::open(object, ObjectKind::EvaluationKey)
            .map_err(|source| EvaluationKeyError::part(place, source))?;
        if header.key != owner {
            let found = header.key;
            return Err(EvaluationKeyError::Foreign { found, owner });
        }
        if header.parameters.0 != parameters {
            let (found, expected) = (header.parameters.0, parameters);
            return Err(EvaluationKeyError::Parameters { found, expected });
        }
        builder.add(&KeyPart::from_payload(parameters, payload)?)?;
    }
    Ok(builder.finish()?)
}
