//! Through the gateway: the catalogue, and pictures the whole way.

mod batch;
mod catalogue;
mod follow;
mod key_parts;
mod note;
mod report;
mod session;

use std::process::ExitCode;

use darkroom_api::compute::JOB_IMAGES_MAX;

pub use catalogue::models;
pub use session::{connect, patiently};

use crate::args::Analyse;
use crate::error::Error;
use crate::key_file::KeyFile;
use crate::progress::Progress;
use batch::Batch;
use report::Report;
use session::Session;

/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// `darkroom analyse`
pub async fn analyse(args: &Analyse) -> Result<ExitCode, Error> {
    let file = KeyFile::read(&args.key)?;
    let progress = Progress::begin("asking the server");
    let session = Session::begin(args, file, &progress).await?;
    let report = Report::new(args.json, args.images.len(), &session, progress);
    if let Some(card) = session.card.evaluation_key {
        tokio::select! {
            done = key_parts::complete(&session, card, &report) => done?,
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                report.say("what was sent of the evaluation key stays; the next time goes on there");
                return Ok(ExitCode::from(INTERRUPTED));
            }
        }
    }
    for paths in args.images.chunks(JOB_IMAGES_MAX) {
        let batch = Batch::new(&session, &report, paths)?;
        tokio::select! {
            done = batch.run() => done?,
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                report.stopping();
                tokio::select! {
                    () = batch.undo() => {}
                    again = tokio::signal::ctrl_c() => again?,
                }
                return Ok(ExitCode::from(INTERRUPTED));
            }
        }
        batch.tidy(args.forget).await;
    }
    Ok(match report.failed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
