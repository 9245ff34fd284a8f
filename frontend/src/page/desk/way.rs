//! What protects the way, as it was last seen.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Desk;
use crate::page::transit::look;

impl Desk {
    /// Looks once more.
    pub fn look_at_way(self) {
        spawn_local(async move {
            self.see_way().await;
        });
    }

    async fn see_way(self) {
        self.looks.update_value(|looks| looks.begun += 1);
        let number = self.looks.get_value().begun;
        let way = look().await;
        // Looks may overtake each other.
        if number > self.looks.get_value().shown {
            self.looks.update_value(|looks| looks.shown = number);
            self.way.set(way);
        }
    }
}

/// The numbers of looks.
#[derive(Clone, Copy, Default)]
pub(super) struct Looks {
    begun: u32,
    shown: u32,
}
