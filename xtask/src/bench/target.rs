//! What a figure must reach.

use serde_json::{Value, json};

use super::number;

/// Bounds, the figure itself included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    Between(f64, f64),
}

use Target::{AtLeast, AtMost, Between};

/// By the figure's name.
const TARGETS: &[(&str, Target)] = &[
    ("image", AtMost(84_000.0)),
    ("result", AtMost(8_400.0)),
    ("evaluation key", AtMost(0.0)),
    ("score error, largest of 62 pictures", AtMost(1e-4)),
    ("server, payload to payload", AtMost(3.0)),
    (
        "encryption of 128x128 in the browser's worker",
        AtMost(50.0),
    ),
    ("compute memory growth over 1000 jobs", AtMost(2.0)),
    ("page's first load, compressed", AtMost(1_000_000.0)),
    ("evaluation key of networks", AtMost(12e6)),
    ("evaluation key, expansion", AtMost(0.8)),
    ("evaluation key, in memory", AtMost(110e6)),
    (
        "evaluation key made in the browser, two workers",
        AtMost(3.5),
    ),
    ("sealing, one core", AtLeast(1.0)),
    ("opening, one core", AtLeast(1.0)),
    ("small request, added by a sealed link", AtMost(3.0)),
    ("28 MB up, sealed beside unsealed", AtMost(1.3)),
    ("two compute processes against one", AtLeast(1.9)),
    ("30 MB read, 1 at once, beside nginx", AtLeast(0.8)),
    ("30 MB read, 4 at once, beside nginx", AtLeast(0.8)),
    (
        "30 MB stored, 1 at once, beside a write with fsync",
        AtLeast(0.8),
    ),
    (
        "30 MB stored, 4 at once, beside a write with fsync",
        AtLeast(0.8),
    ),
    ("500 clients directly, errors", AtMost(0.0)),
    ("500 clients through the gateway, errors", AtMost(0.0)),
];

/// The same for each network: its name and this.
const NETWORK_TARGETS: &[(&str, Target)] = &[
    ("two threads, beside tfhe's loop", AtMost(0.35)),
    ("two threads against one", AtLeast(1.8)),
    ("labels as the clear twin's", AtLeast(0.995)),
    ("labels that noise does not explain", AtMost(0.0)),
    (
        "noise of the scores beside the prediction",
        Between(0.9, 1.1),
    ),
];

/// A network's name, its processor time in seconds and its accuracy.
const NETWORKS: &[(&str, f64, f64)] = &[
    ("digits-fast", 0.25, 0.978),
    ("digits", 0.45, 0.986),
    ("digits-best", 0.9, 0.99),
];

impl Target {
    pub fn met(self, value: f64) -> bool {
        match self {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
            Between(least, most) => (least..=most).contains(&value),
        }
    }

    pub fn text(self) -> String {
        match self {
            AtMost(most) => format!("at most {}", number(most)),
            AtLeast(least) => format!("at least {}", number(least)),
            Between(least, most) => format!("{} to {}", number(least), number(most)),
        }
    }

    pub fn to_json(self) -> Value {
        match self {
            AtMost(most) => json!({ "at_most": most }),
            AtLeast(least) => json!({ "at_least": least }),
            Between(least, most) => json!({ "at_least": least, "at_most": most }),
        }
    }
}

/// The target of a figure, if it has one.
pub fn target_of(name: &str) -> Option<Target> {
    targets()
        .find(|(known, _)| known == name)
        .map(|(_, target)| target)
}

/// The names of all figures that have one.
pub fn target_names() -> impl Iterator<Item = String> {
    targets().map(|(name, _)| name)
}

/// The networks that are measured.
pub fn networks() -> impl Iterator<Item = &'static str> {
    NETWORKS.iter().map(|(name, ..)| *name)
}

fn targets() -> impl Iterator<Item = (String, Target)> {
    let fixed = TARGETS
        .iter()
        .map(|(name, target)| ((*name).to_owned(), *target));
    let networks = NETWORKS.iter().flat_map(|(network, seconds, accuracy)| {
        let own = [
            ("two threads", AtMost(*seconds)),
            ("accuracy, encrypted", AtLeast(*accuracy)),
        ];
        let all = own.into_iter().chain(NETWORK_TARGETS.iter().copied());
        all.map(move |(name, target)| (format!("{network}, {name}"), target))
    });
    fixed.chain(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_from_both_sides() {
        assert!(AtMost(2.0).met(2.0) && !AtMost(2.0).met(2.1));
        assert!(AtLeast(1.8).met(1.8) && !AtLeast(1.8).met(1.7));
        assert!(Between(0.9, 1.1).met(1.0));
        assert!(!Between(0.9, 1.1).met(0.8) && !Between(0.9, 1.1).met(1.2));
        for target in [AtMost(1.0), AtLeast(1.0), Between(0.9, 1.1)] {
            assert!(!target.met(f64::NAN));
        }
    }

    #[test]
    fn every_network_has_targets_of_its_own() {
        assert_eq!(target_of("digits, two threads"), Some(AtMost(0.45)));
        assert_eq!(
            target_of("digits-best, accuracy, encrypted"),
            Some(AtLeast(0.99))
        );
        assert_eq!(
            target_of("digits-fast, two threads against one"),
            Some(AtLeast(1.8))
        );
        assert_eq!(target_of("digits, one thread"), None);
    }
}
