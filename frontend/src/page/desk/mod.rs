//! What lies on the desk: everything the page shows and what one can do with it.

mod drawing;
mod follow;
mod history;
mod key;
mod large_key;
mod pictures;
mod run;
mod way;

use std::sync::Arc;

use darkroom_api::compute::{Catalogue, ModelCard};
use darkroom_api::ids::ModelId;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::bridge::{self, Canceller};
use crate::page::parts::announce::{Announcer, announcer};
use crate::page::transit::Way;
use crate::protocol::{Door, Entry, KeyStep, Notice, Status, Trouble};

pub use drawing::{Drawing, reads_digits};
pub use follow::{doing, share_computed};
pub use large_key::{LargeKeyDesk, making_time};
pub use pictures::{Origin, Tile, TileState};
pub use run::{Run, RunState, Under, element_id};

/// Something that has to arrive first.
#[derive(Clone, PartialEq)]
pub enum Loaded<T> {
    /// On its way.
    Loading,
    /// Here.
    Ready(T),
    /// It will not come by itself.
    Failed(Trouble),
}

/// A question that has to be answered with yes before something is lost.
#[derive(Clone)]
pub struct Question {
    /// What would happen.
    pub title: String,
    /// What it means.
    pub text: String,
    /// The word on the button that does it.
    pub verb: String,
    /// Does it.
    pub yes: Arc<dyn Fn() + Send + Sync>,
}

/// The state of the page, the same for all its parts.
#[derive(Clone, Copy)]
pub struct Desk {
    /// The key; absent until the worker has looked.
    pub status: RwSignal<Option<Status>>,
    /// The step of making a key, while one is being made.
    pub making: RwSignal<Option<Making>>,
    /// What went wrong with the key.
    pub key_trouble: RwSignal<Option<Trouble>>,
    /// The large key.
    pub large_key: LargeKeyDesk,
    /// The models on offer.
    pub catalogue: RwSignal<Loaded<Catalogue>>,
    /// The chosen model.
    pub model: RwSignal<Option<ModelId>>,
    /// The pictures on the desk.
    pub tiles: RwSignal<Vec<Tile>>,
    /// The results being made or looked at, newest first.
    pub runs: RwSignal<Vec<Run>>,
    /// Stops what is running.
    pub running: RwSignal<Option<Canceller>>,
    /// What went wrong with an analysis as a whole.
    pub run_trouble: RwSignal<Option<Trouble>>,
    /// Everything analysed with this key; absent until this browser has looked.
    pub entries: RwSignal<Option<Vec<Entry>>>,
    /// What went wrong with the history.
    pub history_trouble: RwSignal<Option<Trouble>>,
    /// What protects the way between here and the services.
    pub way: RwSignal<Way>,
    /// What keeps the page out of the vault.
    pub door: RwSignal<Door>,
    /// When the server is tried again, Unix time in ms, while it is out of reach.
    pub retry_at: RwSignal<Option<f64>>,
    /// Why the page cannot go on.
    pub stopped: RwSignal<Option<Trouble>>,
    /// What is being asked.
    pub question: RwSignal<Option<Question>>,
    /// Whether the backup dialog is open.
    pub backing_up: RwSignal<bool>,
    announcer: Announcer,
    last_number: StoredValue<u32>,
    looks: StoredValue<way::Looks>,
}

/// A key being made.
#[derive(Clone, Copy, PartialEq)]
pub struct Making {
    /// What is being done.
    pub step: KeyStep,
    /// Stops it.
    pub stop: Canceller,
    /// When it began, Unix time in ms.
    pub since_ms: f64,
}

/// The desk of this page.
pub fn desk() -> Desk {
    expect_context()
}

impl Desk {
    /// An empty desk.
    pub fn new() -> Self {
        Self {
            status: RwSignal::new(None),
            making: RwSignal::new(None),
            key_trouble: RwSignal::new(None),
            large_key: LargeKeyDesk::new(),
            catalogue: RwSignal::new(Loaded::Loading),
            model: RwSignal::new(None),
            tiles: RwSignal::new(Vec::new()),
            runs: RwSignal::new(Vec::new()),
            running: RwSignal::new(None),
            run_trouble: RwSignal::new(None),
            entries: RwSignal::new(None),
            history_trouble: RwSignal::new(None),
            way: RwSignal::new(Way::Looking),
            door: RwSignal::new(Door::Open),
            retry_at: RwSignal::new(None),
            stopped: RwSignal::new(None),
            question: RwSignal::new(None),
            backing_up: RwSignal::new(false),
            announcer: announcer(),
            last_number: StoredValue::new(0),
            looks: StoredValue::default(),
        }
    }

    /// Asks the worker for all there is.
    pub fn begin(self) {
        bridge::on_notice(move |notice| self.heed(notice));
        self.load_status();
        self.load_catalogue();
        self.watch_large_key();
        self.look_at_way();
    }

    /// Says something in the live region.
    pub fn say(self, text: impl Into<String>) {
        self.announcer.say(text);
    }

    /// Whether there is a key that works.
    pub fn has_key(self) -> bool {
        self.status
            .with(|status| status.as_ref().is_some_and(|status| status.key.is_some()))
    }

    /// The card of a model, if it is on offer.
    pub fn card(self, model: &ModelId) -> Option<ModelCard> {
        self.catalogue.with(|catalogue| match catalogue {
            Loaded::Ready(catalogue) => catalogue
                .models
                .iter()
                .find(|card| card.id == *model)
                .cloned(),
            Loaded::Loading | Loaded::Failed(_) => None,
        })
    }

    /// The card of the chosen model.
    pub fn chosen(self) -> Option<ModelCard> {
        self.model.get().and_then(|model| self.card(&model))
    }

    /// Asks for the models.
    pub fn load_catalogue(self) {
        self.catalogue.set(Loaded::Loading);
        spawn_local(async move {
            let catalogue = match bridge::catalogue().await {
                Ok(catalogue) => Loaded::Ready(catalogue),
                Err(trouble) => Loaded::Failed(trouble),
            };
            self.catalogue.set(catalogue);
            self.choose_first();
        });
    }

    /// Chooses what tells most apart without long computing, so that pictures can be prepared at once.
    fn choose_first(self) {
        let chosen = self.catalogue.with_untracked(|catalogue| {
            let Loaded::Ready(catalogue) = catalogue else {
                return None;
            };
            let usable = || {
                catalogue
                    .models
                    .iter()
                    .filter(|card| obstacle(card).is_none())
            };
            let kept = self.model.get_untracked();
            let kept = kept.and_then(|id| usable().find(|card| card.id == id));
            let widest = usable().max_by_key(|card| (card.bootstraps == 0, card.classes.len()));
            kept.or(widest).map(|card| card.id.clone())
        });
        self.model.set(chosen);
        self.prepare_all();
    }

    /// Chooses a model and makes the pictures ready for its frame.
    pub fn choose(self, model: ModelId) {
        self.model.set(Some(model));
        self.prepare_all();
    }

    /// A number that no picture has had yet.
    fn next_number(self) -> u32 {
        self.last_number.update_value(|number| *number += 1);
        self.last_number.get_value()
    }

    fn take_door(self, door: Door) {
        let before = self.door.get_untracked();
        self.door.set(door);
        match (before, door) {
            (Door::Looking { .. }, Door::Looking { .. }) => {}
            (_, Door::Looking { .. }) => {
                self.say("Looking for your place on the server.");
            }
            (_, Door::Invitation { refused: false }) => {
                self.say("This server wants an invitation. There is a field for it at the top.");
            }
            (_, Door::Invitation { refused: true }) => {
                self.say("This invitation is not good here.");
            }
            (Door::Invitation { .. }, Door::Open) => self.say("You are in."),
            (_, Door::Open) => {}
        }
    }

    fn heed(self, notice: Notice) {
        match notice {
            Notice::Status(status) => self.take_status(status),
            Notice::LargeKey(key) => self.take_large_key(key),
            Notice::Entry(entry) => self.take_entry(*entry),
            Notice::Resumed(id, event) => self.resumed(id, event),
            Notice::EntryRemoved(id) => self.drop_entry(id),
            Notice::EntriesCleared => {
                self.drop_entries();
                self.look_for_large_key();
            }
            Notice::Door(door) => self.take_door(door),
            Notice::Unreachable { retry_ms } => {
                if self.retry_at.get_untracked().is_none() {
                    self.say("The server is out of reach. The page tries again by itself.");
                }
                self.retry_at
                    .set(Some(js_sys::Date::now() + f64::from(retry_ms)));
            }
            Notice::Reachable => {
                if self.retry_at.get_untracked().is_some() {
                    self.say("The server answers again.");
                }
                self.retry_at.set(None);
                if !self
                    .catalogue
                    .with_untracked(|loaded| matches!(loaded, Loaded::Ready(_)))
                {
                    self.load_catalogue();
                }
            }
            Notice::Stopped(trouble) => {
                self.stopped.set(Some(trouble));
                self.running.set(None);
                self.making.set(None);
                self.large_key.making.set(None);
            }
        }
    }
}

/// Why a model cannot be run from this page; nothing if it can.
pub fn obstacle(card: &ModelCard) -> Option<&'static str> {
    let image = darkroom_fhe::params::ParameterSet::by_id(card.parameters.0).is_some();
    let key = card
        .evaluation_key
        .is_none_or(|key| darkroom_fhe::wire::evaluation_key::parts(key.parameters.0).is_ok());
    if image && key {
        None
    } else {
        Some("It needs newer encryption than this page knows. Load the page again.")
    }
}
