//! Scores become probabilities, and those a label.

use serde::{Deserialize, Serialize};

/// How scores become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One score, two classes: the logistic function of the score is the probability of the second.
    Logistic,
    /// A score a class: the exponentials of the scores over their sum.
    Softmax,
}

impl Head {
    /// How many scores these classes need.
    pub(crate) fn scores(self, classes: usize) -> usize {
        match self {
            Self::Logistic => 1,
            Self::Softmax => classes,
        }
    }

    /// One probability a class.
    pub fn probabilities(self, scores: &[f64]) -> Vec<f64> {
        match self {
            Self::Logistic => {
                let score = scores.first().copied().unwrap_or(0.0);
                vec![logistic(-score), logistic(score)]
            }
            Self::Softmax => softmax(scores),
        }
    }
}

fn logistic(score: f64) -> f64 {
    if score >= 0.0 {
        1.0 / (1.0 + (-score).exp())
    } else {
        score.exp() / (1.0 + score.exp())
    }
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// What a model says of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The most probable class, counted from 0.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// The names of all classes.
    pub classes: Vec<String>,
    /// The probability of each class, 0 to 1.
    pub probabilities: Vec<f64>,
    /// The scores: one a class, or a single one for two classes.
    pub scores: Vec<f64>,
}

impl Answer {
    /// The answer that these scores give. Of equally probable classes the first wins.
    pub(crate) fn from_scores(head: Head, classes: &[String], scores: Vec<f64>) -> Self {
        let probabilities = head.probabilities(&scores);
        let mut class = 0;
        for (candidate, probability) in probabilities.iter().enumerate() {
            if *probability > probabilities[class] {
                class = candidate;
            }
        }
        Self {
            class,
            label: classes.get(class).cloned().unwrap_or_default(),
            classes: classes.to_vec(),
            probabilities,
            scores,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("c{i}")).collect()
    }

    #[test]
    fn one_score_is_the_log_odds_of_the_second_class() {
        let answer = Answer::from_scores(Head::Logistic, &names(2), vec![3f64.ln()]);
        assert!((answer.probabilities[1] - 0.75).abs() < 1e-15);
        assert!((answer.probabilities[0] - 0.25).abs() < 1e-15);
        assert_eq!((answer.class, answer.label.as_str()), (1, "c1"));
        let tie = Answer::from_scores(Head::Logistic, &names(2), vec![0.0]);
        assert_eq!(tie.class, 0);
    }

    #[test]
    fn a_score_a_class_is_a_softmax() {
        let scores = vec![1f64.ln(), 2f64.ln(), 5f64.ln()];
        let answer = Answer::from_scores(Head::Softmax, &names(3), scores);
        for (found, expected) in answer.probabilities.iter().zip([0.125, 0.25, 0.625]) {
            assert!((found - expected).abs() < 1e-15);
        }
        assert_eq!(answer.class, 2);
    }

    #[test]
    fn far_scores_overflow_nothing() {
        for score in [-1e308, -800.0, 800.0, 1e308] {
            let p = Head::Logistic.probabilities(&[score]);
            assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{score}");
            let p = Head::Softmax.probabilities(&[score, 0.0]);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{score}");
        }
    }
}
