//! What sealed links cost, beside the same way unsealed.

use std::time::{Duration, Instant};

use anyhow::Result;
use darkroom_api::client::Access;
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use e2e::owner::Owner;
use e2e::services::{Darkroom, Plan};
use e2e::transit::Transit;

use crate::{median_ms, report};

const LARGE_BYTES: usize = 28_000_000;
const LARGE: usize = 15;
/// Few enough that keys stay in reserve.
const SMALL: usize = 60;
/// Between small requests, so that keys come in again.
const PAUSE: Duration = Duration::from_millis(50);

/// One way to storage.
struct Way {
    darkroom: Darkroom,
    owner: Owner,
    small: Vec<Duration>,
    large: Vec<Duration>,
}

impl Way {
    async fn open(links: Option<&str>) -> Result<Self> {
        let plan = Plan {
            transit: Transit { tls: false, links },
            ..Plan::default()
        };
        let darkroom = Darkroom::start_as(plan).await?;
        let owner = Owner::open(&darkroom).await?;
        // The gateway compresses the page, the nodes make keys in advance.
        darkroom.gateway.settled().await?;
        if let Some((alice, bob)) = &darkroom.protection.nodes {
            alice.settled().await?;
            bob.settled().await?;
        }
        Ok(Self {
            darkroom,
            owner,
            small: Vec::new(),
            large: Vec::new(),
        })
    }

    async fn ask(&mut self) -> Result<()> {
        let began = Instant::now();
        let Owner { storage, vault, .. } = &self.owner;
        let token = &self.owner.vault_token;
        storage.list(*vault, ObjectKind::Image, token).await?;
        self.small.push(began.elapsed());
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    async fn send(&mut self, payload: &[u8]) -> Result<()> {
        let (kind, set) = (ObjectKind::EvaluationKey, ParameterSetId(1));
        let object = header::seal(kind, set, self.owner.key_id(), payload);
        let id = self.owner.draw_id();
        let Owner { storage, vault, .. } = &self.owner;
        let access = Access::Owner(&self.owner.vault_token);
        let began = Instant::now();
        storage.put(*vault, kind, id, access, object).await?;
        self.large.push(began.elapsed());
        Ok(())
    }
}

/// Both ways in turn, so that whatever else the machine does falls on both.
pub async fn measure() -> Result<()> {
    let mut plain = Way::open(None).await?;
    let mut sealed = Way::open(Some("hybrid")).await?;
    for _ in 0..SMALL {
        plain.ask().await?;
        sealed.ask().await?;
    }
    let payload: Vec<u8> = (0..LARGE_BYTES).map(|at| at.to_le_bytes()[0]).collect();
    for _ in 0..LARGE {
        plain.send(&payload).await?;
        sealed.send(&payload).await?;
    }
    let small = [&mut plain, &mut sealed].map(|way| median_ms(&mut way.small));
    report("small request, unsealed", small[0], "ms");
    let name = "small request, added by a sealed link";
    report(name, small[1] - small[0], "ms");
    let large = [&mut plain, &mut sealed].map(|way| median_ms(&mut way.large));
    report("28 MB up, unsealed", large[0], "ms");
    report("28 MB up, sealed beside unsealed", large[1] / large[0], "");
    for (way, kind) in [(&plain, "unsealed"), (&sealed, "sealed")] {
        let Darkroom {
            gateway, storage, ..
        } = &way.darkroom;
        for (service, name) in [(gateway, "gateway"), (storage, "storage")] {
            let name = format!("most memory of {name}, 28 MB up {kind}");
            report(&name, service.peak_mib()?, "MiB");
        }
    }
    Ok(())
}
