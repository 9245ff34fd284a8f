//! Accuracy.

use serde::Serialize;

/// Of how many pictures the class was told right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shares {
    pub pictures: usize,
    pub right: usize,
    /// Right of all, 0 to 1.
    pub accuracy: f64,
    /// The mean over the classes that occur of the share told right.
    pub balanced_accuracy: f64,
}

impl Shares {
    /// Of pairs of the true class and the one that was told.
    pub fn of(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut by_class = vec![(0_usize, 0_usize); classes];
        for (truth, told) in pairs {
            let Some((pictures, right)) = by_class.get_mut(truth) else {
                continue;
            };
            *pictures += 1;
            *right += usize::from(truth == told);
        }
        by_class.retain(|(pictures, _)| *pictures > 0);
        let pictures = by_class.iter().map(|(pictures, _)| pictures).sum();
        let right = by_class.iter().map(|(_, right)| right).sum();
        let share = |(pictures, right): &(usize, usize)| *right as f64 / *pictures as f64;
        let sum: f64 = by_class.iter().map(share).sum();
        Self {
            pictures,
            right,
            accuracy: share(&(pictures, right)),
            balanced_accuracy: sum / by_class.len() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_accuracy_counts_every_class_alike() {
        let pairs = [(0, 0), (0, 0), (0, 0), (0, 2), (2, 0), (2, 2)];
        let shares = Shares::of(3, pairs);
        assert_eq!((shares.pictures, shares.right), (6, 4));
        assert!((shares.accuracy - 4.0 / 6.0).abs() < 1e-12);
        assert!((shares.balanced_accuracy - (0.75 + 0.5) / 2.0).abs() < 1e-12);
    }
}
