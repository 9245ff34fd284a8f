//! Labels that are not the clear twin's, and whether noise explains them.

use darkroom_fhe::eval::clear;
use darkroom_fhe::{Answer, Head};
use serde::Serialize;

use super::Bench;
use crate::error::Error;
use crate::threads;

/// Draws of noise that show how far it moves two scores apart.
const DRAWS: u32 = 200;
/// Noise is no explanation of what it does less than once in a million times.
const DEVIATIONS_MAX: f64 = 5.0;

/// A picture whose label is not the clear twin's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Which, counted from 0.
    pub picture: usize,
    pub truth: String,
    pub clear: String,
    pub told: String,
    /// By how much the clear twin's score of its label leads that of the other.
    pub margin: f64,
    /// The standard deviation of the noise of that lead, from the noise predicted for the model.
    pub noise: f64,
    /// The margin in such deviations.
    pub deviations: f64,
    /// Whether noise does that: a near tie.
    pub explained: bool,
}

/// Where answers to these pictures are not those of the clear twin.
pub fn differences(
    bench: &Bench,
    places: &[usize],
    clear: &[Answer],
    told: &[Answer],
) -> Result<Vec<Difference>, Error> {
    let pairs = places.iter().zip(told);
    let apart: Vec<(usize, &Answer)> = pairs
        .map(|(&place, told)| (place, told))
        .filter(|(place, told)| told.class != clear[*place].class)
        .collect();
    threads::map(bench.threads, &apart, |_, (place, told)| {
        difference(bench, *place, &clear[*place], told)
    })
}

fn difference(
    bench: &Bench,
    picture: usize,
    clear: &Answer,
    told: &Answer,
) -> Result<Difference, Error> {
    let lead = |answer: &Answer| lead(bench.model.head(), answer, clear.class, told.class);
    let margin = lead(clear);
    let mut squares = 0.0;
    for draw in 1..=DRAWS {
        let mut noise = bench.noise(picture, draw);
        let drawn = clear::simulate(&bench.model, &bench.pictures[picture], &mut noise)?;
        squares += (lead(&drawn) - margin).powi(2);
    }
    let noise = (squares / f64::from(DRAWS)).sqrt();
    let deviations = margin / noise;
    Ok(Difference {
        picture,
        truth: bench.model.classes()[bench.labels[picture]].clone(),
        clear: clear.label.clone(),
        told: told.label.clone(),
        margin,
        noise,
        deviations,
        explained: deviations <= DEVIATIONS_MAX,
    })
}

/// By how much the score of one class is above that of another.
fn lead(head: Head, answer: &Answer, class: usize, other: usize) -> f64 {
    let score = |class: usize| match head {
        // The one score is that of the second class; the first has 0.
        Head::Logistic if class == 0 => 0.0,
        Head::Logistic => answer.scores.first().copied().unwrap_or(0.0),
        Head::Softmax => answer.scores.get(class).copied().unwrap_or(0.0),
    };
    score(class) - score(other)
}

/// The root of the mean square of the differences between scores.
pub fn score_rms<'a>(pairs: impl Iterator<Item = (&'a Answer, &'a Answer)>) -> f64 {
    let (mut squares, mut count) = (0.0, 0_u32);
    for (a, b) in pairs {
        for (a, b) in a.scores.iter().zip(&b.scores) {
            squares += (a - b).powi(2);
            count += 1;
        }
    }
    (squares / f64::from(count)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(scores: &[f64]) -> Answer {
        Answer {
            class: 0,
            label: String::new(),
            classes: Vec::new(),
            probabilities: Vec::new(),
            scores: scores.to_vec(),
        }
    }

    #[test]
    fn leads_of_one_score_and_of_many() {
        let softmax = answer(&[1.0, 4.0, 2.5]);
        assert_eq!(lead(Head::Softmax, &softmax, 1, 2), 1.5);
        let logistic = answer(&[-0.25]);
        assert_eq!(lead(Head::Logistic, &logistic, 0, 1), 0.25);
        assert_eq!(lead(Head::Logistic, &logistic, 1, 0), -0.25);
    }

    #[test]
    fn the_root_of_the_mean_square() {
        let (a, b) = (answer(&[1.0, 2.0]), answer(&[1.0, 4.0]));
        assert!((score_rms([(&a, &b)].into_iter()) - 2f64.sqrt()).abs() < 1e-12);
    }
}
