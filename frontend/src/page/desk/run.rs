//! Analyses: one run is one picture on its way through one model, or its result.

use darkroom_api::compute::{JOB_IMAGES_MAX, ModelCard};
use darkroom_api::ids::{ModelId, ObjectId};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Desk, Tile};
use crate::bridge;
use crate::page::format;
use crate::protocol::{
    Analysis, AnalysisEvent, Entry, EntryState, Opened, Stage, StageTimes, Summary, ToAnalyse,
    Trouble, TroubleKind,
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
    /// Bootstraps that the model takes.
    pub bootstraps: u64,
    /// The entry of the history that it is.
    pub entry: ArcRwSignal<Option<ObjectId>>,
    tile: Option<u32>,
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
            bootstraps: card.bootstraps,
            state: ArcRwSignal::new(RunState::Queued),
            entry: ArcRwSignal::new(None),
            tile: Some(tile.number),
        }
    }

    fn of_entry(number: u32, entry: &Entry) -> Self {
        Self {
            number,
            name: entry.name.clone(),
            model_title: entry.model_title.clone(),
            original: String::new(),
            bootstraps: 0,
            state: ArcRwSignal::new(RunState::Told(
                Box::new(entry.clone()),
                StageTimes::default(),
            )),
            entry: ArcRwSignal::new(Some(entry.id)),
            tile: None,
        }
    }

    /// The share of the computing that so many bootstraps are; 0 for a model without any.
    pub fn share_computed(&self, bootstraps_done: u64) -> f64 {
        // Far fewer than 2^53.
        #[expect(clippy::cast_precision_loss)]
        let share = bootstraps_done as f64 / self.bootstraps.max(1) as f64;
        share.min(1.0)
    }

    fn is_over(&self) -> bool {
        self.state
            .with_untracked(|state| !matches!(state, RunState::Queued | RunState::Under(_)))
    }

    fn is_entry(&self, id: ObjectId) -> bool {
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
        let (watched, model) = (runs.clone(), card.id.clone());
        let task = bridge::analyse(analysis, move |event| self.follow(&watched, &model, event));
        self.running.set(Some(task.canceller()));
        let end = task.await;
        self.running.set(None);
        self.ended(&runs, end);
    }

    fn follow(self, runs: &[Run], model: &ModelId, event: AnalysisEvent) {
        let run = |picture| runs.iter().find(|run| run.tile == Some(picture));
        match event {
            AnalysisEvent::Stage {
                picture,
                entry,
                stage,
                bytes,
                times,
            } => {
                let Some(run) = run(picture) else { return };
                run.entry.set(Some(entry));
                let since_ms = js_sys::Date::now();
                run.state.set(RunState::Under(Under {
                    stage,
                    bytes,
                    bootstraps_done: 0,
                    times,
                    since_ms,
                }));
                self.announcer
                    .progress(|| format!("{}: {}.", run.name, doing(stage)));
            }
            AnalysisEvent::Bootstraps { picture, done } => {
                let Some(run) = run(picture) else { return };
                run.state.update(|state| {
                    if let RunState::Under(under) = state {
                        under.bootstraps_done = done;
                    }
                });
                let share = run.share_computed(done);
                self.announcer
                    .progress(|| format!("{}: {:.0} % analysed.", run.name, share * 100.0));
            }
            AnalysisEvent::Done { picture, entry } => {
                let Some(run) = run(picture) else { return };
                self.mark_analysed(picture, model);
                self.tell(run, *entry);
            }
            AnalysisEvent::Failed {
                picture, trouble, ..
            } => {
                let Some(run) = run(picture) else { return };
                self.say(format!("{}: {}", run.name, trouble.what));
                run.state.set(match trouble.kind {
                    TroubleKind::Cancelled => RunState::Cancelled,
                    _ => RunState::Failed(trouble),
                });
            }
        }
    }

    fn mark_analysed(self, picture: u32, model: &ModelId) {
        self.tiles.with_untracked(|tiles| {
            if let Some(tile) = tiles.iter().find(|tile| tile.number == picture) {
                tile.analysed
                    .update(|analysed| analysed.push(model.clone()));
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
    }

    fn fetch_details(self, run: &Run, id: ObjectId) {
        let state = run.state.clone();
        spawn_local(async move {
            match bridge::open(id).await {
                Ok(opened) => state.set(RunState::Open(Box::new(opened))),
                Err(trouble) => state.set(RunState::Failed(trouble)),
            }
        });
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
                self.runs.update(|shown| {
                    shown.retain(|run| run.is_over());
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
                let run = Run::of_entry(self.next_number(), entry);
                let busy = self.running.with_untracked(Option::is_some);
                self.runs.update(|runs| {
                    if !busy {
                        runs.clear();
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
    request_animation_frame(move || {
        if let Some(element) = document().get_element_by_id(&element_id(number)) {
            element.scroll_into_view();
            crate::page::focus(&element);
        }
    });
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
