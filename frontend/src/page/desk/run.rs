//! Analyses: one run is one picture on its way through one model, or its result.

use darkroom_api::compute::{JOB_IMAGES_MAX, ModelCard};
use darkroom_api::ids::{ModelId, ObjectId};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Desk, Tile};
use crate::bridge;
use crate::page::format;
use crate::page::transit::Way;
use crate::protocol::{
    Analysis, Entry, Grey, Opened, Stage, StageTimes, Summary, ToAnalyse, Trouble, TroubleKind,
};

/// One picture with one model.
#[derive(Clone)]
pub struct Run {
    /// Its number in this visit.
    pub number: u32,
    /// The picture's name.
    pub name: String,
    /// The model's title.
    pub model_title: String,
    /// The address of the original picture in this page; empty if it is not here.
    pub original: String,
    /// Where it stands.
    pub state: ArcRwSignal<RunState>,
    /// The model.
    pub model: ModelId,
    /// The picture as it was encrypted, where this browser has kept it.
    pub pixels: Option<Grey>,
    /// The entry of the history that it is.
    pub entry: ArcRwSignal<Option<ObjectId>>,
    /// What protected the way when the result came, if it came in this visit and the way could be seen.
    pub way: ArcRwSignal<Option<Way>>,
    pub(super) tile: Option<u32>,
}

/// Where a run stands.
#[derive(Clone, PartialEq)]
pub enum RunState {
    /// Has not begun.
    Queued,
    /// On its way.
    Under(Under),
    /// The result is known, its details are being fetched.
    Told(Box<Entry>, StageTimes),
    /// All of it is here.
    Open(Box<Opened>),
    /// Stopped by hand.
    Cancelled,
    /// There is no result.
    Failed(Trouble),
}

/// The stage that a run is in.
#[derive(Clone, Copy, PartialEq)]
pub struct Under {
    /// The stage.
    pub stage: Stage,
    /// Bytes that it moves.
    pub bytes: Option<u64>,
    /// Bootstraps done, where compute tells.
    pub bootstraps_done: u64,
    /// The stages behind it.
    pub times: StageTimes,
    /// When it was entered, Unix time in ms.
    pub since_ms: f64,
}

impl Run {
    fn of_tile(number: u32, tile: &Tile, card: &ModelCard) -> Self {
        Self {
            number,
            name: tile.name.clone(),
            model_title: card.title.clone(),
            original: tile.address(),
            model: card.id.clone(),
            pixels: None,
            state: ArcRwSignal::new(RunState::Queued),
            entry: ArcRwSignal::new(None),
            tile: Some(tile.number),
            way: ArcRwSignal::new(None),
        }
    }

    /// A picture of the history, standing there.
    pub(super) fn of_entry(number: u32, entry: &Entry, state: RunState) -> Self {
        Self {
            number,
            name: entry.name.clone(),
            model_title: entry.model_title.clone(),
            original: String::new(),
            model: entry.model.clone(),
            pixels: entry.thumbnail.clone(),
            state: ArcRwSignal::new(state),
            entry: ArcRwSignal::new(Some(entry.id)),
            tile: None,
            way: ArcRwSignal::new(None),
        }
    }

    fn is_over(&self) -> bool {
        self.state
            .with_untracked(|state| !matches!(state, RunState::Queued | RunState::Under(_)))
    }

    pub(super) fn is_entry(&self, id: ObjectId) -> bool {
        self.entry.with_untracked(|entry| *entry == Some(id))
    }
}

impl Desk {
    /// The pictures that the chosen model would run on.
    pub fn due(self) -> Vec<Tile> {
        let Some(model) = self.model.get() else {
            return Vec::new();
        };
        let tiles = self
            .tiles
            .get()
            .into_iter()
            .filter(|tile| tile.is_due(&model));
        tiles.take(JOB_IMAGES_MAX).collect()
    }

    /// Runs the chosen model on the pictures on the desk; makes a key first if there is none.
    pub fn analyse(self) {
        spawn_local(async move {
            if self.running.get_untracked().is_some() {
                return;
            }
            if !untrack(|| self.has_key()) && !self.make_key().await {
                return;
            }
            let (tiles, card) = untrack(|| (self.due(), self.chosen()));
            if let Some(card) = card.filter(|_| !tiles.is_empty()) {
                self.run(&tiles, &card).await;
            }
        });
    }

    async fn run(self, tiles: &[Tile], card: &ModelCard) {
        let pictures = tiles.iter().filter_map(|tile| {
            let source = tile.source(card.input)?;
            Some(ToAnalyse {
                picture: tile.number,
                name: tile.name.clone(),
                source,
            })
        });
        let analysis = Analysis {
            model: card.id.clone(),
            pictures: pictures.collect(),
        };
        let runs = tiles
            .iter()
            .map(|tile| Run::of_tile(self.next_number(), tile, card));
        let runs: Vec<Run> = runs.collect();
        self.run_trouble.set(None);
        self.runs.set(runs.clone());
        self.say(format!(
            "Analysing {}.",
            format::count(tiles.len(), "picture")
        ));
        let watched = runs.clone();
        let task = bridge::analyse(analysis, move |picture, event| {
            if let Some(run) = watched.iter().find(|run| run.tile == Some(picture)) {
                self.follow(run, event);
            }
        });
        self.running.set(Some(task.canceller()));
        let end = task.await;
        self.running.set(None);
        self.ended(&runs, end);
    }

    fn ended(self, runs: &[Run], end: Result<Summary, Trouble>) {
        match end {
            Ok(Summary { done, failed }) if failed > 0 => {
                self.say(format!("{done} done, {failed} without a result."));
            }
            Ok(_) => {}
            Err(trouble) if trouble.kind == TroubleKind::Cancelled => {
                for run in runs.iter().filter(|run| !run.is_over()) {
                    run.state.set(RunState::Cancelled);
                }
                self.say("Cancelled.");
            }
            Err(trouble) => {
                let own = |run: &Run| runs.iter().any(|own| own.number == run.number);
                self.runs.update(|shown| {
                    shown.retain(|run| run.is_over() || !own(run));
                });
                self.run_trouble.set(Some(trouble));
            }
        }
    }

    /// Stops what is running.
    pub fn cancel(self) {
        if let Some(running) = self.running.get_untracked() {
            running.cancel();
        }
    }

    /// Shows the result of an entry of the history.
    pub fn open_entry(self, entry: &Entry) {
        let shown = self.runs.with_untracked(|runs| {
            let run = runs.iter().find(|run| run.is_entry(entry.id));
            run.map(|run| (run.number, run.is_over()))
        });
        let number = shown.map_or_else(
            || {
                let told = RunState::Told(Box::new(entry.clone()), StageTimes::default());
                let run = Run::of_entry(self.next_number(), entry, told);
                let busy = self.running.with_untracked(Option::is_some);
                self.runs.update(|runs| {
                    if !busy {
                        // What goes on from an earlier visit stays.
                        runs.retain(|run| !run.is_over());
                    }
                    runs.insert(0, run.clone());
                });
                self.fetch_details(&run, entry.id);
                run.number
            },
            |(number, _)| number,
        );
        self.run_trouble.set(None);
        show_run(number);
    }

    /// Takes a result off the desk; it stays in the history.
    pub(super) fn drop_runs(self, gone: impl Fn(ObjectId) -> bool) {
        self.runs.update(|runs| {
            runs.retain(|run| !run.entry.get_untracked().is_some_and(&gone));
        });
    }
}

/// The id of the element of a run.
pub fn element_id(number: u32) -> String {
    format!("result-{number}")
}

/// Brings a run into view and the focus to it, once it is drawn.
fn show_run(number: u32) {
    request_animation_frame(move || crate::page::show(&element_id(number)));
}
