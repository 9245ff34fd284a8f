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
            Origin::Stored { image, pixels } if fits(pixels, frame) && !self.is_inverted() => {
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

    /// Takes what the frame made of it.
    fn take(&self, mut prepared: Prepared) {
        if self.is_inverted() {
            invert(&mut prepared.picture);
        }
        self.state.set(TileState::Ready(prepared));
    }
}

/// Exchanges black and white.
fn invert(picture: &mut Grey) {
    for grey in &mut picture.data {
        *grey = u8::MAX - *grey;
    }
}

/// Whether a picture is dark on light: most of its frame's edge is bright.
pub fn is_dark_on_light(picture: &Grey) -> bool {
    let width = (picture.width as usize).max(1);
    let height = picture.data.len() / width;
    let on_edge = |place: usize| {
        let (row, column) = (place / width, place % width);
        row == 0 || row + 1 == height || column == 0 || column + 1 == width
    };
    let edge = picture.data.iter().enumerate();
    let edge: Vec<bool> = edge
        .filter(|(place, _)| on_edge(*place))
        .map(|(_, grey)| *grey > u8::MAX / 2)
        .collect();
    edge.iter().filter(|bright| **bright).count() * 2 > edge.len()
}

/// Pixels that have the frame already.
fn as_they_are(picture: Grey) -> Prepared {
    Prepared {
        original_width: picture.width,
        original_height: picture.height,
        picture,
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
        tile.state.update(|state| {
            if let TileState::Ready(ready) = state {
                invert(&mut ready.picture);
            }
        });
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
            TileState::Ready(ready) => fits(&ready.picture, frame),
            TileState::Failed(_) => true,
            TileState::Waiting | TileState::Preparing => false,
        });
        if ready {
            return;
        }
        let blob = match tile.pixels() {
            Err(blob) => blob,
            Ok(pixels) if fits(&pixels, frame) => return tile.take(as_they_are(pixels)),
            Ok(pixels) => {
                let npy = save::npy(pixels.width, pixels.height, &pixels.data);
                let Some(blob) = save::as_blob("application/octet-stream", &npy) else {
                    return;
                };
                blob
            }
        };
        state.set(TileState::Preparing);
        let tile = tile.clone();
        spawn_local(async move {
            let prepared = bridge::prepare(blob, frame.width, frame.height).await;
            // Another frame may have been chosen while this was made.
            let wanted = untrack(|| self.chosen()).map(|card| card.input) == Some(frame);
            if !wanted {
                return;
            }
            match prepared {
                Ok(prepared) => tile.take(prepared),
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
