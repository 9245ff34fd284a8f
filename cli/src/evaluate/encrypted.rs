//! Pictures really encrypted, computed on and decrypted.

use darkroom_fhe::Answer;
use darkroom_fhe::eval::{Control, EvaluationKey, clear};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;

use super::compare::{differences, score_rms};
use super::{Bench, Difference, Shares};
use crate::error::Error;
use crate::evaluation_key::Figures;
use crate::progress::Progress;
use crate::timing::{Time, median, timed};
use crate::{evaluation_key, stages, threads};

/// Draws of simulated noise a picture, to compare the measured noise with.
const DRAWS: u32 = 16;

/// What was measured on encrypted pictures.
pub struct Encrypted {
    pub shares: Shares,
    /// Of the clear twin on the same pictures.
    pub clear: Shares,
    pub apart: Vec<Difference>,
    pub key: Option<Figures>,
    /// Medians of the evaluation of one picture on all threads.
    pub wall_ms: f64,
    pub cpu_ms: f64,
    /// Root mean square of the scores' difference from the clear twin's: found, and simulated.
    pub noise: f64,
    pub noise_predicted: f64,
}

/// One owner of pictures, with everything that computing on them takes.
struct Owner {
    key: ClientKey,
    evaluation_key: Option<(EvaluationKey, Figures)>,
}

impl Encrypted {
    /// Encrypts the pictures at these places under a key made for it.
    pub fn measure(
        bench: &Bench,
        places: &[usize],
        clear: &[Answer],
        progress: &Progress,
    ) -> Result<Self, Error> {
        let owner = Owner::new(bench, progress)?;
        let (mut answers, mut times) = (Vec::new(), Vec::new());
        for (done, &place) in places.iter().enumerate() {
            let of = places.len();
            progress.set(
                "computing on encrypted pictures",
                format!(", {done} of {of}"),
            );
            let (answer, time) = owner.answer(bench, place)?;
            answers.push(answer);
            times.push(time);
        }
        progress.set("comparing", String::new());
        let twins = || places.iter().map(|&place| &clear[place]);
        Ok(Self {
            shares: bench.shares(places.iter().copied(), &answers),
            clear: bench.shares(places.iter().copied(), twins()),
            apart: differences(bench, places, clear, &answers)?,
            key: owner.evaluation_key.map(|(_, figures)| figures),
            wall_ms: median(times.iter().map(|time| time.wall_ms)),
            cpu_ms: median(times.iter().map(|time| time.cpu_ms)),
            noise: score_rms(answers.iter().zip(twins())),
            noise_predicted: predicted(bench, places, clear)?,
        })
    }

    /// Whether every label is the clear twin's, or noise at a near tie explains that it is not.
    pub fn is_explained(&self) -> bool {
        self.apart.iter().all(|difference| difference.explained)
    }
}

impl Owner {
    fn new(bench: &Bench, progress: &Progress) -> Result<Self, Error> {
        let key = ClientKey::generate(&mut Randomness::system()?)?;
        let parameters = bench.model.evaluation_key_parameters();
        let made = parameters
            .map(|parameters| evaluation_key::fresh(&key, parameters, bench.threads, progress));
        Ok(Self {
            evaluation_key: made.transpose()?,
            key,
        })
    }

    /// The answer to one picture, and the evaluation's time.
    fn answer(&self, bench: &Bench, place: usize) -> Result<(Answer, Time), Error> {
        let control = Control {
            threads: bench.threads,
            progress: &|_| {},
            cancelled: &|| false,
        };
        let image = stages::encrypt_pixels(&self.key, &bench.pictures[place])?;
        let key = self.evaluation_key.as_ref().map(|(key, _)| key);
        let (result, time) = timed(|| {
            stages::evaluate(&bench.model, "the encrypted picture", &image, key, &control)
        })?;
        let (answer, _) = stages::read_result(&self.key, "the result", &result)?;
        Ok((answer, time))
    }
}

/// What the scores' noise should be on these pictures.
fn predicted(bench: &Bench, places: &[usize], clear: &[Answer]) -> Result<f64, Error> {
    let drawn = threads::map(bench.threads, places, |_, &place| {
        let draw = |draw| {
            let mut noise = bench.noise(place, draw);
            clear::simulate(&bench.model, &bench.pictures[place], &mut noise)
        };
        Ok((1..=DRAWS).map(draw).collect::<Result<Vec<_>, _>>()?)
    })?;
    let pairs = places.iter().zip(&drawn);
    Ok(score_rms(pairs.flat_map(|(&place, drawn)| {
        drawn.iter().map(move |answer| (answer, &clear[place]))
    })))
}
