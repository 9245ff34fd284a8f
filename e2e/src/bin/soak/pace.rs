//! How fast everything goes: for hundreds of kills, or for a few of them in half a minute.

use std::time::Duration;

/// The figures of a run.
#[derive(Clone, Copy)]
pub struct Pace {
    pub kills: u64,
    /// Owners at the same time, ...
    pub owners: usize,
    /// ... and how many of them use a network.
    pub with_network: usize,
    /// Between two blows.
    pub gap: (Duration, Duration),
    /// How long a killed process stays away.
    pub away: (Duration, Duration),
    /// How long a process is held still: longer than the lease of a job.
    pub still: (Duration, Duration),
    pub lease: Duration,
    /// How long an upload may take, and how old what is left of one is when it is swept.
    pub upload: Duration,
    pub swept: Duration,
    pub sweep_every: Duration,
    /// After so long no request is under way any more, wherever it got stuck.
    pub settled: Duration,
    /// When a request is given up and sent again.
    pub patience: Duration,
    /// Whether objects are uploaded that go through the store in parts.
    pub large: bool,
}

/// Below so many kills the run is to be short.
const SHORT: u64 = 50;

impl Pace {
    pub fn of(kills: u64, owners: Option<usize>, gap_ms: Option<u64>) -> Self {
        let pace = if kills < SHORT { short() } else { long() };
        Self {
            kills,
            owners: owners.unwrap_or(pace.owners),
            gap: gap_ms.map_or(pace.gap, |mean| (ms(0), ms(mean * 2))),
            ..pace
        }
    }
}

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn long() -> Pace {
    Pace {
        kills: 200,
        owners: 6,
        with_network: 2,
        gap: (ms(0), ms(2400)),
        away: (ms(0), ms(2000)),
        still: (ms(2500), ms(6000)),
        lease: ms(2000),
        upload: ms(15_000),
        swept: ms(40_000),
        sweep_every: ms(10_000),
        settled: ms(20_000),
        patience: ms(10_000),
        large: true,
    }
}

fn short() -> Pace {
    Pace {
        kills: 10,
        owners: 3,
        with_network: 1,
        gap: (ms(0), ms(1500)),
        away: (ms(0), ms(800)),
        still: (ms(1500), ms(2500)),
        lease: ms(1000),
        upload: ms(5000),
        swept: ms(6000),
        sweep_every: ms(1000),
        settled: ms(8000),
        patience: ms(5000),
        large: false,
    }
}
