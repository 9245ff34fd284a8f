//! What is drawn on the pad is a picture on the desk from its first stroke on.

use darkroom_api::compute::ModelCard;
use leptos::prelude::*;

use super::{Desk, Origin, TileState};
use crate::page::digit;
use crate::protocol::Grey;

/// What is on the pad.
#[derive(Clone, PartialEq)]
pub struct Drawing {
    /// The pad itself, as the browser shows it.
    pub address: String,
    /// The picture that becomes of it.
    pub pixels: Grey,
}

/// Whether a model reads digits, so that one can be drawn for it.
pub fn reads_digits(card: &ModelCard) -> bool {
    let digits = || (0..10).map(|digit| digit.to_string());
    (card.input.width, card.input.height) == (digit::SIDE, digit::SIDE)
        && card.classes.iter().cloned().eq(digits())
}

impl Desk {
    /// Puts a drawing on the desk, in place of what was on the same sheet before. Gives the number of
    /// its picture.
    pub fn draw(self, sheet: Option<u32>, drawing: Drawing) -> u32 {
        let old = self.tiles.with_untracked(|tiles| {
            let old = tiles.iter().find(|tile| Some(tile.number) == sheet);
            old.cloned()
        });
        if let Some(tile) = old
            && let Origin::Drawn(shown) = &tile.origin
        {
            shown.set(drawing);
            tile.state.set(TileState::Waiting);
            self.prepare(&tile);
            return tile.number;
        }
        let drawn = self.tiles.with_untracked(|tiles| {
            let drawn = |tile: &&super::Tile| matches!(tile.origin, Origin::Drawn(_));
            tiles.iter().filter(drawn).count()
        });
        let name = format!("Drawing {}", drawn + 1);
        self.say(format!("{name} added."));
        self.add(name, Origin::Drawn(ArcRwSignal::new(drawing)))
            .number
    }
}
