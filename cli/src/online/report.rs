//! What is told of pictures: a line each, in the order of the command line.

use std::cell::Cell;
use std::path::Path;

use darkroom_api::problem::Problem;
use darkroom_fhe::Answer;
use serde::Serialize;

use super::session::Session;
use crate::error::Error;
use crate::output::{self, AnswerJson};
use crate::progress::Progress;

/// Wall time of every stage of a picture.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Times {
    /// Decoding the picture and bringing it to the model's frame.
    pub prepare_ms: f64,
    pub encrypt_ms: f64,
    /// Storing the encrypted picture and the sealed names.
    pub send_ms: f64,
    /// From the submission to the result, compute's own time apart.
    pub wait_ms: f64,
    /// Compute: fetching the picture, evaluating, storing the result.
    pub compute_ms: f64,
    /// Of that, the evaluation alone.
    pub evaluate_ms: f64,
    pub fetch_ms: f64,
    pub decrypt_ms: f64,
}

/// What became of a picture.
#[derive(Debug)]
pub struct Done {
    pub answer: Answer,
    /// The encrypted picture, header included.
    pub bytes_sent: usize,
    /// The encrypted result, header included.
    pub bytes_received: usize,
    pub times: Times,
}

/// Tells, and counts.
pub struct Report {
    json: bool,
    images: usize,
    told: Cell<usize>,
    failed: Cell<usize>,
    notice: Option<String>,
    progress: Progress,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Done {
        image: String,
        #[serde(flatten)]
        answer: AnswerJson<'a>,
        bytes_sent: usize,
        bytes_received: usize,
        times: Times,
    },
    Failed {
        image: String,
        error: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'a Problem>,
    },
}

impl Report {
    /// Of so many pictures.
    pub fn new(json: bool, images: usize, session: &Session, progress: Progress) -> Self {
        Self {
            json,
            images,
            told: Cell::new(0),
            failed: Cell::new(0),
            notice: session.card.notice.clone(),
            progress,
        }
    }

    /// Pictures that failed.
    pub fn failed(&self) -> usize {
        self.failed.get()
    }

    /// What is being done.
    pub fn doing(&self, what: &str) {
        let (told, images) = (self.told.get(), self.images);
        let done = if images > 1 {
            format!(", {told} of {images} done")
        } else {
            String::new()
        };
        self.progress.set(what, done);
    }

    /// How many parts of the evaluation key are sent, of those that were missing.
    pub fn part_of_key(&self, done: usize, parts: usize) {
        let detail = format!(", {done} of {parts} parts done");
        self.progress
            .set("making and sending the evaluation key", detail);
    }

    /// How many bootstraps the server has done, of those that the pictures take.
    pub fn bootstraps(&self, done: u64, all: u64) {
        self.doing("the server computes");
        if all > 0 {
            self.progress
                .detail(format!(", {done} of {all} bootstraps"));
        }
    }

    /// Something to know beside the answers.
    pub fn say(&self, text: &str) {
        self.progress.clear();
        eprintln!("{text}");
    }

    /// Ctrl-C was pressed.
    pub fn stopping(&self) {
        self.progress.clear();
        eprintln!("cancelling at the server; press Ctrl-C again to leave at once");
        self.progress.set("cancelling", String::new());
    }

    /// What became of the next picture.
    pub fn tell(
        &self,
        path: &Path,
        outcome: &Result<Done, impl AsRef<Error>>,
    ) -> Result<(), Error> {
        self.told.update(|told| told + 1);
        if outcome.is_err() {
            self.failed.update(|failed| failed + 1);
        }
        self.progress.clear();
        let image = path.display().to_string();
        if self.json {
            return Ok(output::json(&self.line(image, outcome))?);
        }
        match outcome {
            Ok(done) => println!("{image}: {}", output::one_line(&done.answer)),
            Err(error) => eprintln!("darkroom: {image}: {}", output::chain(error.as_ref())),
        }
        if self.told.get() == self.images
            && let Some(notice) = &self.notice
        {
            eprintln!("{notice}");
        }
        Ok(())
    }

    fn line<'a>(&'a self, image: String, outcome: &'a Result<Done, impl AsRef<Error>>) -> Line<'a> {
        match outcome {
            Ok(done) => Line::Done {
                image,
                answer: AnswerJson::new(&done.answer, self.notice.as_deref()),
                bytes_sent: done.bytes_sent,
                bytes_received: done.bytes_received,
                times: done.times,
            },
            Err(error) => Line::Failed {
                image,
                error: output::chain(error.as_ref()),
                problem: error.as_ref().problem(),
            },
        }
    }
}
