//! Runs as they get on: those that were asked for here, and those of an earlier visit.

use darkroom_api::ids::{ModelId, ObjectId};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Desk, Run, RunState, Under};
use crate::bridge;
use crate::page::format;
use crate::protocol::{AnalysisEvent, Entry, EntryState, Stage, StageTimes, TroubleKind};

impl Desk {
    /// Takes note of what happens to a picture.
    pub(super) fn follow(self, run: &Run, event: AnalysisEvent) {
        match event {
            AnalysisEvent::Stage {
                entry,
                stage,
                bytes,
                times,
            } => {
                run.entry.set(Some(entry));
                run.state.set(RunState::Under(Under {
                    stage,
                    bytes,
                    bootstraps_done: 0,
                    times,
                    since_ms: js_sys::Date::now(),
                }));
                self.announcer
                    .progress(|| format!("{}: {}.", run.name, doing(stage)));
            }
            AnalysisEvent::Bootstraps { done } => {
                run.state.update(|state| {
                    if let RunState::Under(under) = state {
                        under.bootstraps_done = done;
                    }
                });
                let of = untrack(|| self.bootstraps(&run.model));
                let percent = 100.0 * share_computed(done, of);
                self.announcer
                    .progress(|| format!("{}: {percent:.0} % analysed.", run.name));
            }
            AnalysisEvent::Done { entry } => {
                self.mark_analysed(run);
                self.tell(run, *entry);
            }
            AnalysisEvent::Failed { trouble } => {
                self.say(format!("{}: {}", run.name, trouble.what));
                run.state.set(match trouble.kind {
                    TroubleKind::Cancelled => RunState::Cancelled,
                    _ => RunState::Failed(trouble),
                });
            }
        }
    }

    /// Takes note of what happens to an entry of an earlier visit, which is on the desk from then on.
    pub(super) fn resumed(self, id: ObjectId, event: AnalysisEvent) {
        let shown = self
            .runs
            .with_untracked(|runs| runs.iter().find(|run| run.is_entry(id)).cloned());
        let run = shown.or_else(|| {
            // The entry itself was told before what happens to it.
            let entry = self.entries.with_untracked(|entries| {
                let mut entries = entries.iter().flatten();
                entries.find(|entry| entry.id == id).cloned()
            })?;
            let run = Run::of_entry(self.next_number(), &entry, RunState::Queued);
            self.runs.update(|runs| runs.push(run.clone()));
            Some(run)
        });
        if let Some(run) = run {
            self.follow(&run, event);
        }
    }

    /// How many bootstraps a model takes, as far as it is known; none of one without any.
    pub fn bootstraps(self, model: &ModelId) -> u64 {
        self.card(model).map_or(0, |card| card.bootstraps)
    }

    fn mark_analysed(self, run: &Run) {
        self.tiles.with_untracked(|tiles| {
            if let Some(tile) = tiles.iter().find(|tile| Some(tile.number) == run.tile) {
                tile.analysed
                    .update(|analysed| analysed.push(run.model.clone()));
            }
        });
        // The button counts the pictures that are due.
        self.tiles.notify();
    }

    fn tell(self, run: &Run, entry: Entry) {
        if let EntryState::Done { label, probability } = &entry.state {
            self.say(format!(
                "{}: {label}, {}.",
                run.name,
                format::percent(*probability)
            ));
        }
        let times = run.state.with_untracked(|state| match state {
            RunState::Under(under) => under.times,
            _ => StageTimes::default(),
        });
        run.entry.set(Some(entry.id));
        let id = entry.id;
        run.state.set(RunState::Told(Box::new(entry), times));
        self.fetch_details(run, id);
        self.look_at_way_of(run);
    }

    pub(super) fn fetch_details(self, run: &Run, id: ObjectId) {
        let state = run.state.clone();
        spawn_local(async move {
            match bridge::open(id).await {
                Ok(opened) => state.set(RunState::Open(Box::new(opened))),
                Err(trouble) => state.set(RunState::Failed(trouble)),
            }
        });
    }
}

/// The share of the computing that so many bootstraps are; 0 for a model without any.
pub fn share_computed(bootstraps_done: u64, of: u64) -> f64 {
    // Far fewer than 2^53.
    #[expect(clippy::cast_precision_loss)]
    let share = bootstraps_done as f64 / of.max(1) as f64;
    share.min(1.0)
}

/// What a stage does, for the ear and for the eye.
pub fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::LargeKey => "waiting for the large key",
        Stage::Encrypt => "encrypting",
        Stage::Send => "sending",
        Stage::Wait => "waiting its turn",
        Stage::Compute => "being analysed",
        Stage::Fetch => "result on its way back",
        Stage::Decrypt => "opening the result",
    }
}
