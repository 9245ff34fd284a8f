//! The stages one by one, over files.

use std::path::Path;

use darkroom_api::header::{self, Header, ObjectKind, ParameterSetId};
use darkroom_api::ids::KeyId;
use darkroom_fhe::eval::{Control, EvaluationKey};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::wire::{EncryptedImage, EncryptedResult};
use darkroom_fhe::{Answer, eval};

use crate::args::{Compute, Decrypt, Encrypt};
use crate::error::Error;
use crate::progress::Progress;
use crate::{evaluation_key, files, key_file, model_folder, output, pictures, threads};

const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// `darkroom encrypt`
pub fn encrypt(args: &Encrypt) -> Result<(), Error> {
    let key = key_file::read(&args.key)?;
    let model = model_folder::load(&args.model)?;
    let pixels = pictures::load(&args.image, model.input())?;
    files::write(&args.output, &encrypt_pixels(&key, &pixels)?)
}

/// `darkroom compute`
pub fn compute(args: &Compute) -> Result<(), Error> {
    let model = model_folder::load(&args.model)?;
    let what = name(&args.image);
    let object = read_object(&args.image)?;
    let (header, _) = open(&what, &object, ObjectKind::Image)?;
    let key = key_for(&model, args.evaluation_key.as_deref(), header.key)?;
    let (progress, all) = (Progress::begin("computing"), model.bootstraps());
    let control = Control {
        threads: threads::count(args.threads.wanted),
        progress: &|done| progress.detail(format!(", {done} of {all} bootstraps")),
        cancelled: &|| false,
    };
    let result = evaluate(&model, &what, &object, key.as_ref(), &control)?;
    files::write(&args.output, &result)
}

/// The key in a file if the model needs one. It has to be the one of the picture's owner.
fn key_for(
    model: &Model,
    file: Option<&Path>,
    owner: KeyId,
) -> Result<Option<EvaluationKey>, Error> {
    match (model.evaluation_key_parameters(), file) {
        (None, None) => Ok(None),
        (None, Some(file)) => {
            let (id, file) = (model.id(), file.display());
            eprintln!("{id} needs no evaluation key: {file} is not read");
            Ok(None)
        }
        (Some(_), None) => Err(Error::NeedsEvaluationKey {
            model: model.id().to_owned(),
        }),
        (Some(parameters), Some(file)) => evaluation_key::read(file, parameters, owner).map(Some),
    }
}

/// `darkroom decrypt`
pub fn decrypt(args: &Decrypt) -> Result<(), Error> {
    let key = key_file::read(&args.key)?;
    let model = model_folder::load(&args.model)?;
    let what = name(&args.result);
    let object = read_object(&args.result)?;
    let (answer, result) = read_result(&key, &what, &object)?;
    let reading = result.reading();
    let foreign = |detail| {
        Err(Error::ForeignModel {
            what: what.clone(),
            found: reading.model.clone(),
            detail,
        })
    };
    if reading.model != model.id() {
        return foreign("");
    }
    if reading.digest != model.digest() {
        return foreign(", but of other files than those in the folder");
    }
    output::answer(&answer, model.notice(), args.json)?;
    Ok(())
}

/// Pixels become the object that is stored and sent.
pub fn encrypt_pixels(key: &ClientKey, pixels: &Pixels) -> Result<Vec<u8>, Error> {
    let image = key.encrypt_image(pixels, &mut Randomness::system()?)?;
    let parameters = ParameterSetId(image.parameters());
    let own = KeyId(key.key_id());
    Ok(header::seal(
        ObjectKind::Image,
        parameters,
        own,
        &image.to_payload(),
    ))
}

/// An encrypted picture becomes an encrypted result; both with header.
pub fn evaluate(
    model: &Model,
    what: &str,
    object: &[u8],
    key: Option<&EvaluationKey>,
    control: &Control,
) -> Result<Vec<u8>, Error> {
    let (header, payload) = open(what, object, ObjectKind::Image)?;
    let unusable = |source| payload_error(what, source);
    let image = EncryptedImage::from_payload(header.parameters.0, payload).map_err(unusable)?;
    let result = eval::cipher::evaluate(model, &image, key, control).map_err(unusable)?;
    let parameters = ParameterSetId(result.parameters());
    Ok(header::seal(
        ObjectKind::Result,
        parameters,
        header.key,
        &result.to_payload(),
    ))
}

/// An encrypted result, with header, becomes an answer.
pub fn read_result(
    key: &ClientKey,
    what: &str,
    object: &[u8],
) -> Result<(Answer, EncryptedResult), Error> {
    let (header, payload) = open(what, object, ObjectKind::Result)?;
    let own = KeyId(key.key_id());
    if header.key != own {
        return Err(Error::ForeignKey {
            what: what.to_owned(),
            found: header.key,
            own,
        });
    }
    let result = EncryptedResult::from_payload(header.parameters.0, payload);
    let result = result.map_err(|source| payload_error(what, source))?;
    Ok((key.decrypt_result(&result)?, result))
}

fn open<'a>(what: &str, object: &'a [u8], kind: ObjectKind) -> Result<(Header, &'a [u8]), Error> {
    header::open(object, kind).map_err(|source| Error::Object {
        what: what.to_owned(),
        source,
    })
}

fn payload_error(what: &str, source: darkroom_fhe::Error) -> Error {
    let what = what.to_owned();
    Error::Payload { what, source }
}

fn read_object(path: &Path) -> Result<Vec<u8>, Error> {
    files::read(path, "Darkroom object", OBJECT_BYTES_MAX)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
