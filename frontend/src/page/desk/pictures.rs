//! Pictures put on the desk and made ready for the chosen model's frame.

use darkroom_api::compute::InputCard;
use darkroom_api::ids::{ModelId, ObjectId};
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{Blob, Url};

use super::{Desk, Drawing};
use crate::bridge;
use crate::page::{format, save};
use crate::protocol::{Entry, Grey, Prepared, Source, Trouble};

/// A picture on the desk.
#[derive(Clone)]
pub struct Tile {
    /// Its number in this visit.
    pub number: u32,
    /// What it is called.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// How far it is.
    pub state: ArcRwSignal<TileState>,
    /// The models that have run on it.
    pub analysed: ArcRwSignal<Vec<ModelId>>,
    /// Whether it is encrypted with black and white exchanged.
    pub inverted: ArcRwSignal<bool>,
    /// How often it was asked to be made ready: answers to earlier questions come too late.
    asked: ArcStoredValue<u32>,
}

/// Where a picture comes from.
#[derive(Clone)]
pub enum Origin {
    /// A file, with an address under which the browser shows it.
    File {
        /// The file.
        blob: Blob,
        /// Its address in this page; empty if the browser cannot show it.
        address: String,
    },
    /// The pad, which may go on changing it.
    Drawn(ArcRwSignal<Drawing>),
    /// An entry of the history.
    Stored {
        /// The encrypted image in storage.
        image: ObjectId,
        /// Its pixels.
        pixels: Grey,
        /// Whether they were made upright.
        straightened: bool,
    },
}

/// How far a picture is.
#[derive(Clone, PartialEq)]
pub enum TileState {
    /// Waits for a model to be chosen.
    Waiting,
    /// Being made ready.
    Preparing,
    /// Exactly what would be encrypted.
    Ready(Prepared),
    /// It cannot be taken.
    Failed(Trouble),
}

impl Tile {
    /// Whether it came from this device and not from the history.
    pub fn is_own(&self) -> bool {
        !matches!(self.origin, Origin::Stored { .. })
    }

    /// The address of the picture as it was brought; empty if the browser cannot show it.
    pub fn address(&self) -> String {
        match &self.origin {
            Origin::File { address, .. } => address.clone(),
            Origin::Drawn(drawing) => drawing.with_untracked(|drawing| drawing.address.clone()),
            Origin::Stored { .. } => String::new(),
        }
    }

    /// Whether the chosen model has something to do here.
    pub fn is_due(&self, model: &ModelId) -> bool {
        let ready = self
            .state
            .with(|state| matches!(state, TileState::Ready(_)));
        ready && !self.analysed.with(|analysed| analysed.contains(model))
    }

    /// Where a model of this frame finds the pixels.
    pub fn source(&self, frame: InputCard) -> Option<Source> {
        match &self.origin {
            Origin::Stored {
                image,
                pixels,
                straightened,
            } if fits(pixels, frame)
                && *straightened == frame.straighten
                && !self.is_inverted() =>
            {
                Some(Source::Stored(*image))
            }
            _ => self.state.with_untracked(|state| match state {
                TileState::Ready(ready) => Some(Source::Fresh(ready.picture.clone())),
                _ => None,
            }),
        }
    }

    /// Its pixels where they are known, else the file.
    fn pixels(&self) -> Result<Grey, Blob> {
        match &self.origin {
            Origin::File { blob, .. } => Err(blob.clone()),
            Origin::Drawn(drawing) => Ok(drawing.with_untracked(|drawing| drawing.pixels.clone())),
            Origin::Stored { pixels, .. } => Ok(pixels.clone()),
        }
    }

    fn is_inverted(&self) -> bool {
        self.inverted.get_untracked()
    }
}

fn fits(pixels: &Grey, frame: InputCard) -> bool {
    (pixels.width, pixels.height) == (frame.width, frame.height)
}

impl Desk {
    /// Puts files on the desk.
    pub fn add_files(self, files: Vec<(String, Blob)>) {
        if files.is_empty() {
            return;
        }
        self.say(format!("{} added.", format::count(files.len(), "picture")));
        for (name, blob) in files {
            let shown = !is_npy(&name);
            let address = shown
                .then(|| Url::create_object_url_with_blob(&blob).ok())
                .flatten();
            let address = address.unwrap_or_default();
            self.add(name, Origin::File { blob, address });
        }
    }

    /// Whether a model has pictures made upright. Of one that is gone nothing is known.
    fn straightens(self, model: &ModelId) -> bool {
        untrack(|| self.card(model)).is_some_and(|card| card.input.straighten)
    }

    /// Puts a picture of the history on the desk, to be run again with another model.
    pub fn add_entry(self, entry: &Entry, pixels: Grey) {
        let there = self.tiles.with_untracked(|tiles| {
            tiles.iter().any(
                |tile| matches!(tile.origin, Origin::Stored { image, .. } if image == entry.image),
            )
        });
        if !there {
            let tile = self.add(
                entry.name.clone(),
                Origin::Stored {
                    image: entry.image,
                    pixels,
                    straightened: self.straightens(&entry.model),
                },
            );
            tile.analysed
                .update(|analysed| analysed.push(entry.model.clone()));
        }
        self.say(format!(
            "{} is on the desk again. Choose another analysis.",
            entry.name
        ));
    }

    pub(super) fn add(self, name: String, origin: Origin) -> Tile {
        let tile = Tile {
            number: self.next_number(),
            name,
            origin,
            state: ArcRwSignal::new(TileState::Waiting),
            analysed: ArcRwSignal::new(Vec::new()),
            inverted: ArcRwSignal::new(false),
            asked: ArcStoredValue::new(0),
        };
        self.tiles.update(|tiles| tiles.push(tile.clone()));
        self.prepare(&tile);
        tile
    }

    /// Takes a picture off the desk.
    pub fn remove_tile(self, number: u32) {
        self.tiles.update(|tiles| {
            tiles.retain(|tile| {
                let stays = tile.number != number;
                if let (false, Origin::File { address, .. }) = (stays, &tile.origin) {
                    self.release(address);
                }
                stays
            });
        });
    }

    /// Lets go of an address that nothing shows any more.
    fn release(self, address: &str) {
        let shown = self
            .runs
            .with_untracked(|runs| runs.iter().any(|run| run.original == address));
        if !shown {
            let _ = Url::revoke_object_url(address);
        }
    }

    /// Makes all pictures ready for the chosen model's frame.
    pub(super) fn prepare_all(self) {
        for tile in self.tiles.get_untracked() {
            self.prepare(&tile);
        }
    }

    /// Exchanges black and white in what would be encrypted of a picture, or back.
    pub fn invert(self, tile: &Tile) {
        tile.inverted.update(|inverted| *inverted = !*inverted);
        tile.state.set(TileState::Waiting);
        self.prepare(tile);
        // Another picture than the one that was analysed.
        tile.analysed.set(Vec::new());
        self.tiles.notify();
        self.say(if tile.is_inverted() {
            "Inverted."
        } else {
            "No longer inverted."
        });
    }

    pub(super) fn prepare(self, tile: &Tile) {
        let Some(frame) = untrack(|| self.chosen()).map(|card| card.input) else {
            return;
        };
        let state = tile.state.clone();
        let ready = state.with_untracked(|state| match state {
            TileState::Ready(ready) => {
                fits(&ready.picture, frame) && ready.straightened == frame.straighten
            }
            TileState::Failed(_) => true,
            TileState::Waiting | TileState::Preparing => false,
        });
        if ready {
            return;
        }
        let blob = match tile.pixels() {
            Err(blob) => blob,
            Ok(pixels) => {
                let npy = save::npy(pixels.width, pixels.height, &pixels.data);
                let Some(blob) = save::as_blob("application/octet-stream", &npy) else {
                    return;
                };
                blob
            }
        };
        state.set(TileState::Preparing);
        tile.asked.update_value(|asked| *asked += 1);
        let (tile, asked) = (tile.clone(), tile.asked.get_value());
        spawn_local(async move {
            let prepared = bridge::prepare(blob, frame, tile.is_inverted()).await;
            if tile.asked.get_value() != asked {
                return;
            }
            match prepared {
                Ok(prepared) => state.set(TileState::Ready(prepared)),
                Err(trouble) => {
                    self.say(format!("{}: {}", tile.name, trouble.what));
                    state.set(TileState::Failed(trouble));
                }
            }
        });
    }
}

/// Whether a file's name says NumPy; the worker looks at its content.
pub fn is_npy(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".npy")
}
