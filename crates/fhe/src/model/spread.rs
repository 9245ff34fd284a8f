//! What noise at a function's input does to its value.

use std::f64::consts::PI;

/// How a function's value spreads when its input is noisy. In units of the value, squared but for
/// the shift.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    /// The mean square of the error over inputs spread evenly.
    pub(super) average: f64,
    /// The error around its mean is no wilder than a Gaussian of this variance, whatever the input: by
    /// the steepest slope (Gaussian concentration), or by the whole range of values (Hoeffding).
    pub(super) bound: f64,
    /// The largest distance between the mean of the noisy value and the exact one.
    pub(super) shift: f64,
}

/// What comes beyond the slots of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// Its negative, as the torus has it.
    Negative,
    /// Nothing that an input could reach: it stays as it is at the ends.
    Level,
}

/// Chances of a slot to be moved by so many slots, Gaussian.
pub(super) struct Moves {
    deviation: f64,
    /// Of the distances from `-reach` to `reach`.
    chances: Vec<f64>,
    reach: usize,
}

impl Moves {
    /// Of this standard deviation, in slots; for tables of `slots`.
    pub(super) fn new(deviation: f64, slots: usize) -> Self {
        // Where in its slot an input lies, before and after, spreads it by 1/12 each.
        let variance = deviation * deviation + 1.0 / 6.0;
        let reach = to_usize((5.5 * variance.sqrt()).ceil()).clamp(1, slots - 1);
        let density = |slots: usize| {
            let distance = slots as f64 - reach as f64;
            (-distance * distance / (2.0 * variance)).exp() / (2.0 * PI * variance).sqrt()
        };
        let mut chances: Vec<f64> = (0..=2 * reach).map(density).collect();
        let sum: f64 = chances.iter().sum();
        chances.iter_mut().for_each(|chance| *chance /= sum);
        Self {
            deviation,
            chances,
            reach,
        }
    }

    /// The spread of a function, given at all slots of half the torus.
    pub(super) fn spread(&self, values: &[f64], beyond: Around) -> Spread {
        let slots = values.len();
        let at = |i: usize| match (i.checked_sub(self.reach), beyond) {
            (Some(slot), _) if slot < slots => values[slot],
            (None, Around::Level) => values[0],
            (None, Around::Negative) => -values[i + slots - self.reach],
            (Some(_), Around::Level) => values[slots - 1],
            (Some(slot), Around::Negative) => -values[slot - slots],
        };
        let around: Vec<f64> = (0..slots + 2 * self.reach).map(at).collect();
        let mut means = vec![0.0; slots];
        for (chance, shifted) in self.chances.iter().zip(around.windows(slots)) {
            for (mean, value) in means.iter_mut().zip(shifted) {
                *mean += chance * value;
            }
        }
        let pairs = || values.iter().zip(&means);
        let mean_square = values.iter().map(|v| v * v).sum::<f64>() / slots as f64;
        let mean_product = pairs().map(|(v, mean)| v * mean).sum::<f64>() / slots as f64;
        let steps = around.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let steepest = steps.fold(0.0, f64::max) * self.deviation;
        let largest = values.iter().fold(0.0, |top: f64, v| top.max(v.abs()));
        Spread {
            average: (2.0 * (mean_square - mean_product)).max(0.0),
            bound: steepest.min(largest).powi(2),
            shift: pairs()
                .map(|(v, mean)| (v - mean).abs())
                .fold(0.0, f64::max),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small and not negative
fn to_usize(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SLOTS: usize = 512;

    fn sine(multiple: f64) -> Vec<f64> {
        let angle = |i: usize| multiple * PI * (i as f64 + 0.5) / SLOTS as f64;
        (0..SLOTS).map(|i| angle(i).sin()).collect()
    }

    /// E[(sin(x + e) - sin x)^2] over x is 1 - exp(-s^2 / 2), and the mean of sin(x + e) is
    /// exp(-s^2 / 2) sin x.
    #[test]
    fn a_sine_spreads_as_calculus_says() {
        for multiple in [1.0, 3.0, 7.0] {
            for deviation in [3.0, 6.0, 20.0] {
                let spread = Moves::new(deviation, SLOTS).spread(&sine(multiple), Around::Negative);
                let per_slot = multiple * PI / SLOTS as f64;
                let variance = (deviation * deviation + 1.0 / 6.0) * per_slot * per_slot;
                let kept = (-variance / 2.0).exp();
                let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 2e-3;
                assert!(
                    near(spread.average, 1.0 - kept),
                    "{spread:?} {}",
                    1.0 - kept
                );
                assert!(near(spread.shift, 1.0 - kept), "{spread:?}");
                let steepest = (deviation * per_slot).min(1.0).powi(2);
                assert!(near(spread.bound, steepest), "{spread:?} {steepest}");
            }
        }
    }

    #[test]
    fn a_jump_is_bounded_by_its_height() {
        let sign: Vec<f64> = (0..SLOTS)
            .map(|i| if i < 256 { -1.0 } else { 1.0 })
            .collect();
        let spread = Moves::new(6.0, SLOTS).spread(&sign, Around::Negative);
        assert_eq!(spread.bound, 1.0);
        assert!((spread.shift - 1.0).abs() < 0.1, "{spread:?}");
    }

    #[test]
    fn what_cannot_be_reached_counts_for_nothing() {
        // Flat to the middle, then up: the torus has a jump from its end to zero.
        let relu: Vec<f64> = (0..SLOTS).map(|i| i.saturating_sub(256) as f64).collect();
        let moves = Moves::new(6.0, SLOTS);
        let (level, negative) = (
            moves.spread(&relu, Around::Level),
            moves.spread(&relu, Around::Negative),
        );
        assert_eq!(level.bound, 36.0);
        assert_eq!(negative.bound, 255.0 * 255.0);
        assert!(level.average < negative.average);
    }
}
