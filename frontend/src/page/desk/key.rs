//! Making, restoring and forgetting the key.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Desk, Making};
use crate::bridge;
use crate::protocol::{KeyStep, Secret, Status, Trouble, TroubleKind};

impl Desk {
    pub(super) fn load_status(self) {
        spawn_local(async move {
            match bridge::status().await {
                Ok(status) => self.take_status(status),
                Err(trouble) => self.key_trouble.set(Some(trouble)),
            }
        });
    }

    /// Takes note of the key's state, and of the history where the key is another one now.
    pub(super) fn take_status(self, status: Status) {
        let id = |status: &Status| status.key.as_ref().map(|key| key.id);
        let old = self.status.with_untracked(|old| old.as_ref().map(id));
        let new = id(&status);
        self.status.set(Some(status));
        if old == Some(new) {
            return;
        }
        if old.is_some() {
            self.runs.set(Vec::new());
        }
        if new.is_some() {
            self.load_history();
        } else {
            self.entries.set(Some(Vec::new()));
        }
    }

    /// Makes a key; says whether there is one afterwards.
    pub async fn make_key(self) -> bool {
        if self.making.get_untracked().is_some() {
            return false;
        }
        self.key_trouble.set(None);
        let task = bridge::create_key(move |step| {
            self.making.update(|making| {
                if let Some(making) = making {
                    making.step = step;
                }
            });
        });
        let stop = task.canceller();
        let since_ms = js_sys::Date::now();
        self.making.set(Some(Making {
            step: KeyStep::Drawing,
            stop,
            since_ms,
        }));
        self.say("Making your key.");
        let made = task.await;
        self.making.set(None);
        match made {
            Ok(status) => {
                self.take_status(status);
                self.say("Your key is ready. It stays in this browser.");
                true
            }
            Err(trouble) => {
                self.key_failed(trouble);
                false
            }
        }
    }

    fn key_failed(self, trouble: Trouble) {
        if trouble.kind == TroubleKind::Cancelled {
            self.say("Cancelled. No key was made.");
        } else {
            self.key_trouble.set(Some(trouble));
        }
    }

    /// Takes the key out of its words; what went wrong, if it did.
    pub async fn restore_words(self, words: String, replace: bool) -> Result<(), Trouble> {
        let status = bridge::restore_words(Secret(words), replace).await?;
        self.restored(status);
        Ok(())
    }

    /// Takes the key out of a backup file; what went wrong, if it did.
    pub async fn restore_file(
        self,
        file: Vec<u8>,
        passphrase: String,
        replace: bool,
    ) -> Result<(), Trouble> {
        let status = bridge::restore_file(file, Secret(passphrase), replace).await?;
        self.restored(status);
        Ok(())
    }

    fn restored(self, status: Status) {
        self.key_trouble.set(None);
        self.take_status(status);
        self.load_history();
        self.say("Your key is back. What the server keeps for it is coming.");
    }

    /// Wipes the key from this browser, and before that everything on the server if `also_there`.
    pub async fn forget(self, also_there: bool) -> Result<(), Trouble> {
        if also_there {
            bridge::delete_all().await?;
        }
        let status = bridge::forget().await?;
        self.take_status(status);
        self.tiles
            .update(|tiles| tiles.retain(|tile| tile.is_own()));
        self.say("This browser has forgotten the key.");
        Ok(())
    }
}
