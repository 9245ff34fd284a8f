//! What protects the way, as it was last seen.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Desk, Run};
use crate::page::transit::{Way, look};

impl Desk {
    /// Looks once more.
    pub fn look_at_way(self) {
        spawn_local(async move {
            self.see_way().await;
        });
    }

    /// Looks once more, and keeps what is seen with a result that has just come.
    pub(super) fn look_at_way_of(self, run: &Run) {
        let kept = run.way.clone();
        spawn_local(async move {
            let way = self.see_way().await;
            kept.set(matches!(way, Way::Seen(_)).then_some(way));
        });
    }

    async fn see_way(self) -> Way {
        self.looks.update_value(|looks| looks.begun += 1);
        let number = self.looks.get_value().begun;
        let way = look().await;
        // Looks may overtake each other.
        if number > self.looks.get_value().shown {
            self.looks.update_value(|looks| looks.shown = number);
            self.way.set(way.clone());
        }
        way
    }
}

/// The numbers of looks.
#[derive(Clone, Copy, Default)]
pub(super) struct Looks {
    begun: u32,
    shown: u32,
}
