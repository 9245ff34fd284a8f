//! `darkroom evaluate`: how good a model is, in the clear, with simulated noise and encrypted.

mod compare;
mod encrypted;
mod report;
mod shares;

use std::process::ExitCode;
use std::time::Instant;

use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use darkroom_fhe::seed::Randomness;
use darkroom_fhe::{Answer, Labelled};

use crate::args::Evaluate;
use crate::error::Error;
use crate::progress::Progress;
use crate::{files, model_folder, threads};
use compare::{Difference, differences};
use encrypted::Encrypted;
use report::Report;
use shares::Shares;

const FILE_BYTES_MAX: u64 = 1 << 30;

/// A model, what it is measured on, and how.
struct Bench {
    model: Model,
    pictures: Vec<Pixels>,
    labels: Vec<usize>,
    seed: u64,
    threads: usize,
}

/// A walk over all pictures.
struct Walk {
    answers: Vec<Answer>,
    seconds: f64,
}

/// `darkroom evaluate`
///
/// Fails if an encrypted label differs from the clear twin's by more than noise explains.
pub fn run(args: &Evaluate) -> Result<ExitCode, Error> {
    let bench = Bench::new(args)?;
    let progress = Progress::begin("evaluating in the clear");
    let clear = bench.walk(|_, pixels| clear::evaluate(&bench.model, pixels))?;
    progress.set("simulating the noise", String::new());
    let simulated = bench
        .walk(|index, pixels| clear::simulate(&bench.model, pixels, &mut bench.noise(index, 0)))?;
    let all: Vec<usize> = (0..bench.pictures.len()).collect();
    let apart = differences(&bench, &all, &clear.answers, &simulated.answers)?;
    let encrypted = args.encrypted.map(|wanted| {
        let places = spread(wanted.get(), bench.pictures.len());
        Encrypted::measure(&bench, &places, &clear.answers, &progress)
    });
    let encrypted = encrypted.transpose()?;
    drop(progress);
    let explained = encrypted.as_ref().is_none_or(Encrypted::is_explained);
    Report {
        bench: &bench,
        data: &args.data,
        clear: &clear,
        simulated: &simulated,
        apart: &apart,
        encrypted: encrypted.as_ref(),
    }
    .print(args.json)?;
    Ok(if explained {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Bench {
    fn new(args: &Evaluate) -> Result<Self, Error> {
        let model = model_folder::load(&args.model)?;
        let bytes = files::read(&args.data, "NumPy archive", FILE_BYTES_MAX)?;
        let wrong = |source| Error::Data {
            path: args.data.clone(),
            source,
        };
        let set = Labelled::from_npz(&bytes).map_err(wrong)?;
        let classes = model.classes().len();
        let stranger = set.labels().iter().position(|&label| label >= classes);
        if let Some(picture) = stranger {
            return Err(Error::Label {
                path: args.data.clone(),
                picture,
                label: set.labels()[picture],
                classes,
            });
        }
        let threads = threads::count(args.threads.wanted);
        let pictures = threads::map(threads, set.images(), |_, pixels| {
            Ok(pixels.prepare(model.input())?)
        });
        Ok(Self {
            pictures: pictures?,
            labels: set.labels().to_vec(),
            model,
            seed: args.seed,
            threads,
        })
    }

    /// Answers all pictures, on all threads.
    fn walk(
        &self,
        answer: impl Fn(usize, &Pixels) -> Result<Answer, darkroom_fhe::Error> + Sync,
    ) -> Result<Walk, Error> {
        let begun = Instant::now();
        let answers = threads::map(self.threads, &self.pictures, |index, pixels| {
            Ok(answer(index, pixels)?)
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Walk { answers, seconds })
    }

    /// The noise of one picture, in its draws from 0; the same whatever the number of threads.
    fn noise(&self, picture: usize, draw: u32) -> Randomness {
        let place = ((picture as u128) << 32) | u128::from(draw);
        Randomness::danger_fixed((u128::from(self.seed) << 64) | place)
    }

    /// How many of these pictures are told right, by answers in the same order.
    fn shares<'a>(
        &self,
        places: impl IntoIterator<Item = usize>,
        answers: impl IntoIterator<Item = &'a Answer>,
    ) -> Shares {
        let told = answers.into_iter().map(|answer| answer.class);
        let truth = places.into_iter().map(|place| self.labels[place]);
        Shares::of(self.model.classes().len(), truth.zip(told))
    }
}

/// So many of the places below `all`, evenly spread.
fn spread(wanted: usize, all: usize) -> Vec<usize> {
    let count = wanted.min(all);
    (0..count).map(|index| index * all / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_spread_over_the_set() {
        assert_eq!(spread(3, 10), [0, 3, 6]);
        assert_eq!(spread(4, 4), [0, 1, 2, 3]);
        assert_eq!(spread(9, 2), [0, 1]);
        assert!(spread(9, 0).is_empty());
    }
}
