//! Kills, holds still and restarts processes at random moments.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::fleet::{Fleet, Node, Running};
use crate::pace::Pace;
use crate::tally::Tally;

/// At most so many processes are down or held still at a time, of three or of eight.
const DOWN_MAX: usize = 3;
/// A process that is killed while it starts lived at most so long.
const STARTING: Duration = Duration::from_millis(400);

/// Kills between two signs of life.
const TELL_EVERY: u64 = 20;

/// What is done to a process.
enum Blow {
    Kill,
    /// SIGSTOP, and SIGCONT after a while.
    HoldStill,
    /// SIGTERM, and a new start.
    Restart,
}

/// Goes on until as many processes were killed as are wanted, and all are there again.
pub async fn rage(fleet: &Arc<Fleet>, pace: Pace, dice: &Dice, tally: &Arc<Tally>) {
    let (mut blows, mut told) = (JoinSet::new(), 0);
    while tally.blows("killed") < pace.kills {
        sleep(dice.between(pace.gap)).await;
        while blows.try_join_next().is_some() {}
        let killed = tally.blows("killed");
        if killed >= told + TELL_EVERY {
            told = killed;
            let (seconds, faults) = (tally.seconds(), tally.faults());
            println!("  {killed} killed after {seconds:.0} s, {faults} faults");
        }
        let at = dice.below(fleet.nodes.len());
        let blow = match dice.below(100) {
            76..90 => Blow::HoldStill,
            // The tests' S3 server knows no other end than the kill.
            90.. if fleet.nodes[at].kind != "S3" => Blow::Restart,
            _ => Blow::Kill,
        };
        let (fleet, tally, dice) = (Arc::clone(fleet), Arc::clone(tally), dice.other());
        if blows.len() < DOWN_MAX {
            blows.spawn(async move { strike(&fleet.nodes[at], &blow, pace, &dice, &tally).await });
        }
    }
    while blows.join_next().await.is_some() {}
}

async fn strike(node: &Node, blow: &Blow, pace: Pace, dice: &Dice, tally: &Tally) {
    // One that is down already is left alone.
    let Ok(mut running) = node.running.try_lock() else {
        return;
    };
    let done = match blow {
        Blow::Kill => kill(node, &mut running, pace, dice, tally).await,
        Blow::HoldStill => hold_still(node, &running, pace, dice, tally).await,
        Blow::Restart => restart(node, &mut running, tally).await,
    };
    if let Err(error) = done {
        tally.fault(format!("{}: {error:#}", node.name));
    }
}

async fn kill(
    node: &Node,
    running: &mut Running,
    pace: Pace,
    dice: &Dice,
    tally: &Tally,
) -> Result<()> {
    running.kill()?;
    tally.blow(node.kind, "killed");
    sleep(dice.between(pace.away)).await;
    // Now and then once more, while it starts: whoever drops a start kills what was started.
    if dice.percent(15)
        && let Running::Service(service) = running
    {
        let limit = dice.between((Duration::ZERO, STARTING));
        if tokio::time::timeout(limit, service.start()).await.is_err() {
            tally.blow(node.kind, "killed");
        } else {
            running.kill()?;
        }
    }
    stand_up(running, tally).await
}

async fn hold_still(
    node: &Node,
    running: &Running,
    pace: Pace,
    dice: &Dice,
    tally: &Tally,
) -> Result<()> {
    running.hold_still(true)?;
    tally.blow(node.kind, "held still");
    sleep(dice.between(pace.still)).await;
    running.hold_still(false)
}

async fn restart(node: &Node, running: &mut Running, tally: &Tally) -> Result<()> {
    running.stop().await?;
    tally.blow(node.kind, "stopped and started");
    stand_up(running, tally).await
}

async fn stand_up(running: &mut Running, tally: &Tally) -> Result<()> {
    let mut failed = |_: &anyhow::Error| {
        tally.failed_starts.fetch_add(1, Ordering::Relaxed);
    };
    running.stand_up(&mut failed).await
}
