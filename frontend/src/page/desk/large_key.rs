//! The large key, as the page knows it: needed or not, there or not, on its way.

use darkroom_api::compute::EvaluationKeyCard;
use darkroom_api::header::ParameterSetId;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Desk;
use crate::bridge::{self, Canceller};
use crate::page::format;
use crate::page::parts::large_key::reason;
use crate::protocol::large_key::{makers, making_ms};
use crate::protocol::{LargeKey, LargeKeyProgress, LargeKeyState, Trouble, TroubleKind};

/// The large key on the desk.
#[derive(Clone, Copy)]
pub struct LargeKeyDesk {
    /// Where it stands; absent until it was asked for.
    pub state: RwSignal<Option<LargeKey>>,
    /// What went wrong with it.
    pub trouble: RwSignal<Option<Trouble>>,
    /// Stops it, where no analysis has asked for it.
    pub making: RwSignal<Option<Canceller>>,
}

impl LargeKeyDesk {
    pub(super) fn new() -> Self {
        Self {
            state: RwSignal::new(None),
            trouble: RwSignal::new(None),
            making: RwSignal::new(None),
        }
    }
}

impl Desk {
    /// The large key that the chosen model needs, if it needs one.
    pub fn large_key_needed(self) -> Option<EvaluationKeyCard> {
        self.chosen().and_then(|card| card.evaluation_key)
    }

    /// Where the large key of the chosen model stands, if that is known.
    pub fn large_key_known(self) -> Option<LargeKey> {
        let needed = self.large_key_needed()?.parameters;
        self.large_key
            .state
            .get()
            .filter(|key| key.parameters == needed)
    }

    /// Whether some of a large key is on the server, as far as is known.
    pub fn large_key_stored(self) -> bool {
        let state = self.large_key.state.get().map(|key| key.state);
        state.is_some_and(|state| !matches!(state, LargeKeyState::Absent { stored: 0, .. }))
    }

    /// How far the large key is, while it is being made.
    pub fn large_key_progress(self) -> Option<(LargeKey, LargeKeyProgress)> {
        let key = self.large_key.state.get()?;
        match key.state {
            LargeKeyState::Making(progress) => Some((key, progress)),
            _ => None,
        }
    }

    /// Asks where the large key stands whenever another model is chosen or the key is another one.
    pub(super) fn watch_large_key(self) {
        let needed = Memo::new(move |_| {
            let needed = self.large_key_needed().map(|needed| needed.parameters);
            let key = self.status.with(|status| {
                let key = status.as_ref().and_then(|status| status.key.as_ref());
                key.map(|key| key.id)
            });
            needed.zip(key)
        });
        Effect::new(move || {
            self.large_key.state.set(None);
            if let Some((parameters, _)) = needed.get() {
                self.load_large_key(parameters);
            }
        });
    }

    fn load_large_key(self, parameters: ParameterSetId) {
        spawn_local(async move {
            // Storage out of reach is said elsewhere, and the making asks again.
            if let Ok(key) = bridge::large_key(parameters).await
                && untrack(|| self.large_key_progress()).is_none()
            {
                self.large_key.state.set(Some(key));
            }
        });
    }

    /// Asks again, after what was in storage may have gone.
    pub(super) fn look_for_large_key(self) {
        self.large_key.state.set(None);
        let needed = untrack(|| self.large_key_needed());
        if let (Some(needed), true) = (needed, untrack(|| self.has_key())) {
            self.load_large_key(needed.parameters);
        }
    }

    /// Makes and sends the large key ahead of the first analysis.
    pub fn make_large_key(self) {
        let Some(needed) = untrack(|| self.large_key_needed()) else {
            return;
        };
        if self.large_key.making.get_untracked().is_some() {
            return;
        }
        self.large_key.trouble.set(None);
        let task = bridge::make_large_key(needed.parameters);
        self.large_key.making.set(Some(task.canceller()));
        spawn_local(async move {
            let made = task.await;
            self.large_key.making.set(None);
            match made {
                // A notice has told it.
                Ok(_) => {}
                Err(trouble) if trouble.kind == TroubleKind::Cancelled => {
                    self.say("Cancelled. What was sent of the large key stays for the next time.");
                }
                Err(trouble) => self.large_key.trouble.set(Some(trouble)),
            }
        });
    }

    /// Takes note of how far the large key is.
    pub(super) fn take_large_key(self, key: LargeKey) {
        let before = self.large_key.state.get_untracked();
        self.large_key.state.set(Some(key));
        let was_made = before.is_some_and(|old| matches!(old.state, LargeKeyState::Making(_)));
        match key.state {
            LargeKeyState::Making(progress) if !was_made => {
                self.say(reason(progress.cause).unwrap_or("Making your large key."));
            }
            LargeKeyState::Making(progress) => self.announcer.progress(|| spoken(&key, &progress)),
            LargeKeyState::Ready(Some(_)) => self.say("Your large key is on the server."),
            LargeKeyState::Ready(None)
            | LargeKeyState::Elsewhere
            | LargeKeyState::Absent { .. } => {}
        }
    }
}

/// What making so many parts of so many bytes will take here, in ms.
pub fn making_time(parts: u16, bytes: u64) -> f64 {
    let cores = window().navigator().hardware_concurrency();
    making_ms(bytes, makers(parts, cores))
}

fn spoken(key: &LargeKey, progress: &LargeKeyProgress) -> String {
    format!(
        "Large key: {} of {} parts sent, {} left.",
        progress.stored,
        key.parts,
        format::about(progress.left_ms)
    )
}
